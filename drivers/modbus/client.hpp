// A Modbus master: one request at a time, and only its own answer counts.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <tl/expected.hpp>

#include "drivers/port.hpp"
#include "drivers/settings.hpp"

namespace ferrule::drivers::modbus {

/// A read of one table, function codes 1 to 4 (Modbus AP v1.1b3 6.1 to 6.4).
struct Request {
  std::uint8_t unit = 1;
  Table table = Table::Holding;
  std::uint16_t address = 0;
  std::uint16_t count = 1;  ///< bits: 1..2000; registers: 1..125
  bool operator==(const Request&) const = default;
};

std::uint8_t function_of(Table table);

/// The times of a wire.
struct Timing {
  std::chrono::milliseconds timeout{
      500};                         ///< from the end of the request to the first byte of the answer (TCP: to the last)
  std::chrono::nanoseconds gap{0};  ///< silence before each request
  std::chrono::nanoseconds character{0};      ///< one byte on the line; 0 on TCP
  std::chrono::milliseconds turnaround{100};  ///< silence after a broadcast, in which the units execute it
  bool echo = false;                          ///< what is sent comes back first
};

/// The times of a serial line: RTU's gap is never below 3.5 characters, above 19200 baud never below 1.75 ms (Modbus
/// over serial line V1.02 2.5.1.1).
Timing line_timing(const BusSettings& settings);

/// Asks over a port that the caller opens. The data of an answer is as on the wire, after the byte count, and valid
/// until the next call. Failures: Timeout, BadReply, DeviceBusy, PointRejected, UnitOffline, PortLost; after PortLost,
/// and whenever the stream can no longer be trusted, the port is closed.
class Client {
 public:
  virtual ~Client() = default;
  /// To be called after each opening of the port, before the first `read`.
  virtual tl::expected<void, Fault> opened() = 0;
  virtual tl::expected<std::span<const std::uint8_t>, Fault> read(const Request& request) = 0;
  /// Sends a read before its turn, so that the next `read` of the same finds its answer on its way, or here. False: so
  /// many are under way as may be. A write makes it forget them: it asks again for what may have changed.
  virtual bool ask_ahead(const Request& /*request*/) { return false; }
  /// Sends a write (see write_pdu) once, and waits until the unit confirms it. On a serial line unit 0 is everybody:
  /// nobody confirms, and it fails as Timeout, sent.
  virtual tl::expected<void, Fault> write(std::uint8_t unit, std::span<const std::uint8_t> pdu) = 0;
  /// Sends any other request, and returns what the unit answers, from the function code on. On a serial line only its
  /// unit and function tell the answer from another: for the person who asks, not for values.
  virtual tl::expected<std::span<const std::uint8_t>, Fault> ask(std::uint8_t unit,
                                                                 std::span<const std::uint8_t> pdu) = 0;
};

/// Whether the answers of a TCP peer carry the transaction id of their request, as they must (Modbus TCP guide V1.0b
/// 3.1.3).
enum class Ids : std::uint8_t {
  Echoed,
  Ignored,  ///< any id will do: then nothing but closing the connection gets rid of a late answer, and that is done
};

/// The port and the signal outlive the client. Throws std::bad_alloc only.
/// `pipeline`: how many reads may be under way at once; more than 1 needs ids that are echoed.
std::unique_ptr<Client> make_tcp_client(Port& port, const StopSignal& stop, const Timing& timing, Ids ids = Ids::Echoed,
                                        std::size_t pipeline = 1);
std::unique_ptr<Client> make_ascii_client(Port& port, const StopSignal& stop, const Timing& timing);
std::unique_ptr<Client> make_rtu_client(Port& port, const StopSignal& stop, const Timing& timing);

}  // namespace ferrule::drivers::modbus

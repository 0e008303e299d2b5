// What the clients of serial lines and of Modbus TCP share.
#pragma once

#include <array>
#include <span>
#include <string>

#include "drivers/modbus/client.hpp"

namespace ferrule::drivers::modbus {

/// In the function code of an exception answer (Modbus AP v1.1b3 7).
inline constexpr std::uint8_t kRefused = 0x80;

/// Bytes of data that answer a request, at most 250.
std::uint8_t data_bytes(const Request& request);

/// Function code and data of a read.
std::array<std::uint8_t, 5> read_pdu(const Request& request);

/// Whether the answer (function code and data) confirms a write; what it does not confirm is BadReply, sent.
tl::expected<void, Fault> check_echo(std::span<const std::uint8_t> answer, std::span<const std::uint8_t> pdu);

/// The failure that an exception code stands for. Codes of no known meaning are BadReply.
Fault refusal(std::uint8_t code);

/// A client's port. Waiting is done here, never in libmodbus, so that a call to stop always gets through.
class WireClient : public Client {
 protected:
  WireClient(Port& port, const StopSignal& stop, const Timing& timing) : port_(port), stop_(stop), timing_(timing) {}

  tl::unexpected<Fault> lost(std::string why);  ///< closes the port
  static tl::unexpected<Fault> failed(Failure failure, std::string why);
  static tl::unexpected<Fault> stopping();

  Port& port_;
  const StopSignal& stop_;
  const Timing timing_;
};

}  // namespace ferrule::drivers::modbus

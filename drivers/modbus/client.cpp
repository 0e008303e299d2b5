#include "drivers/modbus/client.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "drivers/modbus/decode.hpp"
#include "drivers/modbus/line_client.hpp"
#include "drivers/modbus/tcp_client.hpp"
#include "drivers/modbus/wire_client.hpp"
#include "drivers/modbus/write.hpp"

namespace ferrule::drivers::modbus {

namespace {

struct Exception {
  std::uint8_t code;
  Failure failure;
  const char* name;
};

// Modbus AP v1.1b3 7
constexpr Exception kExceptions[] = {
    {0x01, Failure::PointRejected, "illegal function"},
    {0x02, Failure::PointRejected, "illegal data address"},
    {0x03, Failure::PointRejected, "illegal data value"},
    {0x04, Failure::DeviceBusy, "server device failure"},
    {0x05, Failure::DeviceBusy, "acknowledge"},
    {0x06, Failure::DeviceBusy, "server device busy"},
    {0x0A, Failure::UnitOffline, "gateway path unavailable"},
    {0x0B, Failure::UnitOffline, "gateway target device failed to respond"},
};

}  // namespace

std::uint8_t function_of(Table table) {
  switch (table) {
    case Table::Coil:
      return 1;
    case Table::Discrete:
      return 2;
    case Table::Holding:
      return 3;
    case Table::Input:
      return 4;
  }
  return 0;
}

std::uint8_t data_bytes(const Request& request) {
  return static_cast<std::uint8_t>(is_bits(request.table) ? (request.count + 7) / 8 : request.count * 2);
}

std::array<std::uint8_t, 5> read_pdu(const Request& request) {
  return {function_of(request.table), static_cast<std::uint8_t>(request.address >> 8),
          static_cast<std::uint8_t>(request.address), static_cast<std::uint8_t>(request.count >> 8),
          static_cast<std::uint8_t>(request.count)};
}

tl::expected<void, Fault> check_echo(std::span<const std::uint8_t> answer, std::span<const std::uint8_t> pdu) {
  const auto echo = write_echo(pdu);
  if (answer.size() >= echo.size() && std::ranges::equal(answer.first(echo.size()), echo)) return {};
  return tl::unexpected(Fault{Failure::BadReply, "the answer does not confirm what was written", 0, true});
}

Fault refusal(std::uint8_t code) {
  const auto* known = std::ranges::find(kExceptions, code, &Exception::code);
  const bool found = known != std::end(kExceptions);
  return {found ? known->failure : Failure::BadReply,
          fmt::format("exception {:02X} ({})", code, found ? known->name : "unknown"), code};
}

Timing line_timing(const BusSettings& settings) {
  using namespace std::chrono_literals;
  const auto& line = settings.line;
  const int bits = 1 + line.data_bits + (line.parity == Parity::None ? 0 : 1) + line.stop_bits;
  const std::chrono::nanoseconds character = std::chrono::nanoseconds(1s) * bits / std::max(line.baud, 1);
  std::chrono::nanoseconds least = line.baud > 19200 ? 1750us : character * 7 / 2;
  if (is_ascii(settings.type)) least = 0ns;
  return {settings.timeout, std::max<std::chrono::nanoseconds>(settings.gap, least), character, settings.turnaround,
          line.echo};
}

tl::unexpected<Fault> WireClient::lost(std::string why) {
  port_.close();
  return failed(Failure::PortLost, std::move(why));
}

tl::unexpected<Fault> WireClient::failed(Failure failure, std::string why) {
  return tl::unexpected(Fault{failure, std::move(why), 0});
}

tl::unexpected<Fault> WireClient::stopping() { return failed(Failure::PortLost, "stopping"); }

std::unique_ptr<Client> make_tcp_client(Port& port, const StopSignal& stop, const Timing& timing, Ids ids,
                                        std::size_t pipeline) {
  return std::make_unique<TcpClient>(port, stop, timing, ids, pipeline);
}

std::unique_ptr<Client> make_rtu_client(Port& port, const StopSignal& stop, const Timing& timing) {
  return std::make_unique<LineClient>(port, stop, timing, make_rtu_framer());
}

std::unique_ptr<Client> make_ascii_client(Port& port, const StopSignal& stop, const Timing& timing) {
  return std::make_unique<LineClient>(port, stop, timing, make_ascii_framer());
}

}  // namespace ferrule::drivers::modbus

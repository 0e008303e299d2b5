#include "drivers/modbus/wire.hpp"

#include "drivers/serial_port.hpp"
#include "drivers/tcp_port.hpp"
#include "drivers/tls_port.hpp"
#include "drivers/udp_port.hpp"

namespace ferrule::drivers::modbus {

namespace {

std::unique_ptr<Port> make_port(const BusSettings& settings, const StopSignal& stop) {
  if (is_serial(settings.type)) return std::make_unique<SerialPort>(settings.path, settings.line, stop);
  if (settings.type == BusType::ModbusUdp) return std::make_unique<UdpPort>(settings.host, settings.port, stop);
  const TcpPort::Options options{std::chrono::duration_cast<std::chrono::seconds>(settings.keepalive),
                                 settings.connect_delay, settings.standby_host, settings.standby_port};
  if (settings.type == BusType::ModbusTls) {
    return std::make_unique<TlsPort>(settings.host, settings.port, stop, options, settings.tls);
  }
  return std::make_unique<TcpPort>(settings.host, settings.port, stop, options);
}

std::unique_ptr<Client> make_client(const BusSettings& settings, Port& port, const StopSignal& stop) {
  // Behind a TCP peer it keeps the line's silences itself.
  const Timing over_tcp{settings.timeout, settings.gap, {}, settings.turnaround};
  switch (settings.type) {
    case BusType::ModbusRtu:
      return make_rtu_client(port, stop, line_timing(settings));
    case BusType::ModbusRtuTcp:
      return make_rtu_client(port, stop, over_tcp);
    case BusType::ModbusAscii:
      return make_ascii_client(port, stop, line_timing(settings));
    case BusType::ModbusAsciiTcp:
      return make_ascii_client(port, stop, over_tcp);
    case BusType::ModbusTcp:
    case BusType::ModbusUdp:
    case BusType::ModbusTls:
      return make_tcp_client(port, stop, over_tcp, settings.echoes_ids ? Ids::Echoed : Ids::Ignored,
                             static_cast<std::size_t>(settings.pipeline));
    default:
      return nullptr;
  }
}

}  // namespace

tl::expected<void, Fault> Wire::open(TimePoint deadline) const {
  if (auto opened = port->open(deadline); !opened) return opened;
  return client->opened();
}

Wire make_wire(const BusSettings& settings, const StopSignal& stop) {
  auto port = make_port(settings, stop);
  auto client = make_client(settings, *port, stop);
  return {std::move(port), std::move(client)};
}

}  // namespace ferrule::drivers::modbus

#include "drivers/modbus/wire.hpp"

#include "drivers/serial_port.hpp"
#include "drivers/tcp_port.hpp"

namespace ferrule::drivers::modbus {

namespace {

std::unique_ptr<Port> make_port(const BusSettings& settings, const StopSignal& stop) {
  if (is_serial(settings.type)) return std::make_unique<SerialPort>(settings.path, settings.line, stop);
  const TcpPort::Options options{std::chrono::duration_cast<std::chrono::seconds>(settings.keepalive),
                                 settings.connect_delay};
  return std::make_unique<TcpPort>(settings.host, settings.port, stop, options);
}

std::unique_ptr<Client> make_client(const BusSettings& settings, Port& port, const StopSignal& stop) {
  switch (settings.type) {
    case BusType::ModbusTcp:
      return make_tcp_client(port, stop, {settings.timeout, settings.gap, {}});
    case BusType::ModbusRtu:
      return make_rtu_client(port, stop, rtu_timing(settings));
    case BusType::ModbusRtuTcp:
      // The line is behind the peer, which keeps its silences itself.
      return make_rtu_client(port, stop, {settings.timeout, settings.gap, {}, settings.turnaround});
  }
  return nullptr;
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

#include "drivers/modbus/settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "drivers/modbus/decode.hpp"
#include "drivers/modbus/points.hpp"
#include "drivers/settings_bus.hpp"

namespace ferrule::drivers::modbus {

namespace {

using config::Choice;
using config::Node;
using std::chrono::milliseconds;

constexpr std::array kDrivenBy{Choice<Rs485Settings::By>{"kernel", Rs485Settings::By::Kernel},
                               Choice<Rs485Settings::By>{"rts", Rs485Settings::By::Rts}};
constexpr std::array kLevels{Choice<bool>{"high", true}, Choice<bool>{"low", false}};

constexpr std::uint16_t kSecurePort = 802;  // Modbus/TCP Security V36 5.3
constexpr int kMostPipeline = 16;  // more than most peers take
constexpr milliseconds kMostRtsTime{100};   // the longest that the kernel takes

std::uint32_t width_of(const PointSettings& point) { return extent_of(point).width; }

void check_widths(const DeviceSettings& device, const Node& max_registers) {
  const auto wider = std::find_if(device.points.begin(), device.points.end(),
                                  [&](const auto& point) { return width_of(point) > device.max_registers; });
  if (wider == device.points.end()) return;
  max_registers.mistake(
      fmt::format("a read must hold a whole value, and point {} fills {} registers", wider->name, width_of(*wider)));
}

// A serial line has units 1 to 247, and 0 for all of them (Modbus serial line V1.02 2.2); over TCP 0 and 255 mean the
// peer itself, and some gateways use the rest.
void read_unit(const Node& node, const BusSettings& bus, DeviceSettings& device) {
  const auto unit = node["unit_id"];
  const auto id = unit.integer(-1, 0, has_line_frames(bus.type) ? 247 : 255);
  if (id >= 0) device.unit_id = static_cast<std::uint8_t>(id);
  if (id < 0 && unit.present()) return;  // a wrong one is a mistake already, not the double of another too
  if (is_broadcast(bus, device) &&
      std::any_of(device.points.begin(), device.points.end(), [](const auto& point) { return !point.write; })) {
    unit.mistake("0 is every unit of the line, and none of them answers: its points can only be written",
                 "give each `write: true`");
  }
  const auto same = std::find_if(bus.devices.begin(), bus.devices.end(),
                                 [&](const auto& other) { return other.unit_id == device.unit_id; });
  if (same == bus.devices.end()) return;
  unit.mistake(fmt::format("unit {} on bus {} is already device {} (line {})", device.unit_id, bus.name, same->name,
                           same->where.line));
}

void read_rs485(const Node& node, LineSettings& line) {
  if (!node.present()) return;
  auto& rs485 = line.rs485.emplace();
  rs485.by = node["by"].one_of(rs485.by, kDrivenBy);
  rs485.rts_high = node["rts"].one_of(rs485.rts_high, kLevels);
  rs485.before = node["before"].duration(rs485.before, milliseconds{0}, kMostRtsTime);
  rs485.after = node["after"].duration(rs485.after, milliseconds{0}, kMostRtsTime);
}

void read_line(const Node& node, bool ascii, LineSettings& line) {
  const auto data_bits = node["data_bits"];
  if (ascii) {
    line.data_bits = static_cast<int>(data_bits.integer(7, 7, 8));  // Modbus serial line V1.02 2.5.2
  } else if (data_bits.integer(8, 5, 8) != 8) {
    data_bits.mistake("Modbus RTU sends 8 data bits");  // Modbus serial line V1.02 2.5.1
  }
  line.echo = node["echo"].boolean(line.echo);
  read_rs485(node["rs485"], line);
}

void read_tls(const Node& node, TlsSettings& tls) {
  tls.ca = node["ca"].required_text();
  tls.cert = node["cert"].required_text();
  tls.key = node["key"].required_text();
  tls.server_name = node["server_name"].text("");
}

void read_connection(const Node& node, BusSettings& bus) {
  read_tcp(node, bus);
  bus.idle_close = node["idle_close"].duration(bus.idle_close, milliseconds{0}, std::chrono::hours{1});
  const auto standby = node["standby"];
  if (standby.present()) {
    bus.standby_host = standby["host"].required_text();
    bus.standby_port = static_cast<std::uint16_t>(standby["port"].integer(bus.port, 1, 65535));
  }
  if (has_line_frames(bus.type)) return;
  bus.echoes_ids = node["echoes_ids"].boolean(bus.echoes_ids);
  const auto pipeline = node["pipeline"];
  bus.pipeline = static_cast<int>(pipeline.integer(bus.pipeline, 1, kMostPipeline));
  if (bus.pipeline > 1 && !bus.echoes_ids) {
    pipeline.mistake("without transaction ids nobody could tell the answers from each other");
  }
}

void read_endpoint(const Node& node, BusSettings& bus) {
  switch (bus.type) {
    case BusType::ModbusRtu:
    case BusType::ModbusAscii:
      read_serial_line(node, bus);
      return read_line(node["line"], is_ascii(bus.type), bus.line);
    case BusType::ModbusUdp:
      bus.host = node["host"].required_text();
      bus.port = static_cast<std::uint16_t>(node["port"].integer(bus.port, 1, 65535));
      return;
    case BusType::ModbusTls:
      bus.port = kSecurePort;
      read_connection(node, bus);
      return read_tls(node["tls"], bus.tls);
    default:
      return read_connection(node, bus);
  }
}

}  // namespace

void read_bus(const Node& node, BusSettings& bus) {
  read_endpoint(node, bus);
  read_polling(node, bus);
  const auto gap = node["gap"];
  bus.gap = gap.duration(bus.gap, milliseconds{0}, milliseconds{10'000});
  if (bus.pipeline > 1 && bus.gap.count() > 0) gap.mistake("with a pipeline there is no silence between requests");
  if (has_line_frames(bus.type)) {
    bus.turnaround = node["turnaround"].duration(bus.turnaround, milliseconds{0}, milliseconds{10'000});
  }
}

void read_device(const Layers& layers, const BusSettings* bus, DeviceSettings& device) {
  device.max_gap = static_cast<std::uint16_t>(layers["max_gap"].integer(device.max_gap, 0, 125));
  device.max_registers = static_cast<std::uint16_t>(layers["max_registers"].integer(device.max_registers, 1, 125));
  device.points = read_points(layers);
  check_widths(device, layers["max_registers"]);
  if (bus != nullptr) {
    read_unit(layers.own, *bus, device);
  } else {
    layers.own["unit_id"].integer(1, 0, 255);
  }
}

}  // namespace ferrule::drivers::modbus

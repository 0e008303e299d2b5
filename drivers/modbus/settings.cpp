#include "drivers/modbus/settings.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "drivers/modbus/decode.hpp"
#include "drivers/modbus/points.hpp"
#include "drivers/settings_bus.hpp"

namespace ferrule::drivers::modbus {

namespace {

using config::Node;
using std::chrono::milliseconds;

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
  const bool tcp = bus.type == BusType::ModbusTcp;
  const auto id = unit.integer(-1, 0, tcp ? 255 : 247);
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

}  // namespace

void read_bus(const Node& node, BusSettings& bus) {
  if (is_serial(bus.type)) {
    read_serial_line(node, bus);
    const auto data_bits = node["line"]["data_bits"];
    if (data_bits.integer(8, 5, 8) != 8) {
      data_bits.mistake("Modbus RTU sends 8 data bits");  // Modbus serial line V1.02 2.5.1
    }
  } else {
    read_tcp(node, bus);
  }
  read_polling(node, bus);
  bus.gap = node["gap"].duration(bus.gap, milliseconds{0}, milliseconds{10'000});
  if (bus.type != BusType::ModbusTcp) {
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

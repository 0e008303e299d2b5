#include "drivers/settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <unordered_map>

#include "drivers/modbus/decode.hpp"
#include "drivers/settings_layers.hpp"
#include "drivers/settings_points.hpp"

namespace ferrule::drivers {

namespace {

using config::Choice;
using config::Node;
using std::chrono::milliseconds;

constexpr std::array kBusTypes{Choice<BusType>{"modbus-tcp", BusType::ModbusTcp},
                               Choice<BusType>{"modbus-rtu", BusType::ModbusRtu},
                               Choice<BusType>{"modbus-rtu-tcp", BusType::ModbusRtuTcp}};
constexpr std::array kParities{Choice<Parity>{"none", Parity::None}, Choice<Parity>{"even", Parity::Even},
                               Choice<Parity>{"odd", Parity::Odd}};

constexpr milliseconds kMinRetry{100};
constexpr milliseconds kMaxRetry{std::chrono::hours{24}};

// A range of pauses between two attempts, each within [kMinRetry, kMaxRetry].
std::pair<milliseconds, milliseconds> read_pauses(const Node& node, std::pair<milliseconds, milliseconds> fallback) {
  const auto pauses = node.duration_range(fallback);
  if (pauses.first >= kMinRetry && pauses.second <= kMaxRetry) return pauses;
  node.mistake("must lie between 100ms and 1d");
  return fallback;
}

void read_line(const Node& node, LineSettings& line) {
  line.baud = static_cast<int>(node["baud"].integer(line.baud, 300, 4'000'000));
  line.parity = node["parity"].one_of(line.parity, kParities);
  line.stop_bits = static_cast<int>(node["stop_bits"].integer(line.stop_bits, 1, 2));
  const auto data_bits = node["data_bits"];
  if (data_bits.integer(8, 5, 8) != 8)
    data_bits.mistake("Modbus RTU sends 8 data bits");  // Modbus serial line V1.02 2.5.1
}

void read_endpoint(const Node& node, BusSettings& bus) {
  if (!is_serial(bus.type)) {
    bus.host = node["host"].required_text();
    bus.port = static_cast<std::uint16_t>(node["port"].integer(bus.port, 1, 65535));
    const auto keepalive = node["keepalive"];
    bus.keepalive = keepalive.duration(bus.keepalive, milliseconds{0}, std::chrono::hours{2});
    if (bus.keepalive.count() % 1000 != 0) keepalive.mistake("must be whole seconds, or 0s for none");
    bus.connect_delay = node["connect_delay"].duration(bus.connect_delay, milliseconds{0}, milliseconds{10'000});
    return;
  }
  bus.path = node["port"].required_text();
  if (!bus.path.empty() && bus.path.find('/') == std::string::npos) {
    node["port"].mistake("must be the path of a serial port", "e.g. /dev/ttyUSB0");
  }
  read_line(node["line"], bus.line);
}

BusSettings read_bus(std::string name, const Node& node) {
  check_topic_level(name, node);
  BusSettings bus;
  bus.name = std::move(name);
  bus.where = node.where();
  const auto type = node["type"];
  if (!type.present()) type.required_text();
  bus.type = type.one_of(BusType::ModbusTcp, kBusTypes);
  if (!type.present() || bus.type != type.one_of(BusType::ModbusRtu, kBusTypes)) {
    node.ignore();  // which keys a bus of a wrong type may have is unknown
    return bus;
  }
  read_endpoint(node, bus);
  bus.timeout = node["timeout"].duration(bus.timeout, milliseconds{10}, milliseconds{60'000});
  bus.retries = static_cast<int>(node["retries"].integer(bus.retries, 0, 10));
  bus.gap = node["gap"].duration(bus.gap, milliseconds{0}, milliseconds{10'000});
  if (bus.type != BusType::ModbusTcp) {
    bus.turnaround = node["turnaround"].duration(bus.turnaround, milliseconds{0}, milliseconds{10'000});
  }
  const auto offline = node["offline"];
  bus.offline_after = static_cast<int>(offline["after"].integer(bus.offline_after, 1, 1000));
  bus.offline_retry = read_pauses(offline["retry"], bus.offline_retry);
  bus.reconnect = read_pauses(node["reconnect"], bus.reconnect);
  return bus;
}

// What two buses must not have in common: two masters on one wire read each other's answers.
std::string endpoint_of(const BusSettings& bus) {
  if (is_serial(bus.type)) {
    if (bus.path.empty()) return {};
    // Two links may name one adapter; one that is not plugged in is known by its name only.
    std::error_code missing;
    const auto device = std::filesystem::canonical(bus.path, missing);
    return (missing ? std::filesystem::path(bus.path).lexically_normal() : device).string();
  }
  if (bus.host.empty()) return {};
  auto host = bus.host;
  std::transform(host.begin(), host.end(), host.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; });
  return fmt::format("{}:{}", host, bus.port);
}

void check_endpoints(const std::vector<BusSettings>& buses, const Node& section) {
  std::unordered_map<std::string, const BusSettings*> taken;
  for (const auto& bus : buses) {
    const auto endpoint = endpoint_of(bus);
    if (endpoint.empty()) continue;
    const auto [first, added] = taken.emplace(endpoint, &bus);
    if (added) continue;
    section[bus.name][is_serial(bus.type) ? "port" : "host"].mistake(
        fmt::format("{} is also that of bus {} (line {})", endpoint, first->second->name, first->second->where.line),
        "put the devices of one wire on one bus");
  }
}

// The templates by name, and which of them a device used.
struct Templates {
  struct Template {
    Node node;
    bool used = false;
  };
  std::map<std::string, Template, std::less<>> by_name;
};

void say_unknown(const Node& node, std::string_view what, std::string_view word,
                 const std::vector<std::string_view>& known) {
  const auto near = config::nearest(word, known);
  node.mistake(fmt::format("there is no {} \"{}\"", what, word),
               near.empty() ? "" : fmt::format("did you mean \"{}\"?", near));
}

Node find_template(const Node& device, Templates& templates) {
  const auto node = device["template"];
  if (!node.present()) return {};
  const auto name = node.text();
  const auto found = templates.by_name.find(name);
  if (found != templates.by_name.end()) {
    found->second.used = true;
    return found->second.node;
  }
  std::vector<std::string_view> known;
  for (const auto& [key, value] : templates.by_name) known.push_back(key);
  if (!name.empty()) say_unknown(node, "template", name, known);
  return {};
}

std::uint32_t width_of(const PointSettings& point) { return modbus::extent_of(point).width; }

void check_widths(const DeviceSettings& device, const Node& max_registers) {
  const auto wider = std::find_if(device.points.begin(), device.points.end(),
                                  [&](const auto& point) { return width_of(point) > device.max_registers; });
  if (wider == device.points.end()) return;
  max_registers.mistake(
      fmt::format("a read must hold a whole value, and point {} fills {} registers", wider->name, width_of(*wider)));
}

DeviceSettings read_device(std::string name, const Node& node, const Node& base) {
  check_topic_level(name, node);
  DeviceSettings device;
  device.name = std::move(name);
  device.where = node.where();
  device.publish = node;
  device.publish_template = base;
  const Layers layers{node, base};
  device.max_gap = static_cast<std::uint16_t>(layers["max_gap"].integer(device.max_gap, 0, 125));
  device.max_registers = static_cast<std::uint16_t>(layers["max_registers"].integer(device.max_registers, 1, 125));
  device.points = read_points(layers);
  check_widths(device, layers["max_registers"]);
  return device;
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

BusSettings* find_bus(const Node& device, std::vector<BusSettings>& buses) {
  const auto node = device["bus"];
  const auto name = node.required_text();
  const auto found = std::find_if(buses.begin(), buses.end(), [&](const auto& bus) { return bus.name == name; });
  if (found != buses.end()) return &*found;
  std::vector<std::string_view> known;
  for (const auto& bus : buses) known.push_back(bus.name);
  if (!name.empty()) say_unknown(node, "bus", name, known);
  return nullptr;
}

// True when every device found its bus.
bool read_devices(const Node& section, Templates& templates, std::vector<BusSettings>& buses) {
  bool complete = true;
  for (const auto& [name, node] : section.entries()) {
    auto* bus = find_bus(node, buses);
    const bool has_template = node["template"].present();
    const auto base = find_template(node, templates);
    auto device = read_device(name, node, base);
    const bool template_missing = has_template && !base.present();
    const auto points = node["points"];
    const bool misshapen = points.present() && !points.is_map();
    if (device.points.empty() && !template_missing && !misshapen) {
      points.mistake("a device without points has nothing to read");
    }
    if (bus == nullptr) {
      // Nobody else will read its publish keys: they are not unknown.
      node["unit_id"].integer(1, 0, 255);
      node.ignore();
      complete = false;
      continue;
    }
    read_unit(node, *bus, device);
    bus->devices.push_back(std::move(device));
  }
  return complete;
}

}  // namespace

std::vector<BusSettings> read_buses(const Node& root) {
  std::vector<BusSettings> buses;
  const auto section = root["buses"];
  for (const auto& [name, node] : section.entries()) buses.push_back(read_bus(name, node));
  check_endpoints(buses, section);

  Templates templates;
  for (const auto& [name, node] : root["templates"].entries()) templates.by_name[name].node = node;
  const bool complete = read_devices(root["devices"], templates, buses);
  for (const auto& [name, entry] : templates.by_name) {
    if (entry.used) continue;
    read_device(name, {}, entry.node);  // a mistake in it is one, though no device uses it
    entry.node.ignore();
  }
  for (const auto& bus : buses) {
    if (complete && bus.devices.empty()) section[bus.name].mistake("a bus without devices has nothing to do");
  }
  return buses;
}

}  // namespace ferrule::drivers

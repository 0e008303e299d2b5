#include "drivers/settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <unordered_map>

#include "drivers/registry.hpp"
#include "drivers/settings_layers.hpp"
#include "drivers/settings_points.hpp"

namespace ferrule::drivers {

namespace {

using config::Choice;
using config::Node;

BusSettings read_bus(std::string name, const Node& node) {
  check_topic_level(name, node);
  BusSettings bus;
  bus.name = std::move(name);
  bus.where = node.where();
  const auto type = node["type"];
  if (!type.present()) type.required_text();
  std::vector<Choice<const DriverEntry*>> types;
  for (const auto& entry : driver_entries()) types.push_back({entry.word, &entry});
  const auto* driver = type.one_of<const DriverEntry*>(nullptr, types);
  if (driver == nullptr) {
    node.ignore();  // which keys a bus of a wrong type may have is unknown
    return bus;
  }
  bus.type = driver->type;
  driver->read_bus(node, bus);
  return bus;
}

// What two buses must not have in common: two masters on one wire read each other's answers.
std::string endpoint_of(const BusSettings& bus) {
  if (!bus.path.empty()) {
    // Two links may name one adapter; one that is not plugged in is known by its name only.
    std::error_code missing;
    const auto device = std::filesystem::canonical(bus.path, missing);
    return (missing ? std::filesystem::path(bus.path).lexically_normal() : device).string();
  }
  if (bus.host.empty()) return bus.interface;
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
    const auto* key = !bus.path.empty() ? "port" : !bus.host.empty() ? "host" : "interface";
    section[bus.name][key].mistake(
        fmt::format("{} is also that of bus {} (line {})", endpoint, first->second->name, first->second->where.line),
        "put the devices of one wire on one bus");
  }
}

// The templates by name, and which of them a device used; those of the library once a device does.
struct Templates {
  struct Template {
    Node node;
    bool used = false;
  };
  Node section;
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
  auto found = templates.by_name.find(name);
  if (found == templates.by_name.end()) {
    if (const auto shipped = templates.section.from_library(name)) {
      found = templates.by_name.emplace(name, Templates::Template{*shipped}).first;
    }
  }
  if (found != templates.by_name.end()) {
    found->second.used = true;
    return found->second.node;
  }
  const auto library = templates.section.library_names();
  std::vector<std::string_view> known(library.begin(), library.end());
  for (const auto& [key, value] : templates.by_name) known.push_back(key);
  if (!name.empty()) say_unknown(node, "template", name, known);
  return {};
}

// Who reads what a device says: the driver of its bus, or of any bus when all have the same; else nobody knows.
const DriverEntry* reader_of(const BusSettings* bus, const std::vector<BusSettings>& buses) {
  if (bus != nullptr) return &driver_entry(bus->type);
  const auto* reader = &driver_entry(buses.empty() ? BusType::ModbusTcp : buses.front().type);
  const bool same = std::ranges::all_of(
      buses, [&](const auto& other) { return driver_entry(other.type).read_device == reader->read_device; });
  return same ? reader : nullptr;
}

DeviceSettings read_device(std::string name, const Layers& layers, const BusSettings* bus, const DriverEntry& reader) {
  check_topic_level(name, layers.own.present() ? layers.own : layers.base);
  DeviceSettings device;
  device.name = std::move(name);
  device.where = layers.own.where();
  device.publish = layers.own;
  device.publish_template = layers.base;
  reader.read_device(layers, bus, device);
  return device;
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
    const auto* reader = reader_of(bus, buses);
    if (reader != nullptr) {
      auto device = read_device(name, {node, base}, bus, *reader);
      const auto points = node["points"];
      const bool misshapen = points.present() && !points.is_map();
      if (device.points.empty() && has_template == base.present() && !misshapen) {
        points.mistake("a device without points has nothing to read");
      }
      if (bus != nullptr) bus->devices.push_back(std::move(device));
    }
    if (bus == nullptr) {
      node.ignore();  // nobody else will read its publish keys: they are not unknown
      complete = false;
    }
  }
  return complete;
}

}  // namespace

std::vector<BusSettings> read_buses(const Node& root) {
  std::vector<BusSettings> buses;
  const auto section = root["buses"];
  for (const auto& [name, node] : section.entries()) buses.push_back(read_bus(name, node));
  check_endpoints(buses, section);

  Templates templates{root["templates"], {}};
  for (const auto& [name, node] : templates.section.entries()) templates.by_name[name].node = node;
  const bool complete = read_devices(root["devices"], templates, buses);
  for (const auto& [name, entry] : templates.by_name) {
    if (entry.used) continue;
    // A mistake in it is one, though no device uses it.
    if (const auto* reader = reader_of(nullptr, buses)) read_device(name, {{}, entry.node}, nullptr, *reader);
    entry.node.ignore();
  }
  for (const auto& bus : buses) {
    // Other masters may share a Modbus bus, and its units may still have to be found.
    if (!complete || !bus.devices.empty() || is_modbus(bus.type)) continue;
    section[bus.name].mistake("a bus without devices has nothing to do");
  }
  return buses;
}

}  // namespace ferrule::drivers

#include "drivers/modbus_server/settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <tuple>

#include "drivers/modbus/decode.hpp"
#include "drivers/modbus/layout.hpp"
#include "drivers/modbus/points.hpp"
#include "drivers/modbus_server/unit_table.hpp"
#include "drivers/registry.hpp"
#include "drivers/settings_bus.hpp"
#include "drivers/settings_points.hpp"

namespace ferrule::drivers::modbus_server {

namespace {

using config::Choice;
using config::Node;
using std::chrono::milliseconds;

constexpr std::array kKinds{Choice<bool>{"modbus-tcp", false}, Choice<bool>{"modbus-rtu", true}};

void say_unknown(const Node& node, std::string message, std::string_view word,
                 const std::vector<std::string_view>& known) {
  const auto near = config::nearest(word, known);
  node.mistake(std::move(message), near.empty() ? "" : fmt::format("did you mean \"{}\"?", near));
}

// The point that `from: device/point` names; null after a mistake.
const PointSettings* find_point(const Node& node, const std::vector<BusSettings>& buses, ExposedPoint& exposed) {
  exposed.name = node.required_text();
  const auto slash = exposed.name.find('/');  // no name has one
  if (slash == std::string::npos) {
    if (!exposed.name.empty()) node.mistake("is a device and one of its points", "e.g. meter1/voltage");
    return nullptr;
  }
  const auto device_name = exposed.name.substr(0, slash);
  const auto point_name = exposed.name.substr(slash + 1);
  std::vector<std::string_view> known;
  for (std::size_t bus = 0; bus < buses.size(); ++bus) {
    PointIndex index = 0;
    for (const auto& device : buses[bus].devices) {
      known.push_back(device.name);
      if (device.name != device_name) {
        index += static_cast<PointIndex>(device.points.size());
        continue;
      }
      known.clear();
      for (const auto& point : device.points) {
        if (point.name == point_name) {
          exposed.bus = bus;
          exposed.point = index;
          return &point;
        }
        known.push_back(point.name);
        ++index;
      }
      say_unknown(node, fmt::format("device {} has no point \"{}\"", device_name, point_name), point_name, known);
      return nullptr;
    }
  }
  say_unknown(node, fmt::format("there is no device \"{}\"", device_name), device_name, known);
  return nullptr;
}

struct Defaults {
  std::uint8_t unit;
  std::int64_t last_unit;
  ByteOrder byte_order;
  std::int64_t address_base;
};

ExposedPoint read_exposed(const Node& node, const Defaults& defaults, const std::vector<BusSettings>& buses) {
  ExposedPoint exposed;
  exposed.where = node.where();
  const auto* source = find_point(node["from"], buses, exposed);
  exposed.unit = static_cast<std::uint8_t>(node["unit_id"].integer(defaults.unit, 1, defaults.last_unit));
  const auto place = modbus::read_place(node, defaults.byte_order, defaults.address_base);
  exposed.encoding = place;
  exposed.encoding.invalid.clear();
  if (place.invalid.size() > 1) node["invalid"].mistake("one value is shown while there is none, not several");
  if (!place.invalid.empty()) exposed.sentinel = place.invalid.front();
  const auto write = node["write"];
  exposed.writable = write.boolean(false);
  if (!exposed.writable) return exposed;
  if (place.table == Table::Input || place.table == Table::Discrete) {
    write.mistake("only coils and holding registers can be written");
  } else if (source != nullptr && !source->write) {
    write.mistake(fmt::format("{} itself cannot be written", exposed.name), "it needs a `write` of its own");
  }
  return exposed;
}

// In the order of their registers; of two that want the same bits the second is a mistake.
void check_overlaps(const Node& list, ServerSettings& server) {
  const auto items = list.items();
  const auto key = [](const ExposedPoint& point) {
    return std::tuple(point.unit, point.encoding.table, point.encoding.address, point.encoding.bit);
  };
  std::vector<std::size_t> order(server.points.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return key(server.points[i]); });
  for (std::size_t i = 1; i < order.size(); ++i) {
    // What lies between is narrower than 256 registers, and few points share one.
    for (std::size_t j = i; j-- > 0;) {
      const auto& one = server.points[order[j]];
      const auto& other = server.points[order[i]];
      if (one.unit != other.unit || one.encoding.table != other.encoding.table ||
          one.encoding.address + width_of(one.encoding) <= other.encoding.address) {
        break;
      }
      if (!collide(one.encoding, other.encoding)) continue;
      items[std::max(order[i], order[j])].mistake(fmt::format(
          "these registers of unit {} are already those of {} (line {})", one.unit,
          order[i] > order[j] ? one.name : other.name, order[i] > order[j] ? one.where.line : other.where.line));
      break;
    }
  }
  std::ranges::stable_sort(server.points, {}, key);
}

Share read_share(const Node& node, std::size_t bus, const BusSettings& settings) {
  Share share;
  share.bus = bus;
  const auto units = node["units"];
  if (units.present()) {
    const std::int64_t last = has_line_frames(settings.type) ? 247 : 255;
    for (const auto& unit : units.items()) share.units.push_back(static_cast<std::uint8_t>(unit.integer(1, 1, last)));
  } else {
    for (const auto& device : settings.devices) {
      if (device.unit_id > 0) share.units.push_back(device.unit_id);
    }
  }
  share.max_age = node["max_age"].duration(share.max_age, milliseconds{0}, std::chrono::hours{1});
  share.timeout = node["timeout"].duration(share.timeout, milliseconds{50}, std::chrono::minutes{1});
  share.writes = node["write"].boolean(false);
  return share;
}

void read_shares(const Node& section, const std::vector<BusSettings>& buses, ServerSettings& server) {
  if (section.present() && server.on_line) {
    section.mistake("only a server on TCP shares buses: on a line its own units would answer too");
    section.ignore();
    return;
  }
  std::vector<std::string_view> known;
  for (const auto& bus : buses) {
    if (is_modbus(bus.type)) known.push_back(bus.name);
  }
  for (const auto& [name, node] : section.entries()) {
    const auto found = std::ranges::find_if(
        buses, [&wanted = name](const auto& bus) { return bus.name == wanted && is_modbus(bus.type); });
    if (found == buses.end()) {
      say_unknown(node, fmt::format("there is no Modbus bus \"{}\"", name), name, known);
      node.ignore();
      continue;
    }
    if (found->pipeline > 1) {
      node.mistake(
          fmt::format("bus {} has a pipeline: a read that went out before another master's write would show the "
                      "value before it",
                      name),
          "a shared bus needs `pipeline: 1`");
    }
    auto share = read_share(node, static_cast<std::size_t>(found - buses.begin()), *found);
    for (const auto unit : share.units) {
      const bool shown = std::ranges::any_of(server.points, [&](const auto& point) { return point.unit == unit; });
      const bool twice = std::ranges::any_of(
          server.shares, [&](const auto& other) { return std::ranges::find(other.units, unit) != other.units.end(); });
      if (shown || twice) {
        node.mistake(fmt::format("unit {} of this server is already {}", unit,
                                 shown ? "one with points" : "that of another bus"),
                     "name the units of this bus in `units`, or make a second server");
      }
    }
    server.shares.push_back(std::move(share));
  }
}

void read_endpoint(const Node& node, ServerSettings& server) {
  if (server.on_line) {
    BusSettings line;
    read_serial_line(node, line);
    server.path = line.path;
    server.line = line.line;
    server.line.echo = node["line"]["echo"].boolean(false);
    return;
  }
  server.max_connections = static_cast<std::size_t>(node["max_connections"].integer(16, 1, 1000));
  server.idle_close = node["idle_close"].duration(server.idle_close, milliseconds{0}, std::chrono::hours{24});
}

}  // namespace

ServerSettings read_server(std::string name, const Node& node, const std::vector<BusSettings>& buses) {
  ServerSettings server;
  server.name = std::move(name);
  server.where = node.where();
  server.on_line = node["type"].one_of(false, kKinds);
  read_endpoint(node, server);
  Defaults defaults{};
  defaults.last_unit = server.on_line ? 247 : 255;  // Modbus serial line V1.02 2.2
  defaults.unit = static_cast<std::uint8_t>(node["unit_id"].integer(1, 1, defaults.last_unit));
  server.own_unit = defaults.unit;
  defaults.byte_order = node["byte_order"].one_of(ByteOrder::ABCD, kByteOrders);
  defaults.address_base = node["address_base"].integer(0, 0, 1);
  const auto points = node["points"];
  for (const auto& item : points.items()) server.points.push_back(read_exposed(item, defaults, buses));
  check_overlaps(points, server);
  const auto shares = node["shares"];
  read_shares(shares, buses, server);
  if (!points.present() && !shares.present()) points.mistake("a server without points or shares has nothing to show");
  return server;
}

}  // namespace ferrule::drivers::modbus_server

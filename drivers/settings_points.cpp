#include "drivers/settings_points.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "drivers/modbus/decode.hpp"

namespace ferrule::drivers {

namespace {

using config::Choice;
using config::Node;

constexpr std::array kTables{Choice<Table>{"coil", Table::Coil}, Choice<Table>{"discrete", Table::Discrete},
                             Choice<Table>{"input", Table::Input}, Choice<Table>{"holding", Table::Holding}};
constexpr std::array kTypes{Choice<Type>{"bool", Type::Bool},     Choice<Type>{"int16", Type::Int16},
                            Choice<Type>{"uint16", Type::Uint16}, Choice<Type>{"int32", Type::Int32},
                            Choice<Type>{"uint32", Type::Uint32}, Choice<Type>{"float32", Type::Float32}};
constexpr std::array kByteOrders{Choice<ByteOrder>{"ABCD", ByteOrder::ABCD}, Choice<ByteOrder>{"BADC", ByteOrder::BADC},
                                 Choice<ByteOrder>{"CDAB", ByteOrder::CDAB},
                                 Choice<ByteOrder>{"DCBA", ByteOrder::DCBA}};

constexpr std::int64_t kLastAddress = 65535;

template <class T, std::size_t N>
std::string_view word_of(T value, const std::array<Choice<T>, N>& choices) {
  return std::find_if(choices.begin(), choices.end(), [&](const auto& choice) { return choice.value == value; })->word;
}

// What a device says once for all of its points.
struct Defaults {
  ByteOrder byte_order;
  std::chrono::milliseconds interval;
  std::int64_t own_base;       // address_base of the addresses in the device's map
  std::int64_t template_base;  // and of those in the template's
};

void read_address(const Layers& layers, const Defaults& defaults, PointSettings& point) {
  const bool own = layers.own["address"].present() || !layers.base.present();
  const auto base = own ? defaults.own_base : defaults.template_base;
  const auto node = layers["address"];
  const auto written = node.required_integer(base, kLastAddress + base);
  point.address = static_cast<std::uint16_t>(written - base);
  const auto width = modbus::width_of(point);
  if (point.address + width - 1 > kLastAddress) {
    node.mistake(fmt::format("ends beyond the last register, {}: {} fills {} registers", kLastAddress + base,
                             word_of(point.type, kTypes), width));
  }
}

void read_type(const Layers& layers, PointSettings& point) {
  const bool bits = modbus::is_bits(point.table);
  const auto node = layers["type"];
  point.type = node.one_of(bits ? Type::Bool : Type::Uint16, kTypes);
  if (bits && point.type != Type::Bool) {
    node.mistake(fmt::format("a {} is a bool, not {}", point.table == Table::Coil ? "coil" : "discrete input",
                             word_of(point.type, kTypes)),
                 "numbers are in input and holding registers");
  }
}

void read_scale(const Layers& layers, PointSettings& point) {
  for (const auto* key : {"scale", "offset"}) {
    const auto node = layers[key];
    if (node.present() && point.type == Type::Bool) node.mistake("a bool has none");
  }
  const auto scale = layers["scale"];
  point.scale = scale.number(1);
  if (point.scale == 0) scale.mistake("0 would make every value the same");
  point.offset = layers["offset"].number(0);
}

PointSettings read_point(std::string name, const Layers& layers, const Defaults& defaults) {
  PointSettings point;
  point.name = std::move(name);
  point.publish = layers.own;
  point.publish_template = layers.base;
  const auto table = layers["register"];
  if (!table.present()) table.required_text();
  point.table = table.one_of(Table::Holding, kTables);
  read_type(layers, point);
  read_address(layers, defaults, point);
  point.byte_order = layers["byte_order"].one_of(defaults.byte_order, kByteOrders);
  read_scale(layers, point);
  point.unit = layers["unit"].text();
  point.interval = layers["interval"].duration(defaults.interval, kMinInterval, kMaxInterval);
  return point;
}

Defaults read_defaults(const Layers& device) {
  Defaults defaults{};
  defaults.byte_order = device["byte_order"].one_of(ByteOrder::ABCD, kByteOrders);
  defaults.interval = device["interval"].duration(std::chrono::seconds{1}, kMinInterval, kMaxInterval);
  defaults.template_base = device.base["address_base"].integer(0, 0, 1);
  defaults.own_base = device.own["address_base"].integer(defaults.template_base, 0, 1);
  return defaults;
}

}  // namespace

std::vector<PointSettings> read_points(const Layers& device) {
  const auto defaults = read_defaults(device);
  const auto own = device.own["points"];
  const auto base = device.base["points"];
  std::vector<std::pair<std::string, Layers>> named;
  for (const auto& [name, node] : base.entries()) named.push_back({name, {{}, node}});
  const auto inherited = named.size();
  for (const auto& [name, node] : own.entries()) {
    const auto end = named.begin() + static_cast<std::ptrdiff_t>(inherited);
    const auto same = std::find_if(named.begin(), end, [&](const auto& other) { return other.first == name; });
    if (same != end) {
      same->second.own = node;
    } else {
      named.push_back({name, {node, {}}});
    }
  }
  std::vector<PointSettings> points;
  points.reserve(named.size());
  for (auto& [name, layers] : named) {
    check_topic_level(name, layers.base.present() ? layers.base : layers.own);
    points.push_back(read_point(name, layers, defaults));
  }
  return points;
}

void check_topic_level(std::string_view name, const Node& node) {
  const bool wild = name.find_first_of("/+#") != std::string_view::npos;
  const bool control = std::any_of(name.begin(), name.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7F;
  });
  if (!name.empty() && !wild && !control) return;
  node.mistake("this name becomes a level of a topic: it must not be empty nor contain / + # or control characters");
}

}  // namespace ferrule::drivers

#include "drivers/modbus/points.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>

#include "drivers/modbus/decode.hpp"
#include "drivers/modbus/layout.hpp"
#include "drivers/modbus/planner.hpp"
#include "drivers/modbus/write.hpp"
#include "drivers/settings_points.hpp"

namespace ferrule::drivers::modbus {

namespace {

using config::Choice;
using config::Node;

constexpr std::array kTables{Choice<Table>{"coil", Table::Coil}, Choice<Table>{"discrete", Table::Discrete},
                             Choice<Table>{"input", Table::Input}, Choice<Table>{"holding", Table::Holding}};
constexpr std::array kHalves{Choice<bool>{"high", true}, Choice<bool>{"low", false}};

constexpr std::int64_t kLastAddress = 65535;
// A count that moves by more than this part of its range from one poll to the next is read a second time.
constexpr double kPlausiblePart = 16;

// What a device says once for all of its points.
struct Defaults {
  ByteOrder byte_order;
  std::chrono::milliseconds interval;
  std::int64_t own_base;       // address_base of the addresses in the device's map
  std::int64_t template_base;  // and of those in the template's
};

bool is_integer(Type type) {
  Encoding encoding;
  encoding.type = type;
  const auto kind = layout_of(encoding).kind;
  return kind == Kind::Signed || kind == Kind::Unsigned;
}

std::uint16_t read_wire_address(const Node& node, bool own, const Defaults& defaults) {
  const auto base = own ? defaults.own_base : defaults.template_base;
  return static_cast<std::uint16_t>(node.required_integer(base, kLastAddress + base) - base);
}

void read_address(const Layers& layers, const Defaults& defaults, PointSettings& point) {
  const bool own = layers.own["address"].present() || !layers.base.present();
  const auto node = layers["address"];
  point.address = read_wire_address(node, own, defaults);
  const auto width = is_bits(point.table) ? 1 : registers_of(point);
  if (point.address + width - 1 > kLastAddress) {
    const auto base = own ? defaults.own_base : defaults.template_base;
    node.mistake(fmt::format("ends beyond the last register, {}: {} fills {} registers", kLastAddress + base,
                             word_of(point.type, kTypes), width));
  }
}

void read_type(const Layers& layers, PointSettings& point) {
  const bool bits = is_bits(point.table);
  const bool one_bit = layers["bit"].present() && !layers["bit_count"].present();
  const auto node = layers["type"];
  point.type = node.one_of(bits || one_bit ? Type::Bool : Type::Uint16, kTypes);
  if (bits && point.type != Type::Bool) {
    node.mistake(fmt::format("a {} is a bool, not {}", point.table == Table::Coil ? "coil" : "discrete input",
                             word_of(point.type, kTypes)),
                 "numbers are in input and holding registers");
  }
}

// Which part of its registers the value is.
void read_part(const Layers& layers, PointSettings& point) {
  const auto half = layers["byte"];
  point.high_byte = half.one_of(false, kHalves);
  if (half.present() && point.type != Type::Int8 && point.type != Type::Uint8) {
    half.mistake("only an int8 or a uint8 is half of a register");
  }
  const auto bit = layers["bit"];
  const auto count = layers["bit_count"];
  if (!bit.present()) {
    if (count.present()) count.mistake("needs `bit`, the lowest of them");
    return;
  }
  if (is_bits(point.table) || (point.type != Type::Bool && !is_integer(point.type))) {
    bit.mistake("only registers that hold an integer have bits");
    return;
  }
  const int width = 16 * registers_of(point);
  point.bit = static_cast<std::uint8_t>(bit.integer(0, 0, width - 1));
  const int most = point.type == Type::Bool ? 1 : width - point.bit;
  point.bit_count = static_cast<std::uint8_t>(count.integer(1, 1, most));
}

void read_string(const Layers& layers, PointSettings& point) {
  const auto length = layers["length"];
  const auto packing = layers["characters_per_register"];
  if (point.type == Type::String) {
    point.packing = packing.integer(2, 1, 2) == 2 ? Packing::Two : Packing::One;
    const auto most = point.packing == Packing::Two ? 2 * kMaxRegisters : kMaxRegisters;
    point.length = static_cast<std::uint16_t>(length.required_integer(1, most));
    return;
  }
  for (const auto& node : {length, packing}) {
    if (node.present()) node.mistake("only a string has characters");
  }
}

bool is_number(const PointSettings& point) { return point.type != Type::Bool && point.type != Type::String; }

void numbers_only(const Layers& layers, const PointSettings& point, std::initializer_list<const char*> keys) {
  for (const auto* key : keys) {
    const auto node = layers[key];
    if (node.present() && !is_number(point)) node.mistake(fmt::format("a {} has none", word_of(point.type, kTypes)));
  }
}

void read_scale(const Layers& layers, PointSettings& point) {
  numbers_only(layers, point, {"scale", "offset", "invalid"});
  const auto scale = layers["scale"];
  point.scale = scale.number(1);
  if (point.scale == 0) scale.mistake("0 would make every value the same");
  point.offset = layers["offset"].number(0);
}

void read_scale_factor(const Layers& layers, const Defaults& defaults, PointSettings& point) {
  numbers_only(layers, point, {"scale_factor", "counter"});
  const auto factor = layers["scale_factor"];
  if (!factor.present() || !is_number(point)) {
    factor.ignore();
    return;
  }
  point.scale_factor = read_wire_address(factor, layers.own["scale_factor"].present(), defaults);
  if (const auto width = extent_of(point).width; width > kMaxRegisters) {
    factor.mistake(
        fmt::format("one read must hold the value and its scale factor: they span {} registers, {} is the "
                    "most",
                    width, kMaxRegisters));
    point.scale_factor.reset();
  }
}

// 64 bits of which the highest may be set, for which `integer` has no room: 0x8000000000000000.
std::optional<std::uint64_t> read_all_bits(const Node& node) {
  constexpr std::size_t kDigits = 16;
  const auto text = node.is_scalar() ? node.text() : std::string();
  if (text.size() != 2 + kDigits || !text.starts_with("0x")) return std::nullopt;
  std::uint64_t bits = 0;
  const auto* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data() + 2, end, bits, 16);
  if (error != std::errc{} || rest != end) return std::nullopt;
  return bits;
}

// A sentinel as its bits: a signed one may be written as in the manual, -32768 or 0x8000.
void read_sentinel(const Node& node, PointSettings& point) {
  const auto layout = layout_of(point);
  if (layout.kind == Kind::Real) {
    std::array<std::uint16_t, 4> registers{};
    const auto raw = std::span(registers).first(layout.registers);
    auto encoding = static_cast<const Encoding&>(point);
    encoding.byte_order = ByteOrder::ABCD;
    if (!encode(node.number(0), encoding, raw)) {
      node.mistake(fmt::format("does not fit into a {}", word_of(point.type, kTypes)));
    }
    point.invalid.push_back(join(raw, ByteOrder::ABCD));
    return;
  }
  if (const auto bits = layout.bits == 64 ? read_all_bits(node) : std::nullopt) {
    point.invalid.push_back(*bits);
    return;
  }
  const auto highest = static_cast<std::int64_t>(
      std::min<std::uint64_t>(ones(layout.bits), static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())));
  const auto lowest = layout.bits == 64 ? std::numeric_limits<std::int64_t>::min() : -(highest / 2) - 1;
  point.invalid.push_back(static_cast<std::uint64_t>(node.integer(0, lowest, highest)) & ones(layout.bits));
}

void read_counter(const Layers& layers, PointSettings& point) {
  const auto node = layers["counter"];
  if (!node.present() || point.type == Type::Bool || point.type == Type::String) {
    node.ignore();
    return;
  }
  if (!node.is_map() && !node.boolean(false)) return;
  auto& counter = point.counter.emplace();
  counter.max = largest_count(point);
  const Node keys = node.is_map() ? node : Node{};
  counter.max = keys["max"].number(counter.max, 1);
  counter.max_step = keys["max_step"].number(counter.max / kPlausiblePart, 0);
}

void read_write(const Layers& layers, PointSettings& point) {
  const auto node = layers["write"];
  if (!drivers::read_write(node, point)) return;
  const auto functions = write_functions(point);
  if (functions.empty()) {
    node.mistake("only coils and holding registers can be written");
    node.ignore();
    point.write.reset();
    return;
  }
  auto& write = *point.write;
  write.function = functions.front();
  if (!node.is_map()) return;
  const auto function = node["function"];
  write.function = static_cast<std::uint8_t>(function.integer(write.function, 0, 255));
  if (std::ranges::find(functions, write.function) == functions.end()) {
    function.mistake(fmt::format("such a value is written by function {}", fmt::join(functions, " or ")));
  }
}

void read_place(const Layers& layers, const Defaults& defaults, PointSettings& point) {
  const auto table = layers["register"];
  if (!table.present()) table.required_text();
  point.table = table.one_of(Table::Holding, kTables);
  read_type(layers, point);
  read_string(layers, point);
  read_address(layers, defaults, point);
  point.byte_order = layers["byte_order"].one_of(defaults.byte_order, kByteOrders);
  read_part(layers, point);
  read_scale(layers, point);
}

PointSettings read_point(std::string name, const Layers& layers, const Defaults& defaults) {
  auto point = read_common(std::move(name), layers, defaults.interval);
  read_place(layers, defaults, point);
  read_scale_factor(layers, defaults, point);
  read_invalid(layers, point);
  read_counter(layers, point);
  read_write(layers, point);
  return point;
}

// `bits: {0: alarm, 1: door_open}`: a point of its own for each, beside the one that holds them all.
void read_named_bits(const Layers& layers, std::vector<PointSettings>& points) {
  const auto bits = layers["bits"];
  if (!bits.present()) return;
  const auto whole = points.back();
  if (!is_integer(whole.type) || whole.bit_count > 0) {
    bits.mistake("only registers that hold an integer have bits");
    bits.ignore();
    return;
  }
  const int width = 16 * registers_of(whole);
  for (const auto& [number, node] : bits.entries()) {
    int bit = -1;
    const auto* end = number.data() + number.size();
    const auto [rest, error] = std::from_chars(number.data(), end, bit);
    if (error != std::errc{} || rest != end || bit < 0 || bit >= width) {
      node.mistake(fmt::format("bits are numbered from 0 to {}", width - 1));
    }
    auto point = whole;
    point.name = node.required_text();
    check_topic_level(point.name, node);
    point.type = Type::Bool;
    point.bit = static_cast<std::uint8_t>(std::max(bit, 0));
    point.bit_count = 1;
    point.high_byte = false;
    point.scale = 1;
    point.offset = 0;
    point.unit.clear();
    point.scale_factor.reset();
    point.invalid.clear();
    point.counter.reset();
    if (point.write) point.write->function = write_functions(point).front();
    points.push_back(std::move(point));
  }
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

void read_invalid(const Layers& layers, PointSettings& point) {
  const auto node = layers["invalid"];
  if (!node.present() || point.type == Type::Bool || point.type == Type::String) {
    node.ignore();
  } else if (node.is_scalar()) {
    read_sentinel(node, point);
  } else {
    for (const auto& item : node.items()) read_sentinel(item, point);
  }
}

Encoding read_place(const config::Node& node, ByteOrder byte_order, std::int64_t address_base) {
  PointSettings point;
  const Layers layers{node, {}};
  read_place(layers, {byte_order, {}, address_base, address_base}, point);
  read_invalid(layers, point);
  return point;
}

std::vector<PointSettings> read_points(const Layers& device) {
  const auto defaults = read_defaults(device);
  const auto named = named_points(device);
  std::vector<PointSettings> points;
  points.reserve(named.size());
  for (const auto& [name, layers] : named) {
    points.push_back(read_point(name, layers, defaults));
    read_named_bits(layers, points);
  }
  return points;
}

}  // namespace ferrule::drivers::modbus

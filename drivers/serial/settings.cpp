#include "drivers/serial/settings.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "drivers/modbus/decode.hpp"
#include "drivers/modbus/layout.hpp"
#include "drivers/modbus/points.hpp"
#include "drivers/serial/pattern.hpp"
#include "drivers/serial/settings_frame.hpp"
#include "drivers/settings_bus.hpp"
#include "drivers/settings_points.hpp"

namespace ferrule::drivers::serial {

namespace {

using config::Choice;
using config::Node;
using std::chrono::milliseconds;

constexpr std::array kOrders{Choice<ByteOrder>{"big", ByteOrder::ABCD},  Choice<ByteOrder>{"little", ByteOrder::DCBA},
                             Choice<ByteOrder>{"ABCD", ByteOrder::ABCD}, Choice<ByteOrder>{"BADC", ByteOrder::BADC},
                             Choice<ByteOrder>{"CDAB", ByteOrder::CDAB}, Choice<ByteOrder>{"DCBA", ByteOrder::DCBA}};
constexpr std::array kDecimals{Choice<bool>{"point", false}, Choice<bool>{"comma", true}};

constexpr milliseconds kLongestStale = std::chrono::hours(24 * 7);
constexpr milliseconds kStaleAfter = std::chrono::minutes(1);  // of a device that talks by itself

// A regular expression that compiles, or empty after a mistake.
std::string read_pattern(const Node& node) {
  auto text = node.text();
  const auto pattern = Pattern::compile(text);
  if (pattern) return text;
  node.mistake(
      fmt::format("not a regular expression: {} at character {}", pattern.error().why, pattern.error().at + 1));
  return {};
}

struct FormWord {
  const char* key;
  Form form;
};
constexpr std::array kForms{FormWord{"match", Form::Match}, FormWord{"fields", Form::Split},
                            FormWord{"pairs", Form::Pairs}, FormWord{"json", Form::Json}};

// What a device says once for all of its points. False: nothing.
bool read_form(const Layers& device, PointRule& rule) {
  const FormWord* chosen = nullptr;
  for (const auto& word : kForms) {
    const auto node = device[word.key];
    if (!node.present() || (word.form == Form::Json && !node.boolean(true))) continue;
    if (chosen == nullptr) {
      chosen = &word;
      continue;
    }
    node.mistake(fmt::format("values are found in one way only, and `{}` is one", chosen->key));
    node.ignore();
  }
  if (chosen == nullptr) return false;
  rule.form = chosen->form;
  const auto node = device[chosen->key];
  if (rule.form == Form::Match) rule.match = read_pattern(node);
  if (rule.form == Form::Split) rule.separator = read_bytes(node["split"], ",");
  if (rule.form == Form::Pairs) {
    rule.separator = read_bytes(node["separator"], ",");
    rule.assign = read_bytes(node["assign"], "=");
  }
  return true;
}

void read_text_keys(const Layers& layers, PointRule& rule) {
  rule.comma = layers["decimal"].one_of(rule.comma, kDecimals);
  if (const auto only = layers["only"]; only.present()) rule.only = read_pattern(only);
}

void check_group(const Node& from, const PointRule& rule) {
  if (rule.match.empty()) return;
  const auto pattern = Pattern::compile(rule.match);
  if (pattern->group(rule.from)) return;
  const auto names = pattern->group_names();
  const std::vector<std::string_view> words(names.begin(), names.end());
  const auto near = config::nearest(rule.from, words);
  from.mistake(fmt::format("the regular expression has no group \"{}\"", rule.from),
               near.empty() ? (names.empty() ? "name one: (?<value>...)"
                                             : fmt::format("its groups are {}", fmt::join(names, ", ")))
                            : fmt::format("did you mean \"{}\"?", near));
}

// Where the value is, in text.
void read_from(const Layers& layers, PointSettings& point, PointRule& rule) {
  const auto from = layers["from"];
  if (rule.form == Form::Split) {
    rule.index = static_cast<std::size_t>(from.required_integer(0, 1000));
  } else if (rule.form == Form::Json) {
    rule.from = from.text();
    if (!rule.from.empty() && rule.from.front() != '/')
      from.mistake("a JSON pointer begins with /", "e.g. /sensors/0/value");
  } else {
    rule.from = from.required_text();
    if (rule.form == Form::Match && !rule.from.empty()) check_group(from, rule);
  }
  point.type = layers["type"].one_of(Type::Float64, kTypes);
  if (point.type == Type::Bcd16 || point.type == Type::Bcd32) layers["type"].mistake("text has no BCD numbers");
  const auto base = layers["base"];
  rule.hex = base.integer(10, 10, 16) == 16;
  if (base.present() && !rule.hex && base.integer(10) != 10) base.mistake("must be 10 or 16");
}

bool is_byte(Type type) { return type == Type::Int8 || type == Type::Uint8 || type == Type::Bool; }

// Where the value is, in bytes.
void read_at(const Layers& layers, const FrameRule& frame, ByteOrder order, PointSettings& point, PointRule& rule) {
  const auto at = layers["at"];
  if (!at.present()) {
    at.mistake("where is the value?", "`at` in a binary frame; `from` in text needs match, fields, pairs or json");
    for (const auto* key : {"from", "type", "decimal", "base"}) layers[key].ignore();
    return;
  }
  rule.index = static_cast<std::size_t>(at.integer(0, 0, kLongestText - 1));
  const auto type = layers["type"];
  if (!type.present()) type.required_text();
  point.type = type.one_of(Type::Uint8, kTypes);
  point.byte_order = layers["byte_order"].one_of(order, kOrders);
  const auto length = layers["length"];
  std::size_t bytes = is_byte(point.type) ? 1 : 2U * modbus::layout_of(point).registers;
  if (point.type == Type::String) {
    point.length = static_cast<std::uint16_t>(length.required_integer(1, kLongestText));
    bytes = point.length;
  } else if (length.present()) {
    length.mistake("only a string has one");
  }
  const auto longest = frame.length > 0 ? frame.length : frame.max_length;
  if (rule.index + bytes > longest) {
    at.mistake(fmt::format("ends beyond the frame, whose last byte is {}", longest - 1));
  }
  const auto bit = layers["bit"];
  if (!bit.present()) return;
  const auto kind = modbus::layout_of(point).kind;
  if (kind != modbus::Kind::Boolean && kind != modbus::Kind::Signed && kind != modbus::Kind::Unsigned) {
    bit.mistake("only an integer has bits");
    return;
  }
  const auto width = static_cast<std::int64_t>(8 * bytes);
  point.bit = static_cast<std::uint8_t>(bit.integer(0, 0, width - 1));
  point.bit_count =
      static_cast<std::uint8_t>(layers["bit_count"].integer(1, 1, point.type == Type::Bool ? 1 : width - point.bit));
}

void read_scale(const Layers& layers, PointSettings& point) {
  const bool has_none = point.type == Type::Bool || point.type == Type::String;
  for (const auto* key : {"scale", "offset", "invalid"}) {
    const auto node = layers[key];
    if (node.present() && has_none) node.mistake(fmt::format("a {} has none", word_of(point.type, kTypes)));
  }
  const auto scale = layers["scale"];
  point.scale = scale.number(1);
  if (point.scale == 0) scale.mistake("0 would make every value the same");
  point.offset = layers["offset"].number(0);
  modbus::read_invalid(layers, point);
}

struct Defaults {
  PointRule rule;
  bool has_form;  // else its points are bytes, or have a `match` of their own
  ByteOrder order;
  milliseconds interval;
};

void read_point(const Layers& layers, const FrameRule& frame, const Defaults& defaults, PointSettings& point,
                PointRule& rule) {
  rule = defaults.rule;
  if (const auto match = layers["match"]; match.present()) {
    rule.form = Form::Match;
    rule.match = read_pattern(match);
  } else if (!defaults.has_form) {
    rule.form = Form::Bytes;
  }
  read_text_keys(layers, rule);
  rule.stale_after = layers["stale_after"].duration(rule.stale_after, milliseconds{100}, kLongestStale);
  if (rule.form == Form::Bytes) {
    read_at(layers, frame, defaults.order, point, rule);
  } else {
    read_from(layers, point, rule);
  }
  read_scale(layers, point);
}

void read_request(const Layers& layers, const BusSettings* bus, SensorSettings& sensor, milliseconds& interval) {
  if (bus != nullptr) sensor.timeout = bus->timeout;
  const auto node = layers["request"];
  interval = std::chrono::seconds(1);
  if (!node.present()) return;
  const auto send = node["send"];
  sensor.request = read_bytes(send, {});
  if (sensor.request.empty()) send.required_text();
  if (sensor.request.empty()) sensor.request = "?";  // after the mistake: it is asked
  interval = node["interval"].duration(interval, kMinInterval, kMaxInterval);
  sensor.timeout = node["timeout"].duration(sensor.timeout, milliseconds{10}, milliseconds{60'000});
}

// Nobody could tell an answer from what is said unasked.
void check_company(const Layers& layers, const BusSettings& bus, const SensorSettings& sensor) {
  for (const auto& other : bus.devices) {
    const auto* own = dynamic_cast<const SensorSettings*>(other.own.get());
    if (own == nullptr || own->talks() == sensor.talks()) continue;
    layers[sensor.talks() ? "frame" : "request"].mistake(
        fmt::format("device {} on the same bus {}: on one line either all devices are asked, or none", other.name,
                    own->talks() ? "talks by itself" : "is asked"));
    return;
  }
}

}  // namespace

void read_bus(const Node& node, BusSettings& bus) {
  bus.line.parity = Parity::None;
  if (node["host"].present()) {
    bus.port = static_cast<std::uint16_t>(node["port"].required_integer(1, 65535));
    read_tcp(node, bus);
  } else {
    read_serial_line(node, bus);
    bus.line.data_bits = static_cast<int>(node["line"]["data_bits"].integer(bus.line.data_bits, 5, 8));
  }
  read_polling(node, bus);
}

void read_device(const Layers& layers, const BusSettings* bus, DeviceSettings& device) {
  auto sensor = std::make_shared<SensorSettings>();
  Defaults defaults{};
  read_request(layers, bus, *sensor, defaults.interval);
  sensor->frame = read_frame(layers["frame"]);
  defaults.has_form = read_form(layers, defaults.rule);
  read_text_keys(layers, defaults.rule);
  defaults.order = layers["byte_order"].one_of(ByteOrder::ABCD, kOrders);
  defaults.rule.stale_after =
      layers["stale_after"].duration(sensor->talks() ? kStaleAfter : milliseconds{0}, milliseconds{100}, kLongestStale);
  const auto named = named_points(layers);
  device.points.reserve(named.size());
  for (const auto& [name, point_layers] : named) {
    device.points.push_back(read_common(name, point_layers, defaults.interval));
    read_point(point_layers, sensor->frame, defaults, device.points.back(), sensor->points.emplace_back());
  }
  if (bus != nullptr) check_company(layers, *bus, *sensor);
  device.own = std::move(sensor);
}

}  // namespace ferrule::drivers::serial

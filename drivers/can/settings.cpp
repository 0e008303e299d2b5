#include "drivers/can/settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>

#include "drivers/can/dbc.hpp"
#include "drivers/can/port.hpp"
#include "drivers/settings_bus.hpp"
#include "drivers/settings_points.hpp"

namespace ferrule::drivers::can {

namespace {

using config::Choice;
using config::Node;
using std::chrono::milliseconds;

constexpr std::array kNumbers{Choice<Number>{"bool", Number::Bool}, Choice<Number>{"unsigned", Number::Unsigned},
                              Choice<Number>{"signed", Number::Signed}, Choice<Number>{"float32", Number::Float32},
                              Choice<Number>{"float64", Number::Float64}};
constexpr std::array kOrders{Choice<bool>{"little", false}, Choice<bool>{"big", true}};

constexpr std::size_t kLongestName = 15;  // of an interface: IFNAMSIZ - 1
constexpr std::uint32_t kMostPgn = 0x3'FFFF;
constexpr milliseconds kLongestStale = std::chrono::hours(24 * 7);
constexpr milliseconds kStaleAfter = std::chrono::minutes(1);  // where nobody knows how often it is sent
constexpr int kMissedCycles = 3;
constexpr milliseconds kLeastStaleAfter{1000};  // a machine may be busy for many cycles

// What a device says once for all of its points.
struct Defaults {
  std::optional<Dbc> dbc;
  bool has_dbc = false;  // though it could not be read
  bool big_endian = false;
  std::optional<milliseconds> stale_after;
};

std::optional<milliseconds> read_stale(const Node& node, std::optional<milliseconds> fallback) {
  if (!node.present()) return fallback;
  return node.duration(kStaleAfter, milliseconds{0}, kLongestStale);
}

std::optional<Dbc> read_dbc(const Node& node) {
  const auto file = node.file_path();
  if (file.empty()) return std::nullopt;
  auto dbc = load_dbc(file);
  if (dbc) return std::move(*dbc);
  const auto& mistake = dbc.error();
  node.mistake(mistake.line == 0 ? fmt::format("{}: {}", file, mistake.message)
                                 : fmt::format("{}:{}:{}: {}", file, mistake.line, mistake.column, mistake.message));
  return std::nullopt;
}

// The smallest type of registers that holds as much, by which a value's digits and limits are known elsewhere.
Type type_of(const Signal& signal) {
  const unsigned bits = signal.place.length;
  switch (signal.number) {
    case Number::Bool:
      return Type::Bool;
    case Number::Float32:
      return Type::Float32;
    case Number::Float64:
      return Type::Float64;
    case Number::Signed:
      return bits <= 8 ? Type::Int8 : bits <= 16 ? Type::Int16 : bits <= 32 ? Type::Int32 : Type::Int64;
    case Number::Unsigned:
      return bits <= 8 ? Type::Uint8 : bits <= 16 ? Type::Uint16 : bits <= 32 ? Type::Uint32 : Type::Uint64;
  }
  return Type::Uint64;
}

struct Named {
  const DbcMessage* message = nullptr;
  const DbcSignal* signal = nullptr;
};

// `Message.Signal`; nothing, and a mistake, when the file has none that can be used.
std::optional<Named> find_named(const Node& node, const Dbc& dbc) {
  const auto name = node.required_text();
  const auto dot = std::min(name.find('.'), name.size());
  const auto has_name = [&](const DbcMessage& message, const DbcSignal& signal) {
    return name.compare(0, dot, message.name) == 0 && dot < name.size() &&
           name.compare(dot + 1, name.npos, signal.name) == 0;
  };
  for (const auto& message : dbc.messages) {
    for (const auto& signal : message.signals) {
      if (!has_name(message, signal)) continue;
      if (message.size <= Frame::kMostBytes) return Named{&message, &signal};
      node.mistake(
          fmt::format("{} has {} bytes: CAN FD is not supported, classic frames have 8", message.name, message.size));
      return std::nullopt;
    }
  }
  std::vector<std::string> names;
  for (const auto& message : dbc.messages) {
    for (const auto& signal : message.signals) names.push_back(message.name + '.' + signal.name);
  }
  const std::vector<std::string_view> views(names.begin(), names.end());
  const auto near = config::nearest(name, views);
  if (!name.empty()) {
    node.mistake(fmt::format("the file has no signal \"{}\"", name),
                 near.empty() ? "they are called Message.Signal" : fmt::format("did you mean {}?", near));
  }
  return std::nullopt;
}

// `signal: Message.Signal`
std::optional<Named> read_named(const Node& node, const Defaults& defaults, PointSettings& point, PointRule& rule) {
  if (!defaults.has_dbc) node.mistake("needs the device's `dbc`, the file that has it");
  const auto named = defaults.dbc ? find_named(node, *defaults.dbc) : std::nullopt;
  if (!named) return std::nullopt;
  const auto* message = named->message;
  const auto* found = named->signal;
  rule.signal = found->signal;
  rule.message = message->j1939 ? parameter_group(message->id >> 8 & kMostPgn, std::nullopt) : exactly(message->id);
  rule.size = message->size;
  if (message->cycle.count() > 0 && !defaults.stale_after) {
    // A multiplexed signal is not in every message of its name.
    const auto least = found->signal.when.empty() ? kLeastStaleAfter : kStaleAfter;
    rule.stale_after = std::max(message->cycle * kMissedCycles, least);
  }
  if (point.unit.empty()) point.unit = found->unit;
  const bool plain = rule.signal.scale == 1 && rule.signal.offset == 0 && found->unit.empty();
  if (plain && !found->words.empty()) {
    point.words = std::make_shared<const std::map<std::int64_t, std::string>>(found->words);
  } else if (plain && rule.signal.number == Number::Unsigned && rule.signal.place.length == 1) {
    rule.signal.number = Number::Bool;
  }
  return named;
}

// Which frames: `message: 0x123`, or `pgn: 65262` of all senders or of `source`.
void read_message(const Layers& layers, PointRule& rule) {
  const auto message = layers["message"];
  const auto pgn = layers["pgn"];
  const auto source = layers["source"];
  const auto extended = layers["extended"];
  if (pgn.present()) {
    for (const auto& node : {message, extended}) {
      if (node.present()) node.mistake("a parameter group has none: either `message` or `pgn`");
    }
    std::optional<std::uint8_t> sender;
    if (source.present()) sender = static_cast<std::uint8_t>(source.integer(0, 0, 255));
    rule.message = parameter_group(static_cast<std::uint32_t>(pgn.integer(0, 0, kMostPgn)), sender);
    rule.signal.j1939 = true;
    return;
  }
  if (source.present()) source.mistake("only a `pgn` has senders");
  if (!message.present()) {
    message.mistake("in which message is it?", "message: 0x123, pgn: 65262, or signal: Message.Signal of a dbc file");
    extended.ignore();
    return;
  }
  const auto id = static_cast<std::uint32_t>(message.integer(0, 0, Frame::kExtendedIds));
  const bool wide = extended.boolean(id > Frame::kStandardIds);
  if (!wide && id > Frame::kStandardIds) extended.mistake("an identifier of 11 bits ends at 0x7FF");
  rule.message = exactly(wide ? id | Frame::kExtended : id);
}

// `length` may be left out where the place has one already. False after a mistake.
bool read_place(const Layers& layers, bool has_length, Place& place) {
  const auto start = layers["start_bit"];
  place.start = static_cast<std::uint8_t>(start.required_integer(0, 63));
  const auto length = layers["length"];
  if (!has_length || length.present()) {
    place.length = static_cast<std::uint8_t>(length.required_integer(1, 64));
  }
  place.big_endian = layers["byte_order"].one_of(place.big_endian, kOrders);
  if (bytes_for(place) <= Frame::kMostBytes) return true;
  start.mistake(fmt::format("{} bits from here end beyond the frame's 8 bytes", place.length),
                place.big_endian ? "big: start_bit is the most significant bit"
                                 : "little: start_bit is the least significant bit");
  place = {};
  return false;
}

void read_number(const Layers& layers, Signal& signal) {
  const auto type = layers["type"];
  const auto length = layers["length"];
  signal.number = type.one_of(type.present() || length.present() ? Number::Unsigned : Number::Bool, kNumbers);
  const unsigned wanted = signal.number == Number::Float32 ? 32 : signal.number == Number::Float64 ? 64 : 0;
  if (wanted > 0) signal.place.length = static_cast<std::uint8_t>(wanted);
  const bool has_length = wanted > 0 || signal.number == Number::Bool;
  if (read_place(layers, has_length, signal.place) && wanted > 0 && signal.place.length != wanted) {
    length.mistake(fmt::format("a float{0} has {0} bits", wanted));
  }
}

void read_selection(const Node& mux, bool big_endian, Signal& signal) {
  if (!mux.present()) return;
  Selection selection;
  selection.selector.big_endian = big_endian;
  read_place({mux, {}}, false, selection.selector);
  const auto value = mux["value"];
  const auto most =
      static_cast<std::int64_t>((std::uint64_t{1} << std::min<unsigned>(selection.selector.length, 62)) - 1);
  if (value.is_list()) {
    for (const auto& item : value.items()) {
      const auto one = static_cast<std::uint64_t>(item.integer(0, 0, most));
      selection.ranges.emplace_back(one, one);
    }
  } else {
    const auto one = static_cast<std::uint64_t>(value.required_integer(0, most));
    selection.ranges.emplace_back(one, one);
  }
  if (!selection.ranges.empty()) signal.when.push_back(std::move(selection));
}

void read_scale(const Layers& layers, Signal& signal) {
  for (const auto* key : {"scale", "offset", "invalid"}) {
    if (layers[key].present() && signal.number == Number::Bool) layers[key].mistake("a bool has none");
  }
  const auto scale = layers["scale"];
  signal.scale = scale.number(1);
  if (signal.scale == 0) scale.mistake("0 would make every value the same");
  signal.offset = layers["offset"].number(0);
}

// Raw values, as the bits that they are.
void read_invalid(const Node& node, Signal& signal) {
  const auto all = signal.place.length >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << signal.place.length) - 1;
  const auto most = static_cast<std::int64_t>(std::min(all, ~std::uint64_t{0} >> 1U));
  const auto add = [&](const Node& one) {
    signal.invalid.push_back(static_cast<std::uint64_t>(one.integer(0, -(most / 2) - 1, most)) & all);
  };
  if (!node.present()) return;
  if (node.is_scalar()) return add(node);
  for (const auto& item : node.items()) add(item);
}

void read_described(const Layers& layers, const Defaults& defaults, PointRule& rule) {
  read_message(layers, rule);
  rule.signal.place.big_endian = defaults.big_endian;
  read_number(layers, rule.signal);
  read_selection(layers["mux"], defaults.big_endian, rule.signal);
  read_scale(layers, rule.signal);
}

void read_writing(const Node& node, const std::optional<Named>& named, PointSettings& point, PointRule& rule) {
  if (!read_write(node, point)) return;
  const bool counts = rule.signal.number != Number::Bool;
  if (named && counts && (named->signal->min != 0 || named->signal->max != 0)) {
    auto& write = *point.write;
    if (!write.min) write.min = named->signal->min;
    if (!write.max) write.max = named->signal->max;
  }
  if (rule.signal.j1939) {
    node.mistake("a parameter group has no sender's address to write with",
                 "give the whole identifier: message: 0x...");
  }
  if (!node.is_map()) return;
  if (const auto fill = node["fill"]; fill.present()) {
    rule.fill = static_cast<std::uint8_t>(fill.integer(0, 0, 255));
  }
  const auto size = node["size"];
  rule.size = static_cast<std::uint8_t>(size.integer(rule.size, 1, Frame::kMostBytes));
  if (bytes_for(rule.signal) > rule.size) size.mistake("the signal ends beyond the message");
}

void read_point(const Layers& layers, const Defaults& defaults, PointSettings& point, PointRule& rule) {
  rule.stale_after = defaults.stale_after.value_or(kStaleAfter);
  std::optional<Named> named;
  if (const auto signal = layers["signal"]; signal.present()) {
    named = read_named(signal, defaults, point, rule);
  } else {
    read_described(layers, defaults, rule);
  }
  read_invalid(layers["invalid"], rule.signal);
  rule.stale_after = *read_stale(layers["stale_after"], rule.stale_after);
  point.type = type_of(rule.signal);
  point.scale = rule.signal.scale;
  point.offset = rule.signal.offset;
  if (rule.signal.number == Number::Unsigned) point.bit_count = rule.signal.place.length;
  read_writing(layers["write"], named, point, rule);
}

}  // namespace

void read_bus(const Node& node, BusSettings& bus) {
  const auto interface = node["interface"];
  bus.interface = interface.required_text();
  const bool rehearsal = bus.interface.starts_with(CanRehearsal::kPrefix);
  if (!rehearsal &&
      (bus.interface.size() > kLongestName || bus.interface.find_first_of("/: \t") != std::string::npos)) {
    interface.mistake("must be the name of a CAN interface", "e.g. can0; ferrule ports lists them");
  }
  if (const auto fd = node["fd"]; fd.boolean(false)) fd.mistake("CAN FD is not supported, classic frames are");
  if (const auto rate = node["bitrate"]; rate.present()) {
    rate.ignore();
    rate.mistake("is set where the interface is brought up",
                 fmt::format("ip link set {} up type can bitrate {}", bus.interface, rate.text()));
  }
  read_polling(node, bus);
}

void read_device(const Layers& layers, const BusSettings*, DeviceSettings& device) {
  auto settings = std::make_shared<CanSettings>();
  Defaults defaults;
  const auto dbc = layers["dbc"];
  defaults.has_dbc = dbc.present();
  defaults.dbc = read_dbc(dbc);
  if (defaults.dbc) settings->files = defaults.dbc->hash;
  defaults.big_endian = layers["byte_order"].one_of(false, kOrders);
  defaults.stale_after = read_stale(layers["stale_after"], std::nullopt);
  const auto named = named_points(layers);
  device.points.reserve(named.size());
  for (const auto& [name, point] : named) {
    device.points.push_back(read_common(name, point, std::chrono::seconds(1)));
    read_point(point, defaults, device.points.back(), settings->points.emplace_back());
  }
  device.own = std::move(settings);
}

}  // namespace ferrule::drivers::can

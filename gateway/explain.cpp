#include "gateway/explain.hpp"

#include <fmt/format.h>
#include <sysexits.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <memory>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "bridge/routes.hpp"
#include "drivers/modbus/client.hpp"
#include "drivers/modbus/decode.hpp"
#include "drivers/modbus/owed.hpp"
#include "drivers/modbus/planner.hpp"
#include "drivers/settings_points.hpp"
#include "gateway/settings.hpp"
#include "mapping/json.hpp"
#include "mapping/mapper.hpp"
#include "mapping/publication_pool.hpp"
#include "mapping/settings.hpp"

namespace ferrule::gateway {

namespace {

using drivers::PointSettings;
using drivers::Table;
using std::chrono::milliseconds;

constexpr std::array kTables{"coils", "discrete inputs", "input registers", "holding registers"};
constexpr std::array kFormats{"json",      "raw",       "json-device", "influx", "a payload of its own",
                              "sparkplug", "wirenboard"};
constexpr std::chrono::system_clock::time_point kExampleTime{milliseconds{1'700'000'000'000}};
constexpr std::array kConditions{"above", "below", "is"};

std::string in_words(milliseconds time) {
  if (time.count() % 1000 != 0) return fmt::format("{} ms", time.count());
  const auto seconds = time.count() / 1000;
  return seconds % 60 == 0 && seconds > 0 ? fmt::format("{} min", seconds / 60) : fmt::format("{} s", seconds);
}

/// A point's place in the settings.
struct Found {
  const drivers::BusSettings& bus;
  const drivers::DeviceSettings& device;
  const PointSettings& point;
  drivers::PointIndex first;  ///< of the device
  drivers::PointIndex index;
  const mapping::BusMappings& mappings;

  const mapping::PointMapping& mapping() const { return mappings.points[index]; }
};

Found find(const Settings& settings, const std::string& wanted) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < settings.buses.size(); ++i) {
    drivers::PointIndex first = 0;
    for (const auto& device : settings.buses[i].devices) {
      for (std::size_t p = 0; p < device.points.size(); ++p) {
        const auto& point = device.points[p];
        auto name = fmt::format("{}/{}", device.name, point.name);
        const auto index = first + static_cast<drivers::PointIndex>(p);
        if (name == wanted) return {settings.buses[i], device, point, first, index, settings.mappings[i]};
        names.push_back(std::move(name));
      }
      first += static_cast<drivers::PointIndex>(device.points.size());
    }
  }
  const std::vector<std::string_view> views(names.begin(), names.end());
  const auto near = config::nearest(wanted, views);
  throw config::Error({}, wanted,
                      near.empty() ? "is no point of this configuration (DEVICE/POINT)"
                                   : fmt::format("is no point of this configuration (did you mean {}?)", near),
                      EX_USAGE);
}

class Explanation {
 public:
  void line(std::string_view step, const std::string& text) {
    fmt::format_to(std::back_inserter(text_), "{:<10} {}\n", std::exchange(step_, step) == step ? "" : step, text);
  }
  std::string text() const { return text_; }

 private:
  std::string_view step_;
  std::string text_;
};

void explain_bus(Explanation& out, const drivers::BusSettings& bus) {
  const auto where = bus.type == drivers::BusType::System ? "this machine"
                     : !bus.interface.empty()             ? bus.interface
                     : bus.path.empty()                   ? fmt::format("{}:{}", bus.host, bus.port)
                                        : fmt::format("{}, {} baud", bus.path, bus.line.baud);
  out.line("bus", fmt::format("{}: {}", bus.name, where));
}

std::uint8_t high(std::uint16_t word) { return static_cast<std::uint8_t>(word >> 8); }
std::uint8_t low(std::uint16_t word) { return static_cast<std::uint8_t>(word & 0xFF); }

/// A request, from its unit on, as it goes over the wire; what TCP numbers is number 1.
std::string frame_of(drivers::BusType bus, std::vector<std::uint8_t> request) {
  if (drivers::is_ascii(bus)) {  // Modbus over serial line V1.02 2.5.2
    const auto sum = std::accumulate(request.begin(), request.end(), 0U);
    return fmt::format(":{:02X}{:02X} CR LF", fmt::join(request, ""), (0U - sum) & 0xFF);
  }
  if (drivers::has_line_frames(bus)) {
    const auto crc = drivers::modbus::crc16(request);
    request.insert(request.end(), {low(crc), high(crc)});
  } else {  // Modbus TCP guide V1.0b 3.1.3: transaction, protocol, length
    request.insert(request.begin(), {0, 1, 0, 0, 0, static_cast<std::uint8_t>(request.size())});
  }
  return fmt::format("{:02X}", fmt::join(request, " "));
}

/// Which request reads it, in company of which other points.
void explain_request(Explanation& out, const Found& found) {
  for (const auto& block : drivers::modbus::plan(found.device, found.first)) {
    const auto own = std::ranges::find(block.points, found.index, &drivers::modbus::BlockPoint::point);
    if (own == block.points.end()) continue;
    const auto function = drivers::modbus::function_of(block.table);
    out.line("request", fmt::format("every {}: unit {}, function {}, {} {} from {}", in_words(block.interval),
                                    found.device.unit_id, function, block.count,
                                    kTables[static_cast<std::size_t>(block.table)], block.address));
    out.line("request",
             frame_of(found.bus.type, {static_cast<std::uint8_t>(found.device.unit_id), function, high(block.address),
                                       low(block.address), high(block.count), low(block.count)}));
    if (block.points.size() > 1) out.line("request", fmt::format("for {} points", block.points.size()));
    if (own->every > 1) out.line("request", fmt::format("taken from every {}th answer", own->every));
    out.line("decode",
             fmt::format("{} {} of the answer", drivers::modbus::is_bits(block.table) ? "bit" : "register",
                         own->width == 1 ? fmt::format("{}", own->offset)
                                         : fmt::format("{} to {}", own->offset, own->offset + own->width - 1)));
  }
}

/// What a device might say, and what is decoded of it.
struct Example {
  drivers::Value value;
  std::vector<std::uint16_t> registers{};  ///< or bits; of Modbus only
};

Example example_of(const drivers::DeviceSettings& device, const PointSettings& point,
                   const mapping::Conversion& conversion) {
  const auto most = drivers::modbus::largest_count(point);
  drivers::Value raw = std::int64_t{most > 0 && most < 42 ? 1 : 42};
  if (!conversion.words.empty() && conversion.expression.empty()) {
    raw = conversion.words.begin()->first;
  } else if (point.type == drivers::Type::Bool) {
    raw = true;
  } else if (point.type == drivers::Type::String) {
    raw = std::string("text").substr(0, device.own == nullptr ? point.length : std::string::npos);
  }
  if (device.own != nullptr) {
    const auto* count = std::get_if<std::int64_t>(&raw);
    if (count == nullptr || (point.scale == 1 && point.offset == 0)) return {raw};
    return {static_cast<double>(*count) * point.scale + point.offset};
  }
  const auto extent = drivers::modbus::extent_of(point);
  std::vector<std::uint16_t> registers(extent.width, drivers::modbus::is_bits(point.table) ? 1 : 0);
  if (!drivers::modbus::is_bits(point.table)) {
    const auto first = static_cast<std::size_t>(point.address - extent.address);
    drivers::modbus::encode(raw, point, std::span(registers).subspan(first, drivers::modbus::registers_of(point)));
  }
  const auto decoded = drivers::modbus::decode(registers, point);
  return {decoded.quality == drivers::Quality::Good ? decoded.value : raw, std::move(registers)};
}

/// As it is published, before it is calculated with or named.
std::string json_of(const drivers::Value& value, int digits) {
  std::string json;
  mapping::append_json(json, mapping::keep(value), digits);
  return json;
}

void explain_decoding(Explanation& out, const Found& found) {
  const auto& point = found.point;
  std::string text(drivers::word_of(point.type, drivers::kTypes));
  if (point.bit_count > 0)
    text += fmt::format(", {} bit{} from bit {}", point.bit_count, point.bit_count > 1 ? "s" : "", point.bit);
  if (drivers::modbus::registers_of(point) > 1 || point.byte_order != drivers::ByteOrder::ABCD) {
    text += fmt::format(", {}", drivers::word_of(point.byte_order, drivers::kByteOrders));
  }
  if (point.scale_factor) text += fmt::format(", times ten to the power of register {}", *point.scale_factor);
  if (point.scale != 1) text += fmt::format(", times {}", point.scale);
  if (point.offset != 0) text += fmt::format(", plus {}", point.offset);
  for (const auto raw : point.invalid) text += fmt::format(", 0x{:X} means none", raw);
  out.line("decode", text);
  if (drivers::modbus::is_bits(point.table)) return;
  const auto& rule = *found.mapping().rule;
  const auto [value, registers] = example_of(found.device, point, rule.conversion);
  std::vector<std::uint8_t> bytes;
  for (const auto word : registers) bytes.insert(bytes.end(), {high(word), low(word)});
  out.line("decode", fmt::format("{:02X} is {}", fmt::join(bytes, " "), json_of(value, rule.digits)));
}

void explain_conversion(Explanation& out, const mapping::Conversion& conversion) {
  if (!conversion.expression.empty()) out.line("calculate", conversion.expression);
  if (conversion.round > 0) out.line("round", fmt::format("to {}", conversion.round));
  if (conversion.min) out.line("limit", fmt::format("not below {}", *conversion.min));
  if (conversion.max) out.line("limit", fmt::format("not above {}", *conversion.max));
  for (const auto& [code, word] : conversion.words) out.line("name", fmt::format("{} is \"{}\"", code, word));
}

void explain_rule(Explanation& out, const mapping::PublishRule& rule) {
  std::string when = "every poll";
  if (rule.window.every.count() > 0) {
    when = fmt::format("what it was, every {}", in_words(rule.window.every));
  } else if (rule.when == mapping::When::Change) {
    when = "when quality changes, or the value";
    if (rule.deadband > 0) when += fmt::format(" by {}{}", rule.deadband, rule.deadband_is_percent ? " %" : "");
    if (rule.min_interval.count() > 0) when += fmt::format(", at most every {}", in_words(rule.min_interval));
    if (rule.heartbeat.count() > 0) when += fmt::format("; again after {}", in_words(rule.heartbeat));
  }
  out.line("publish", when);
  out.line("publish", fmt::format("as {}, QoS {}{}", kFormats[static_cast<std::size_t>(rule.format)],
                                  static_cast<int>(rule.qos), rule.retain ? ", retained" : ""));
}

/// Of the point, and of those that it is calculated from.
std::vector<drivers::Reading> example_readings(const Found& found) {
  std::vector<drivers::PointIndex> points{found.index};
  if (const auto inputs = found.mappings.inputs.find(found.index); inputs != found.mappings.inputs.end()) {
    std::ranges::copy_if(inputs->second, std::back_inserter(points), [&](auto point) { return point != found.index; });
  }
  std::vector<drivers::Reading> readings;
  for (const auto point : points) {
    const auto& conversion = found.mappings.points[point].rule->conversion;
    readings.push_back({point, drivers::Quality::Good, drivers::Failure::None,
                        example_of(found.device, found.device.points[point - found.first], conversion).value,
                        kExampleTime, std::chrono::steady_clock::time_point{milliseconds{1}}});
  }
  return readings;
}

/// What is published of the point after these readings, as the bus's thread would make it.
std::string payload_of(const Found& found, std::vector<drivers::Reading> readings) {
  const auto& rule = found.mapping().rule->publish;
  mapping::PublicationPool pool;
  mapping::Mapper mapper(found.mappings, pool);
  std::vector<mqtt::PublicationPtr> publications;
  mapper.map(readings, publications);
  if (rule.window.every.count() > 0) {  // which ends with the first reading behind it
    for (auto& reading : readings) reading.at += rule.window.every;
    mapper.map(readings, publications);
  }
  const auto own = std::ranges::find_if(
      publications, [&](const auto& publication) { return publication->topic == found.mapping().topic; });
  if (own == publications.end()) return {};
  if (rule.format != mapping::Format::Sparkplug) return (*own)->payload;
  const std::vector<unsigned char> bytes((*own)->payload.begin(), (*own)->payload.end());
  return fmt::format("{} bytes: {:02X}", bytes.size(), fmt::join(bytes, " "));
}

void explain_payload(Explanation& out, const Found& found) {
  const auto readings = example_readings(found);
  out.line("payload", fmt::format("of {}: {}", json_of(readings.front().value, found.mapping().rule->digits),
                                  payload_of(found, readings)));
}

/// As it is published for everybody, and as it is made for routes with a format of their own.
void explain_uplinks(Explanation& out, const Settings& settings, const Found& found) {
  std::vector<const mapping::PointMapping*> mappings{&found.mapping()};
  for (const auto& form : found.mappings.forms) {
    if (const auto mapping = form.find(found.index); mapping != form.end()) mappings.push_back(&mapping->second);
  }
  auto publication = std::make_shared<mqtt::Publication>();
  for (const auto& uplink : settings.uplinks) {
    bool carries = false;
    for (const auto* mapping : mappings) {
      publication->topic = mapping->topic;
      publication->qos = mapping->rule->publish.qos;
      const auto routed = bridge::find_route(uplink.out, publication);
      if (!routed) continue;
      carries = true;
      const auto format = kFormats[static_cast<std::size_t>(mapping->rule->publish.format)];
      out.line("uplink",
               fmt::format("{}: as {}, QoS {}{}{}", uplink.name,
                           routed->topic.empty() ? publication->topic : routed->topic, static_cast<int>(routed->qos),
                           mapping == mappings.front() ? "" : fmt::format(", in the format {}", format),
                           routed->qos == mqtt::Qos::AtMostOnce ? ", only while it is online" : ""));
    }
    if (!carries) out.line("uplink", fmt::format("{}: does not carry it", uplink.name));
  }
}

}  // namespace

std::string explanation(const Settings& settings, const std::string& point) {
  const auto found = find(settings, point);
  const auto& mapping = found.mapping();
  const auto& rule = *mapping.rule;
  Explanation out;
  explain_bus(out, found.bus);
  if (found.device.own == nullptr) {  // what Modbus reads, every driver of its own kind has settings for
    explain_request(out, found);
    explain_decoding(out, found);
  } else {
    out.line("driver", fmt::format("device {}, point {}", found.device.name, found.point.name));
  }
  explain_conversion(out, rule.conversion);
  if (!rule.unit.empty()) out.line("unit", rule.unit);
  explain_rule(out, rule.publish);
  explain_payload(out, found);
  out.line("topic", std::string(mapping.topic));
  for (const auto& alarm : rule.alarms) {
    out.line("alarm", fmt::format("{} {}: {}", kConditions[static_cast<std::size_t>(alarm.is)], alarm.limit,
                                  alarm_topic(mapping, alarm)));
  }
  if (found.point.write) {
    const auto function = found.point.write->function;
    out.line("commands", command_topic(mapping) + (function > 0 ? fmt::format(", by function {}", function) : ""));
  }
  explain_uplinks(out, settings, found);
  return out.text();
}

int explain(const std::filesystem::path& file, const std::string& point) {
  fmt::print("{}", explanation(load_settings(file), point));
  return EX_OK;
}

}  // namespace ferrule::gateway

// What a publication says: the payload formats.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "drivers/reading.hpp"
#include "mapping/kept_value.hpp"
#include "mapping/template.hpp"

namespace ferrule::mapping {

class Alarm;
struct AlarmRule;
struct PointMapping;

enum class Format : std::uint8_t {
  Json,        ///< `{"ts":1700000000000,"v":23.4,"q":"good","unit":"°C","err":"timeout"}`
  Raw,         ///< the value alone; nothing when it is bad
  JsonDevice,  ///< one object for the points of a device: those of one answer, or all of them when it is retained
  Influx,      ///< InfluxDB's line protocol
  Template,    ///< the user's own text
  Sparkplug,   ///< metrics of a device, for an uplink that is a Sparkplug edge node
  WirenBoard,  ///< a control of Wiren Board's conventions, at the topics that these name
};
/// Whether points of one device are published together, under one topic.
constexpr bool is_shared(Format format) { return format == Format::JsonDevice || format == Format::Sparkplug; }

/// What is known of a point when it is published.
struct Sample {
  const PointMapping& mapping;
  const KeptValue& value;  ///< the last one that was not Bad, perhaps none
  drivers::Quality quality;
  drivers::Failure failure;
  std::chrono::system_clock::time_point at;    ///< of `value`
  std::chrono::system_clock::time_point read;  ///< of the reading
};

/// The text of a `payload` template; else the unknown word.
tl::expected<Template, std::string> parse_payload(std::string_view text);
/// The words that it may have: "{value} {json} ...".
std::string payload_words();

/// Appends the payload of one point in the format of its rule, none that is shared. Allocates nothing but what
/// `out` grows by, unless the value is text.
void append_payload(std::string& out, const Sample& sample);
/// Appends the payload of points that are published together; at least one.
void append_device_payload(std::string& out, std::span<const Sample> samples);
/// Appends `{"ts":SINCE,"state":"active","acknowledged":false,"v":91.5,"unit":"°C","priority":"high","text":".."}`.
void append_alarm_payload(std::string& out, const PointMapping& mapping, const KeptValue& value, const AlarmRule& rule,
                          const Alarm& alarm);
/// Appends the value as people read it: a word, a number, text.
void append_text(std::string& out, const PointMapping& mapping, const KeptValue& value);

}  // namespace ferrule::mapping

#include "mapping/payload.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>

#include "mapping/alarm.hpp"
#include "mapping/json.hpp"
#include "mapping/metrics.hpp"
#include "mapping/settings.hpp"
#include "mapping/wirenboard.hpp"

namespace ferrule::mapping {

namespace {

using drivers::Failure;
using drivers::Quality;
using std::chrono::milliseconds;
using Time = std::chrono::system_clock::time_point;

enum Word : std::size_t { kValue, kJson, kQuality, kError, kUnit, kTs, kTime, kDevice, kPoint };
constexpr std::array<std::string_view, 9> kWords{"value", "json", "quality", "error", "unit",
                                                 "ts",    "time", "device",  "point"};

std::int64_t since_epoch(Time time) {
  return std::chrono::duration_cast<milliseconds>(time.time_since_epoch()).count();
}

/// JSON text of a value, or of the word that stands for it.
void append_json_value(std::string& out, const PointRule& rule, const KeptValue& value) {
  if (const auto* word = word_for(rule.conversion, value)) return append_json(out, *word);
  append_json(out, value, rule.digits);
}

void append_json_payload(std::string& out, const Sample& sample) {
  const auto& rule = *sample.mapping.rule;
  out += R"({"ts":)";
  append_integer(out, since_epoch(sample.at));
  out += R"(,"v":)";
  append_json_value(out, rule, sample.value);
  out += R"(,"q":")";
  out += drivers::name(sample.quality);
  out += '"';
  if (!rule.unit.empty()) {
    out += R"(,"unit":)";
    append_json(out, rule.unit);
  }
  if (sample.failure != Failure::None) {
    fmt::format_to(std::back_inserter(out), R"(,"err":"{}")", drivers::name(sample.failure));
  }
  out += '}';
}

/// 2023-11-14T22:13:20.000Z
void append_iso_time(std::string& out, Time time) {
  const auto count = since_epoch(time);
  const auto seconds = static_cast<std::time_t>(count / 1000 - (count % 1000 < 0 ? 1 : 0));
  fmt::format_to(std::back_inserter(out), "{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(seconds), count - seconds * 1000);
}

void append_template(std::string& out, const Sample& sample) {
  const auto& rule = *sample.mapping.rule;
  rule.publish.payload.render(out, [&](std::size_t word) {
    switch (word) {
      case kValue:
        return append_text(out, sample.mapping, sample.value);
      case kJson:
        return append_json_value(out, rule, sample.value);
      case kQuality:
        return void(out += drivers::name(sample.quality));
      case kError:
        return void(out += drivers::name(sample.failure));
      case kUnit:
        return void(out += rule.unit);
      case kTs:
        return append_integer(out, since_epoch(sample.at));
      case kTime:
        return append_iso_time(out, sample.at);
      case kDevice:
        return void(out += *sample.mapping.device);
      default:
        return void(out += rule.point);
    }
  });
}

/// Escapes what separates the parts of a line; a name has no line feeds.
void append_influx_name(std::string& out, std::string_view name) {
  for (const char c : name) {
    if (c == ',' || c == '=' || c == ' ') out += '\\';
    out += c == '\n' || c == '\r' ? ' ' : c;
  }
}

void append_influx_text(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

/// One type for all values of a point: InfluxDB refuses a field that changes its own.
void append_influx_value(std::string& out, const Sample& sample) {
  const auto& rule = *sample.mapping.rule;
  constexpr auto kMaxInteger = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (!rule.conversion.words.empty() || std::holds_alternative<std::unique_ptr<const std::string>>(sample.value)) {
    std::string text;
    append_text(text, sample.mapping, sample.value);
    return append_influx_text(out, text);
  }
  append_json(out, sample.value, rule.digits);
  if (std::holds_alternative<std::int64_t>(sample.value)) out += 'i';
  if (const auto* number = std::get_if<std::uint64_t>(&sample.value)) out += *number <= kMaxInteger ? 'i' : 'u';
}

/// `boiler,point=supply,unit=°C value=23.4,quality="good" 1700000000000000000`. A bad point has no value, and the time
/// of the reading: that of the last value would change what was written then.
void append_influx(std::string& out, const Sample& sample) {
  const auto& rule = *sample.mapping.rule;
  const bool bad = sample.quality == Quality::Bad || is_none(sample.value);
  append_influx_name(out, *sample.mapping.device);
  out += ",point=";
  append_influx_name(out, rule.point);
  if (!rule.unit.empty()) {
    out += ",unit=";
    append_influx_name(out, rule.unit);
  }
  out += ' ';
  if (!bad) {
    out += "value=";
    append_influx_value(out, sample);
    out += ',';
  }
  out += R"(quality=")";
  out += drivers::name(sample.quality);
  out += '"';
  if (sample.failure != Failure::None) {
    fmt::format_to(std::back_inserter(out), R"(,error="{}")", drivers::name(sample.failure));
  }
  out += ' ';
  append_integer(out, since_epoch(bad ? sample.read : sample.at));
  out += "000000";
}

/// Calls `append(sample)` for those that `wanted` takes, in an object with the points' names as keys.
template <class Wanted, class Append>
void append_object(std::string& out, std::span<const Sample> samples, const Wanted& wanted, const Append& append) {
  char before = '{';
  for (const auto& sample : samples) {
    if (!wanted(sample)) continue;
    out += before;
    append_json(out, sample.mapping.rule->point);
    out += ':';
    append(sample);
    before = ',';
  }
  if (before == '{') out += '{';
  out += '}';
}

bool has_value(const Sample& sample) { return sample.quality != Quality::Bad && !is_none(sample.value); }
bool has_cause(const Sample& sample) { return sample.failure != Failure::None; }

}  // namespace

tl::expected<Template, std::string> parse_payload(std::string_view text) { return Template::parse(text, kWords); }

std::string payload_words() { return fmt::format("{{{}}}", fmt::join(kWords, "} {")); }

void append_text(std::string& out, const PointMapping& mapping, const KeptValue& value) {
  const auto& rule = *mapping.rule;
  if (const auto* word = word_for(rule.conversion, value)) {
    out += *word;
  } else if (const auto* text = std::get_if<std::unique_ptr<const std::string>>(&value)) {
    out += **text;
  } else if (!is_none(value)) {
    append_json(out, value, rule.digits);
  }
}

void append_payload(std::string& out, const Sample& sample) {
  switch (sample.mapping.rule->publish.format) {
    case Format::Raw:
      if (sample.quality != Quality::Bad) append_text(out, sample.mapping, sample.value);
      return;
    case Format::Influx:
      return append_influx(out, sample);
    case Format::Template:
      return append_template(out, sample);
    case Format::Sparkplug:
      return append_metrics(out, {&sample, 1});
    case Format::WirenBoard:
      return append_control(out, sample.mapping, sample.value);
    case Format::Json:
    case Format::JsonDevice:
      return append_json_payload(out, sample);
  }
}

void append_alarm_payload(std::string& out, const PointMapping& mapping, const KeptValue& value, const AlarmRule& rule,
                          const Alarm& alarm) {
  fmt::format_to(std::back_inserter(out), R"({{"ts":{},"state":"{}","acknowledged":{},"v":)",
                 since_epoch(alarm.since()), alarm.active() ? "active" : "normal", alarm.acknowledged());
  append_json_value(out, *mapping.rule, value);
  if (!mapping.rule->unit.empty()) {
    out += R"(,"unit":)";
    append_json(out, mapping.rule->unit);
  }
  fmt::format_to(std::back_inserter(out), R"(,"priority":"{}")", name(rule.priority));
  if (!rule.text.empty()) {
    out += R"(,"text":)";
    append_json(out, rule.text);
  }
  if (!alarm.since_is_right()) {
    fmt::format_to(std::back_inserter(out), R"(,"err":"{}")", drivers::name(Failure::ClockNotSet));
  }
  if (!alarm.by().empty()) {
    out += R"(,"by":)";
    append_json(out, alarm.by());
  }
  out += '}';
}

void append_device_payload(std::string& out, std::span<const Sample> samples) {
  if (samples.front().mapping.rule->publish.format == Format::Sparkplug) return append_metrics(out, samples);
  auto quality = samples.front().quality;
  for (const auto& sample : samples) quality = sample.quality == quality ? quality : Quality::Uncertain;
  fmt::format_to(std::back_inserter(out), R"({{"ts":{},"q":"{}","v":)", since_epoch(samples.front().read),
                 drivers::name(quality));
  append_object(out, samples, has_value,
                [&](const Sample& sample) { append_json_value(out, *sample.mapping.rule, sample.value); });
  if (std::ranges::any_of(samples, has_cause)) {
    out += R"(,"err":)";
    append_object(out, samples, has_cause,
                  [&](const Sample& sample) { append_json(out, drivers::name(sample.failure)); });
  }
  out += '}';
}

}  // namespace ferrule::mapping

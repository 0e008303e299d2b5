#include "mapping/metrics.hpp"

#include <charconv>
#include <cmath>
#include <memory>
#include <utility>

#include "mapping/json.hpp"
#include "mapping/settings.hpp"
#include "mqtt/sparkplug_payload.hpp"

namespace ferrule::mapping {

namespace {

using mqtt::sparkplug::Datatype;
using mqtt::sparkplug::Metric;
using mqtt::sparkplug::Quality;

/// As it is shown elsewhere (see number_text): 234 * 0.1 is 23.4, and a float of 230.1 is that.
double shown(double value, int digits) {
  if (digits == 0) return value;
  NumberText room;
  const auto text = number_text(room, value, digits);
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

void put_value(const Sample& sample, Metric& metric) {
  const auto put = [&](auto value, Datatype type) {
    metric.value = std::move(value);
    metric.datatype = type;
  };
  const auto& value = sample.value;
  if (!sample.mapping.rule->conversion.words.empty() ||
      std::holds_alternative<std::unique_ptr<const std::string>>(value)) {
    std::string text;
    append_text(text, sample.mapping, value);
    if (!is_none(value)) put(std::move(text), Datatype::String);
  } else if (const auto* flag = std::get_if<bool>(&value)) {
    put(*flag, Datatype::Boolean);
  } else if (const auto* negative = std::get_if<std::int64_t>(&value)) {
    put(static_cast<std::uint64_t>(*negative), Datatype::Int64);
  } else if (const auto* count = std::get_if<std::uint64_t>(&value)) {
    put(*count, Datatype::UInt64);
  } else if (const auto* number = std::get_if<double>(&value); number != nullptr && std::isfinite(*number)) {
    put(shown(*number, sample.mapping.rule->digits), Datatype::Double);
  }
}

}  // namespace

void append_metrics(std::string& out, std::span<const Sample> samples) {
  mqtt::sparkplug::Payload payload;
  payload.timestamp = mqtt::sparkplug::milliseconds(samples.front().read);
  for (const auto& sample : samples) {
    Metric metric;
    metric.name = sample.mapping.rule->point;
    metric.timestamp = mqtt::sparkplug::milliseconds(sample.at);
    put_value(sample, metric);
    if (sample.quality != drivers::Quality::Good) {
      metric.quality = drivers::is_silent(sample.failure) ? Quality::Stale : Quality::Bad;
      metric.cause = drivers::name(sample.failure);
    }
    payload.metrics.push_back(std::move(metric));
  }
  mqtt::sparkplug::encode(payload, out);
}

}  // namespace ferrule::mapping

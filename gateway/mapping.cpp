#include "gateway/mapping.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

#include "mqtt/topic.hpp"

namespace ferrule::gateway {

namespace {

using config::Choice;
using drivers::Quality;

constexpr std::array kWhens{Choice<When>{"change", When::Change}, Choice<When>{"poll", When::Poll}};

/// Replaces the placeholders of a topic template. An unknown one is a mistake at `node`.
std::string render_topic(const std::string& pattern, const config::Node& node,
                         std::span<const std::pair<std::string_view, std::string_view>> names) {
  std::string topic;
  for (std::size_t at = 0; at < pattern.size();) {
    if (pattern[at] != '{') {
      topic += pattern[at++];
      continue;
    }
    const auto end = pattern.find('}', at);
    const auto word = pattern.substr(at + 1, end == std::string::npos ? end : end - at - 1);
    const auto found = std::find_if(names.begin(), names.end(), [&](const auto& name) { return name.first == word; });
    if (end == std::string::npos || found == names.end()) {
      node["topic"].mistake(fmt::format("unknown placeholder \"{{{}}}\"", word),
                            "placeholders are {gateway} {bus} {device} {point}");
      return topic;
    }
    topic += found->second;
    at = end + 1;
  }
  return topic;
}

/// How many significant digits a scaled value deserves: those of its source type, so that 234 * 0.1 reads 23.4.
int significant_digits(const drivers::PointSettings& point) {
  const bool scaled = point.scale != 1 || point.offset != 0 || point.scale_factor;
  if (point.type == drivers::Type::Float32) return scaled ? 7 : 9;
  if (point.type == drivers::Type::Float16) return 4;
  return scaled ? 15 : 0;
}

double as_number(const drivers::Value& value) {
  return std::visit(
      [](const auto& v) -> double {
        if constexpr (std::is_same_v<std::decay_t<decltype(v)>, std::string>) {
          return std::nan("");
        } else {
          return static_cast<double>(v);
        }
      },
      value);
}

bool changed(const drivers::Value& before, const drivers::Value& after, double deadband) {
  if (deadband <= 0 || std::holds_alternative<bool>(after) || std::holds_alternative<std::string>(after))
    return before != after;
  return !(std::abs(as_number(after) - as_number(before)) < deadband);
}

}  // namespace

std::string json_text(const drivers::Value& value, int digits) {
  return std::visit(
      [digits](const auto& v) -> std::string {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, std::string>) {
          return nlohmann::json(v).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
        } else if constexpr (std::is_same_v<T, double>) {
          if (!std::isfinite(v)) return "null";  // JSON has no word for it; decoding lets none through
          if (digits == 9) return fmt::format("{}", static_cast<float>(v));  // shortest text of the float that was read
          return digits > 0 ? fmt::format("{:.{}g}", v, digits) : fmt::format("{}", v);
        } else {
          return fmt::format("{}", v);
        }
      },
      value);
}

PublishSettings read_publish(const config::Node& node, const PublishSettings& defaults) {
  PublishSettings publish{node["topic"].text(defaults.topic), defaults.rule};
  auto& rule = publish.rule;
  rule.when = node["when"].one_of(rule.when, kWhens);
  rule.heartbeat = node["heartbeat"].duration(rule.heartbeat);
  rule.min_interval = node["min_interval"].duration(rule.min_interval);
  rule.deadband = node["deadband"].number(rule.deadband, 0);
  rule.qos = static_cast<mqtt::Qos>(node["qos"].integer(static_cast<int>(rule.qos), 0, 2));
  rule.retain = node["retain"].boolean(rule.retain);
  return publish;
}

std::vector<PointMapping> read_mappings(const drivers::BusSettings& bus, const PublishSettings& defaults,
                                        const std::string& gateway_id, std::unordered_set<std::string>& taken) {
  std::vector<PointMapping> mappings;
  for (const auto& device : bus.devices) {
    const auto of_device = read_publish(device.publish, read_publish(device.publish_template, defaults));
    for (const auto& point : device.points) {
      const auto publish = read_publish(point.publish, read_publish(point.publish_template, of_device));
      PointMapping mapping{device.name, point.name, point.unit, {}, publish.rule, significant_digits(point)};
      const std::array<std::pair<std::string_view, std::string_view>, 4> names{
          {{"gateway", gateway_id}, {"bus", bus.name}, {"device", device.name}, {"point", point.name}}};
      mapping.topic = render_topic(publish.topic, point.publish, names);
      if (!mqtt::is_valid_topic_name(mapping.topic)) {
        point.publish.mistake(fmt::format("\"{}\" is not a valid topic to publish to", mapping.topic));
      } else if (!taken.insert(mapping.topic).second) {
        point.publish.mistake(fmt::format("topic \"{}\" is already used by another point", mapping.topic),
                              "a topic template needs {device} and {point}");
      }
      mappings.push_back(std::move(mapping));
    }
  }
  return mappings;
}

Mapper::Mapper(std::vector<PointMapping> mappings) : mappings_(std::move(mappings)), states_(mappings_.size()) {
  for (auto& state : states_) state.value = "null";
}

bool Mapper::due(const PublishRule& rule, const State& state, const drivers::Reading& reading) const {
  if (!state.has_published || state.published_quality != reading.quality || state.published_failure != reading.failure)
    return true;
  if (rule.when == When::Poll) return true;
  const auto since = reading.seen - state.sent;
  if (rule.heartbeat.count() > 0 && since >= rule.heartbeat) return true;
  return reading.quality == Quality::Good && since >= rule.min_interval &&
         changed(state.published, reading.value, rule.deadband);
}

void Mapper::map(std::span<const drivers::Reading> readings, std::vector<mqtt::PublicationPtr>& publications) {
  const std::scoped_lock lock(mutex_);
  for (const auto& reading : readings) {
    const auto& mapping = mappings_[reading.point];
    auto& state = states_[reading.point];
    if (reading.quality == Quality::Good) {
      state.value = json_text(reading.value, mapping.digits);
      state.has_value = true;
    }
    // A value that turns bad keeps the time at which it was true; before the first value, the time of the failure
    // stands.
    if (reading.quality == Quality::Good || !state.has_value) {
      state.at = reading.at;
      state.seen = reading.seen;
    }
    state.quality = reading.quality;
    state.failure = reading.failure;
    if (!due(mapping.rule, state, reading)) continue;

    auto publication = std::make_shared<mqtt::Publication>();
    publication->topic = mapping.topic;
    publication->payload =
        fmt::format(R"({{"ts":{},"v":{},"q":"{}")",
                    std::chrono::duration_cast<std::chrono::milliseconds>(state.at.time_since_epoch()).count(),
                    state.value, drivers::name(reading.quality));
    if (reading.failure != drivers::Failure::None) {
      fmt::format_to(std::back_inserter(publication->payload), R"(,"err":"{}")", drivers::name(reading.failure));
    }
    publication->payload += '}';
    publication->qos = mapping.rule.qos;
    publication->retain = mapping.rule.retain;
    publication->published = reading.seen;
    publications.push_back(std::move(publication));

    state.sent = reading.seen;
    state.has_published = true;
    if (reading.quality == Quality::Good) state.published = reading.value;
    state.published_quality = reading.quality;
    state.published_failure = reading.failure;
  }
}

std::vector<PointStatus> Mapper::snapshot() const {
  const std::scoped_lock lock(mutex_);
  std::vector<PointStatus> points;
  points.reserve(mappings_.size());
  for (std::size_t i = 0; i < mappings_.size(); ++i) {
    const auto& [mapping, state] = std::tie(mappings_[i], states_[i]);
    points.push_back({mapping.device, mapping.point, mapping.unit, state.has_value ? state.value : std::string{},
                      state.quality, state.failure, state.seen});
  }
  return points;
}

}  // namespace ferrule::gateway

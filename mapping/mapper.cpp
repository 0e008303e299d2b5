#include "mapping/mapper.hpp"

#include <fmt/format.h>

#include <cmath>
#include <iterator>
#include <tuple>
#include <utility>

#include "mapping/json.hpp"

namespace ferrule::mapping {

namespace {

using drivers::Quality;

/// NaN for what is no number.
double as_number(const KeptValue& value) {
  return std::visit(
      [](const auto& v) -> double {
        if constexpr (std::is_arithmetic_v<std::decay_t<decltype(v)>>) {
          return static_cast<double>(v);
        } else {
          return std::nan("");
        }
      },
      value);
}

bool changed(const KeptValue& before, const KeptValue& after, double deadband) {
  using Text = std::unique_ptr<const std::string>;
  if (before.index() != after.index()) return true;
  if (const auto* text = std::get_if<Text>(&after)) return **text != *std::get<Text>(before);
  if (deadband <= 0 || std::holds_alternative<bool>(after)) return before != after;
  return !(std::abs(as_number(after) - as_number(before)) < deadband);
}

}  // namespace

Mapper::Mapper(BusMappings mappings) : mappings_(std::move(mappings)), states_(mappings_.points.size()) {}

bool Mapper::due(const PublishRule& rule, const State& state, const drivers::Reading& reading) {
  if (!state.has_published || state.published_quality != reading.quality || state.published_failure != reading.failure)
    return true;
  if (rule.when == When::Poll) return true;
  const auto since = reading.seen - state.sent;
  if (rule.heartbeat.count() > 0 && since >= rule.heartbeat) return true;
  return reading.quality == Quality::Good && since >= rule.min_interval &&
         changed(state.published, state.value, rule.deadband);
}

void Mapper::map(std::span<const drivers::Reading> readings, std::vector<mqtt::PublicationPtr>& publications) {
  const std::scoped_lock lock(mutex_);
  for (const auto& reading : readings) {
    const auto& mapping = mappings_.points[reading.point];
    const auto& rule = mapping.rule->publish;
    auto& state = states_[reading.point];
    const bool good = reading.quality == Quality::Good;
    if (good) state.value = keep(reading.value);
    // A value that turns bad keeps the time at which it was true; before the first value, the time of the failure
    // stands.
    if (good || std::holds_alternative<std::monostate>(state.value)) {
      state.at = reading.at;
      state.seen = reading.seen;
    }
    state.quality = reading.quality;
    state.failure = reading.failure;
    if (!due(rule, state, reading)) continue;

    auto publication = std::make_shared<mqtt::Publication>();
    publication->topic = mapping.topic;
    auto& payload = publication->payload;
    fmt::format_to(std::back_inserter(payload), R"({{"ts":{},"v":)",
                   std::chrono::duration_cast<std::chrono::milliseconds>(state.at.time_since_epoch()).count());
    append_json(payload, state.value, mapping.rule->digits);
    fmt::format_to(std::back_inserter(payload), R"(,"q":"{}")", drivers::name(reading.quality));
    if (reading.failure != drivers::Failure::None) {
      fmt::format_to(std::back_inserter(payload), R"(,"err":"{}")", drivers::name(reading.failure));
    }
    payload += '}';
    publication->qos = rule.qos;
    publication->retain = rule.retain;
    publication->published = reading.seen;
    publications.push_back(std::move(publication));

    state.sent = reading.seen;
    state.has_published = true;
    if (good) state.published = keep(reading.value);
    state.published_quality = reading.quality;
    state.published_failure = reading.failure;
  }
}

std::vector<PointStatus> Mapper::snapshot() const {
  const std::scoped_lock lock(mutex_);
  std::vector<PointStatus> points;
  points.reserve(states_.size());
  for (std::size_t i = 0; i < states_.size(); ++i) {
    const auto& [mapping, state] = std::tie(mappings_.points[i], states_[i]);
    auto& status = points.emplace_back(PointStatus{
        *mapping.device, mapping.rule->point, mapping.rule->unit, {}, state.quality, state.failure, state.seen});
    if (!std::holds_alternative<std::monostate>(state.value))
      append_json(status.value, state.value, mapping.rule->digits);
  }
  return points;
}

}  // namespace ferrule::mapping

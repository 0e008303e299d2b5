#include "mapping/mapper.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <iterator>
#include <tuple>
#include <utility>

#include "mapping/json.hpp"

namespace ferrule::mapping {

namespace {

using drivers::Quality;

/// JSON text of a value, or of the word that stands for it.
void append_value(std::string& out, const PointRule& rule, const KeptValue& value) {
  if (const auto* word = word_for(rule.conversion, value)) return append_json(out, *word);
  append_json(out, value, rule.digits);
}

bool changed(const KeptValue& before, const KeptValue& after, const PublishRule& rule) {
  using Text = std::unique_ptr<const std::string>;
  if (before.index() != after.index()) return true;
  if (const auto* text = std::get_if<Text>(&after)) return **text != *std::get<Text>(before);
  if (rule.deadband <= 0 || std::holds_alternative<bool>(after)) return before != after;
  const double from = as_number(before);
  const double band = rule.deadband_is_percent ? std::abs(from) * rule.deadband / 100 : rule.deadband;
  const double moved = std::abs(as_number(after) - from);
  return moved > 0 && moved >= band;
}

}  // namespace

Mapper::Mapper(BusMappings mappings) : mappings_(std::move(mappings)), states_(mappings_.points.size()) {
  for (const auto& [point, inputs] : mappings_.inputs) {
    const auto* rule = mappings_.points[point].rule;
    if (!expressions_.contains(rule)) {
      expressions_.emplace(rule, Expression::parse(rule->conversion.expression).value());
    }
  }
}

void Mapper::map(std::span<const drivers::Reading> readings, std::vector<mqtt::PublicationPtr>& publications) {
  const std::scoped_lock lock(mutex_);
  const auto calculated = [&](const auto& reading) {
    return !mappings_.points[reading.point].rule->conversion.expression.empty();
  };
  for (const auto& reading : readings) {
    if (calculated(reading)) continue;
    conclude(reading, {keep(reading.value), reading.quality, reading.failure});
  }
  // Behind all that they may be calculated from.
  for (const auto& reading : readings) {
    if (calculated(reading)) conclude(reading, calculate(reading));
  }
  for (const auto& reading : readings) {
    if (due(reading)) publications.push_back(publish(reading));
  }
}

/// The expression's result. One whose inputs are not good is none either, for the cause of the first of them.
Judged Mapper::calculate(const drivers::Reading& reading) const {
  if (reading.quality == Quality::Bad) return {{}, reading.quality, reading.failure};
  std::array<double, kMaxNames> values;
  std::size_t count = 0;
  const auto& inputs = mappings_.inputs.find(reading.point)->second;
  for (const auto input : inputs) {
    const auto& state = states_[input];
    if (input != reading.point && (state.quality == Quality::Bad || is_none(state.value))) {
      return {{}, state.quality, state.failure};
    }
    values[count++] = as_number(input == reading.point ? keep(reading.value) : copy(state.value));
  }
  const double result =
      expressions_.find(mappings_.points[reading.point].rule)->second.evaluate({values.data(), count});
  if (!std::isfinite(result)) return {{}, Quality::Bad, drivers::Failure::Invalid};
  return {result, reading.quality, reading.failure};
}

/// Takes the outcome of a reading into the point's state.
void Mapper::conclude(const drivers::Reading& reading, Judged judged) {
  auto& state = states_[reading.point];
  if (judged.quality != Quality::Bad) convert(mappings_.points[reading.point].rule->conversion, judged);
  const bool has_value = judged.quality != Quality::Bad && !is_none(judged.value);
  if (has_value) state.value = std::move(judged.value);
  // A value that turns bad keeps the time at which it was true; before the first value, the time of the failure stands.
  if (has_value || is_none(state.value)) {
    state.at = reading.at;
    state.seen = reading.seen;
  }
  state.quality = judged.quality;
  state.failure = judged.failure;
}

bool Mapper::due(const drivers::Reading& reading) const {
  const auto& state = states_[reading.point];
  const auto& rule = mappings_.points[reading.point].rule->publish;
  if (!state.has_published || state.published_quality != state.quality || state.published_failure != state.failure)
    return true;
  if (rule.when == When::Poll) return true;
  const auto since = reading.seen - state.sent;
  if (rule.heartbeat.count() > 0 && since >= rule.heartbeat) return true;
  return state.quality != Quality::Bad && since >= rule.min_interval && changed(state.published, state.value, rule);
}

mqtt::PublicationPtr Mapper::publish(const drivers::Reading& reading) {
  const auto& mapping = mappings_.points[reading.point];
  auto& state = states_[reading.point];
  auto publication = std::make_shared<mqtt::Publication>();
  publication->topic = mapping.topic;
  auto& payload = publication->payload;
  fmt::format_to(std::back_inserter(payload), R"({{"ts":{},"v":)",
                 std::chrono::duration_cast<std::chrono::milliseconds>(state.at.time_since_epoch()).count());
  append_value(payload, *mapping.rule, state.value);
  fmt::format_to(std::back_inserter(payload), R"(,"q":"{}")", drivers::name(state.quality));
  if (state.failure != drivers::Failure::None) {
    fmt::format_to(std::back_inserter(payload), R"(,"err":"{}")", drivers::name(state.failure));
  }
  payload += '}';
  publication->qos = mapping.rule->publish.qos;
  publication->retain = mapping.rule->publish.retain;
  publication->published = reading.seen;

  state.sent = reading.seen;
  state.has_published = true;
  if (state.quality != Quality::Bad) state.published = copy(state.value);
  state.published_quality = state.quality;
  state.published_failure = state.failure;
  return publication;
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

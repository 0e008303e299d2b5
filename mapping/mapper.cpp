#include "mapping/mapper.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <tuple>
#include <utility>

#include "mapping/json.hpp"
#include "mapping/wirenboard.hpp"

namespace ferrule::mapping {

namespace {

using drivers::Quality;

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

Mapper::Mapper(BusMappings mappings, PublicationPool& pool, ClockCheck clock_is_set)
    : mappings_(std::move(mappings)),
      pool_(pool),
      states_(mappings_.points.size()),
      clock_is_set_(std::move(clock_is_set)) {
  for (const auto& [point, inputs] : mappings_.inputs) {
    const auto* rule = mappings_.points[point].rule;
    if (!expressions_.contains(rule)) {
      expressions_.emplace(rule, Expression::parse(rule->conversion.expression).value());
    }
  }
  for (drivers::PointIndex point = 0; point < mappings_.points.size(); ++point) {
    const auto count = mappings_.points[point].rule->alarms.size();
    if (count > 0) alarms_[point].resize(count);
  }
}

void Mapper::map(std::span<const drivers::Reading> readings, std::vector<mqtt::PublicationPtr>& publications) {
  const std::scoped_lock lock(mutex_);
  if (clock_is_set_ && !readings.empty() && clock_is_set_(readings.front().at)) clock_is_set_ = {};
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
  due_.clear();
  if (!mappings_.forms.empty()) {  // before they count as published
    for (const auto& reading : readings) due_.push_back(due(reading));
  }
  bool of_devices = false;
  for (const auto& reading : readings) {
    if (mappings_.points[reading.point].rule->publish.window.every.count() > 0) {
      gather(reading, publications);
    } else if (is_shared(format_of(reading))) {
      of_devices = true;
    } else if (due(reading)) {
      publish_point(reading, publications);
    }
  }
  if (of_devices) publish_devices(readings, publications);
  for (const auto& form : mappings_.forms) publish_form(form, readings, publications);
  if (alarms_.empty()) return;
  for (const auto& reading : readings) watch(reading, publications);
}

void Mapper::publish_point(const drivers::Reading& reading, std::vector<mqtt::PublicationPtr>& publications) {
  const auto& state = states_[reading.point];
  const bool is_bad = state.quality == Quality::Bad;
  const bool is_control = format_of(reading) == Format::WirenBoard;
  if (!is_control || !is_bad) {  // a control that cannot be read keeps its value
    auto publication = begin_publication(mappings_.points[reading.point], reading.seen);
    append_payload(publication->payload, sample(mappings_.points[reading.point], reading.point, reading.at));
    publications.push_back(std::move(publication));
  }
  if (is_control && (!state.has_published || is_bad != (state.published_quality == Quality::Bad))) {
    auto error = control_error(mappings_.points[reading.point], is_bad);
    error->published = reading.seen;
    publications.push_back(std::move(error));
  }
  published(reading.point, reading.seen);
}

/// Behind the values, so that who hears of an alarm has what it is about.
void Mapper::watch(const drivers::Reading& reading, std::vector<mqtt::PublicationPtr>& publications) {
  const auto found = alarms_.find(reading.point);
  const auto& state = states_[reading.point];
  if (found == alarms_.end() || state.quality == Quality::Bad || is_none(state.value)) return;
  const auto& rules = mappings_.points[reading.point].rule->alarms;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    if (found->second[i].update(rules[i], as_number(state.value), state.at, state.seen,
                                state.failure != drivers::Failure::ClockNotSet)) {
      publications.push_back(announce(reading.point, i, reading.seen));
    }
  }
}

mqtt::PublicationPtr Mapper::announce(drivers::PointIndex point, std::size_t alarm,
                                      std::chrono::steady_clock::time_point now) const {
  const auto& mapping = mappings_.points[point];
  const auto& rule = mapping.rule->alarms[alarm];
  auto publication = std::make_shared<mqtt::Publication>();
  publication->topic = alarm_topic(mapping, rule);
  append_alarm_payload(publication->payload, mapping, states_[point].value, rule, alarms_.at(point)[alarm]);
  publication->qos = mapping.rule->publish.qos;
  publication->retain = true;
  publication->published = now;
  return publication;
}

mqtt::PublicationPtr Mapper::acknowledge(drivers::PointIndex point, std::size_t alarm, std::string by,
                                         std::chrono::steady_clock::time_point now) {
  const std::scoped_lock lock(mutex_);
  if (!alarms_.at(point).at(alarm).acknowledge(std::move(by))) return nullptr;
  return announce(point, alarm, now);
}

/// One publication for the readings that share a topic, when any of them is due.
void Mapper::publish_devices(std::span<const drivers::Reading> readings,
                             std::vector<mqtt::PublicationPtr>& publications) {
  const auto topic = [&](const auto& reading) { return mappings_.points[reading.point].topic.data(); };
  for (auto first = readings.begin(); first != readings.end();) {
    if (!is_shared(format_of(*first))) {
      ++first;
      continue;
    }
    const auto end =
        std::find_if(first, readings.end(), [&](const auto& other) { return topic(other) != topic(*first); });
    if (std::any_of(first, end, [&](const auto& reading) { return due(reading); })) {
      take_samples({first, end});
      auto publication = begin_publication(mappings_.points[first->point], first->seen);
      append_device_payload(publication->payload, samples_);
      publications.push_back(std::move(publication));
      std::for_each(first, end, [&](const auto& reading) { published(reading.point, reading.seen); });
    }
    first = end;
  }
}

/// What is due of the points that a route carries, in its format: a message of each, or one of all that an answer has
/// of a device.
void Mapper::publish_form(const FormMappings& form, std::span<const drivers::Reading> readings,
                          std::vector<mqtt::PublicationPtr>& publications) {
  const PointMapping* mapping = nullptr;  // of the message under way
  bool is_due = false;
  samples_.clear();
  const auto end_message = [&](const drivers::Reading& last) {
    if (is_due) {
      auto publication = begin_publication(*mapping, last.seen);
      is_shared(mapping->rule->publish.format) ? append_device_payload(publication->payload, samples_)
                                               : append_payload(publication->payload, samples_.front());
      publications.push_back(std::move(publication));
    }
    is_due = false;
    samples_.clear();
  };
  for (std::size_t i = 0; i < readings.size(); ++i) {
    const auto found = form.find(readings[i].point);
    if (found == form.end()) continue;
    if (mapping != nullptr && mapping->topic.data() != found->second.topic.data()) end_message(readings[i]);
    mapping = &found->second;
    samples_.push_back(sample(*mapping, readings[i].point, readings[i].at));
    is_due = is_due || due_[i];
  }
  if (mapping != nullptr) end_message(readings.back());
}

/// Of one answer of a device what goes into its message: what is due of Sparkplug's metrics; else all of the answer,
/// and when the message is retained, all that was ever read of the device, for whoever comes later.
void Mapper::take_samples(std::span<const drivers::Reading> answer) {
  samples_.clear();
  const auto& points = mappings_.points;
  const auto& first = points[answer.front().point];
  const bool metrics = first.rule->publish.format == Format::Sparkplug;
  if (metrics || !first.rule->publish.retain) {
    for (const auto& reading : answer) {
      if (!metrics || due(reading))
        samples_.push_back(sample(mappings_.points[reading.point], reading.point, reading.at));
    }
    return;
  }
  auto point = answer.front().point;
  while (point > 0 && points[point - 1].device == first.device) --point;
  for (; point < points.size() && points[point].device == first.device; ++point) {
    const bool was_read = states_[point].seen != std::chrono::steady_clock::time_point{};
    if (was_read && points[point].topic.data() == first.topic.data()) {
      samples_.push_back(sample(points[point], point, answer.front().at));
    }
  }
}

/// The expression's result, which is no better than its inputs: Bad or Uncertain for the cause of the first that is.
Judged Mapper::calculate(const drivers::Reading& reading) const {
  if (reading.quality == Quality::Bad) return {{}, reading.quality, reading.failure};
  std::array<double, kMaxNames> values;
  std::size_t count = 0;
  Judged judged{{}, reading.quality, reading.failure};
  const auto& inputs = mappings_.inputs.find(reading.point)->second;
  for (const auto input : inputs) {
    if (input == reading.point) {
      values[count++] = as_number(keep(reading.value));
      continue;
    }
    const auto& state = states_[input];
    if (state.quality == Quality::Bad) return {{}, Quality::Bad, state.failure};
    if (is_none(state.value)) return {{}, Quality::Bad, drivers::Failure::Invalid};  // never read
    if (judged.quality == Quality::Good) {
      judged.quality = state.quality;
      judged.failure = state.failure;
    }
    values[count++] = as_number(state.value);
  }
  const double result =
      expressions_.find(mappings_.points[reading.point].rule)->second.evaluate({values.data(), count});
  if (!std::isfinite(result)) return {{}, Quality::Bad, drivers::Failure::Invalid};
  judged.value = result;
  return judged;
}

/// Takes the outcome of a reading into the point's state.
void Mapper::conclude(const drivers::Reading& reading, Judged judged) {
  auto& state = states_[reading.point];
  if (judged.quality != Quality::Bad) convert(mappings_.points[reading.point].rule->conversion, judged);
  if (judged.quality != Quality::Bad && clock_is_set_) {  // whatever else is to be said of it: its time is wrong
    judged.quality = Quality::Uncertain;
    judged.failure = drivers::Failure::ClockNotSet;
  }
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

/// Adds the point's state to its window, and publishes the one before when the reading lies behind it.
void Mapper::gather(const drivers::Reading& reading, std::vector<mqtt::PublicationPtr>& publications) {
  const auto& rule = *mappings_.points[reading.point].rule;
  const auto& state = states_[reading.point];
  auto& window = windows_[reading.point];
  if (window.is_open() && !window.holds(reading.at)) publish_window(reading.point, window, reading.seen, publications);
  if (!window.holds(reading.at)) window.open(rule.publish.window, reading.at);
  window.add(as_number(state.value), is_none(state.value) ? Quality::Bad : state.quality, state.failure, reading.at);
}

void Mapper::publish_window(drivers::PointIndex point, const Window& window, std::chrono::steady_clock::time_point now,
                            std::vector<mqtt::PublicationPtr>& publications) {
  const auto& rule = *mappings_.points[point].rule;
  auto publication = begin_publication(mappings_.points[point], now);
  window.append_json(publication->payload, rule.publish.window, rule.digits);
  if (!rule.unit.empty()) {
    publication->payload += R"(,"unit":)";
    append_json(publication->payload, rule.unit);
  }
  publication->payload += '}';
  publications.push_back(std::move(publication));
  published(point, now);
}

void Mapper::end_windows(std::chrono::steady_clock::time_point now, std::vector<mqtt::PublicationPtr>& publications) {
  const std::scoped_lock lock(mutex_);
  for (auto& [point, window] : windows_) {
    window.end_early();
    publish_window(point, window, now, publications);
  }
  windows_.clear();
}

Format Mapper::format_of(const drivers::Reading& reading) const {
  return mappings_.points[reading.point].rule->publish.format;
}

Sample Mapper::sample(const PointMapping& mapping, drivers::PointIndex point,
                      std::chrono::system_clock::time_point read) const {
  const auto& state = states_[point];
  return {mapping, state.value, state.quality, state.failure, state.at, read};
}

/// All but the payload.
std::shared_ptr<mqtt::Publication> Mapper::begin_publication(const PointMapping& mapping,
                                                             std::chrono::steady_clock::time_point now) {
  auto publication = pool_.take();
  publication->topic = mapping.topic;
  publication->qos = mapping.rule->publish.qos;
  publication->retain = mapping.rule->publish.retain;
  publication->published = now;
  return publication;
}

void Mapper::published(drivers::PointIndex point, std::chrono::steady_clock::time_point now) {
  auto& state = states_[point];
  state.sent = now;
  state.has_published = true;
  if (state.quality != Quality::Bad) state.published = copy(state.value);
  state.published_quality = state.quality;
  state.published_failure = state.failure;
}

drivers::Reading Mapper::current(drivers::PointIndex point) const {
  const std::scoped_lock lock(mutex_);
  const auto& state = states_[point];
  drivers::Reading reading{point, state.quality, state.failure, false, state.at, state.seen};
  if (is_none(state.value)) {
    reading.quality = Quality::Bad;
    if (reading.failure == drivers::Failure::None) reading.failure = drivers::Failure::Timeout;
  } else {
    reading.value = value_of(state.value);
  }
  return reading;
}

std::optional<drivers::Value> Mapper::shown(drivers::PointIndex point, const drivers::Value& value) const {
  const std::scoped_lock lock(mutex_);
  const auto& conversion = mappings_.points[point].rule->conversion;
  Judged judged{keep(value)};
  if (!conversion.expression.empty()) judged = calculate({point, Quality::Good, drivers::Failure::None, value, {}, {}});
  if (judged.quality == Quality::Bad || is_none(judged.value)) return std::nullopt;
  convert(conversion, judged);
  return value_of(judged.value);
}

std::vector<PointStatus> Mapper::snapshot() const {
  const std::scoped_lock lock(mutex_);
  std::vector<PointStatus> points;
  points.reserve(states_.size());
  for (std::size_t i = 0; i < states_.size(); ++i) {
    const auto& [mapping, state] = std::tie(mappings_.points[i], states_[i]);
    auto& status = points.emplace_back(PointStatus{
        *mapping.device, mapping.rule->point, mapping.rule->unit, {}, state.quality, state.failure, state.seen});
    append_text(status.value, mapping, state.value);
  }
  return points;
}

std::vector<AlarmStatus> Mapper::alarms() const {
  const std::scoped_lock lock(mutex_);
  std::vector<AlarmStatus> found;
  for (const auto& [point, alarms] : alarms_) {
    const auto& mapping = mappings_.points[point];
    for (std::size_t i = 0; i < alarms.size(); ++i) {
      if (!alarms[i].active() && alarms[i].acknowledged()) continue;
      auto& status = found.emplace_back(AlarmStatus{*mapping.device,
                                                    mapping.rule->point,
                                                    &mapping.rule->alarms[i],
                                                    {},
                                                    alarms[i].active(),
                                                    alarms[i].acknowledged(),
                                                    alarms[i].since()});
      append_text(status.value, mapping, states_[point].value);
      if (!mapping.rule->unit.empty()) status.value += ' ' + mapping.rule->unit;
    }
  }
  return found;
}

std::vector<std::string> Mapper::retained_topics() const {
  std::vector<std::string> topics;
  for (const auto& point : mappings_.points) {
    if (point.rule->publish.retain) topics.emplace_back(point.topic);
    if (point.rule->publish.format == Format::WirenBoard) topics.push_back(control_error(point, false)->topic);
    for (const auto& alarm : point.rule->alarms) topics.push_back(alarm_topic(point, alarm));
  }
  return topics;
}

}  // namespace ferrule::mapping

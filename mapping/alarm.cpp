#include "mapping/alarm.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace ferrule::mapping {

namespace {

using config::Choice;
using drivers::Type;

constexpr std::array kPriorities{Choice<Priority>{"low", Priority::Low}, Choice<Priority>{"medium", Priority::Medium},
                                 Choice<Priority>{"high", Priority::High},
                                 Choice<Priority>{"critical", Priority::Critical}};
constexpr std::array<std::pair<std::string_view, AlarmRule::Is>, 3> kConditions{
    {{"above", AlarmRule::Is::Above}, {"below", AlarmRule::Is::Below}, {"is", AlarmRule::Is::Equal}}};

/// The value of `is`: true or false, a word of the enum, or a number.
double read_state(const config::Node& node, const drivers::PointSettings& point, const Conversion& conversion) {
  if (!conversion.words.empty()) {
    const auto text = node.text();
    for (const auto& [code, word] : conversion.words) {
      if (word == text) return static_cast<double>(code);
    }
    std::vector<std::string> words;
    for (const auto& [code, word] : conversion.words) words.push_back(word);
    node.mistake(fmt::format("must be a word of the enum, is \"{}\"", text), fmt::format("{}", fmt::join(words, ", ")));
    return 0;
  }
  if (point.type == Type::Bool && conversion.expression.empty()) return node.boolean(true) ? 1 : 0;
  return node.number(0);
}

AlarmRule read_alarm(std::string name, const drivers::Layers& layers, const drivers::PointSettings& point,
                     const Conversion& conversion) {
  AlarmRule rule;
  rule.name = std::move(name);
  std::size_t conditions = 0;
  // What the point itself says of the limit hides all that its template says of it.
  const bool own = std::ranges::any_of(kConditions, [&](const auto& one) { return layers.own[one.first].present(); });
  for (const auto& [word, is] : kConditions) {
    const auto limit = own ? layers.own[word] : layers[word];
    if (own) layers.base[word].ignore();
    if (!limit.present()) continue;
    ++conditions;
    rule.is = is;
    rule.limit = is == AlarmRule::Is::Equal ? read_state(limit, point, conversion) : limit.number(0);
  }
  const auto& node = layers.own.present() ? layers.own : layers.base;
  if (conditions != 1) node.mistake("needs one of above, below and is", "e.g. {above: 90, hysteresis: 2, delay: 10s}");
  const auto hysteresis = layers["hysteresis"];
  rule.hysteresis = hysteresis.number(0, 0);
  if (hysteresis.present() && rule.is == AlarmRule::Is::Equal) {
    hysteresis.mistake("belongs to above and below", "remove it");
  }
  rule.delay = layers["delay"].duration(rule.delay, {}, std::chrono::hours{24});
  rule.priority = layers["priority"].one_of(rule.priority, kPriorities);
  rule.text = layers["text"].text();
  return rule;
}

}  // namespace

std::vector<AlarmRule> read_alarms(const drivers::Layers& layers, const drivers::PointSettings& point,
                                   const Conversion& conversion) {
  const auto own = layers.own["alarms"];
  const auto base = layers.base["alarms"];
  if (!own.present() && !base.present()) return {};
  if (point.type == Type::String) {
    (own.present() ? own : base).mistake("an alarm watches a number or a state, and this is text");
  }
  std::vector<AlarmRule> rules;
  for (const auto& [name, node] : own.entries()) {
    rules.push_back(read_alarm(name, {node, base[name]}, point, conversion));
  }
  for (const auto& [name, node] : base.entries()) {
    if (own.present() && own[name].present()) continue;
    rules.push_back(read_alarm(name, {{}, node}, point, conversion));
  }
  return rules;
}

std::string_view name(Priority priority) { return kPriorities[static_cast<std::size_t>(priority)].word; }

bool Alarm::update(const AlarmRule& rule, double value, Time at, Tick seen, bool clock_is_set) {
  const double slack = active_ ? rule.hysteresis : 0;
  const bool beyond = rule.is == AlarmRule::Is::Above   ? value > rule.limit - slack
                      : rule.is == AlarmRule::Is::Below ? value < rule.limit + slack
                                                        : value == rule.limit;
  if (!beyond || active_) {
    beyond_since_ = {};
  } else if (beyond_since_ == Tick{}) {
    beyond_since_ = seen;
  }
  const bool active = beyond && (active_ || seen - beyond_since_ >= rule.delay);
  if (std::exchange(known_, true) && active == active_) return false;
  if (active) {
    acknowledged_ = false;
    by_.clear();
  }
  active_ = active;
  since_ = at;
  since_is_right_ = clock_is_set;
  return true;
}

bool Alarm::acknowledge(std::string by) {
  if (acknowledged_) return false;
  acknowledged_ = true;
  by_ = std::move(by);
  return true;
}

}  // namespace ferrule::mapping

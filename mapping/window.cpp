#include "mapping/window.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>

#include "mapping/json.hpp"

namespace ferrule::mapping {

namespace {

using config::Choice;
using drivers::Failure;
using drivers::Quality;
using std::chrono::milliseconds;

constexpr std::array kAggregates{Choice<Aggregate>{"min", Aggregate::Min}, Choice<Aggregate>{"max", Aggregate::Max},
                                 Choice<Aggregate>{"mean", Aggregate::Mean}, Choice<Aggregate>{"last", Aggregate::Last},
                                 Choice<Aggregate>{"count", Aggregate::Count}};

std::int64_t since_epoch(Window::Time time) {
  return std::chrono::duration_cast<milliseconds>(time.time_since_epoch()).count();
}

}  // namespace

WindowRule read_window(const config::Node& node, const WindowRule& defaults) {
  if (!node.present()) return defaults;
  WindowRule rule;
  const auto every = node["every"];
  if (!every.present() && node.is_map()) every.required_text();
  rule.every = every.duration(std::chrono::minutes{1}, std::chrono::seconds{1}, std::chrono::hours{24});
  const auto values = node["values"];
  if (!values.present()) return rule;
  rule.values.clear();
  for (const auto& item : values.items()) rule.values.push_back(item.one_of(Aggregate::Last, kAggregates));
  if (values.is_list() && rule.values.empty()) values.mistake("needs at least one of min, max, mean, last, count");
  return rule;
}

void Window::open(const WindowRule& rule, Time at) {
  *this = {};
  const auto since = at.time_since_epoch();
  const auto into = since % rule.every;
  begin_ = at - into - (into.count() < 0 ? rule.every : milliseconds{0});
  end_ = begin_ + rule.every;
}

void Window::add(double value, Quality quality, Failure failure, Time at) {
  at_ = at;
  if (quality != Quality::Good) {
    ++doubtful_;
    failure_ = failure;
  }
  if (quality == Quality::Bad) return;
  min_ = count_ == 0 ? value : std::min(min_, value);
  max_ = count_ == 0 ? value : std::max(max_, value);
  sum_ += value;
  last_ = value;
  ++count_;
}

void Window::append_json(std::string& out, const WindowRule& rule, int digits) const {
  fmt::format_to(std::back_inserter(out), R"({{"ts":{},"from":{})", since_epoch(end_), since_epoch(begin_));
  for (const auto aggregate : rule.values) {
    fmt::format_to(std::back_inserter(out), R"(,"{}":)", kAggregates[static_cast<std::size_t>(aggregate)].word);
    const double numbers[]{min_, max_, sum_ / static_cast<double>(count_), last_};
    if (aggregate == Aggregate::Count) {
      fmt::format_to(std::back_inserter(out), "{}", count_);
    } else if (count_ == 0) {
      out += "null";
    } else {
      // A mean has digits that its values lack.
      const int of_kind = aggregate == Aggregate::Mean ? (digits == 9 || digits == 7 ? 7 : 15) : digits;
      mapping::append_json(out, numbers[static_cast<std::size_t>(aggregate)], of_kind);
    }
  }
  const auto quality = doubtful_ == 0 ? Quality::Good : count_ == 0 ? Quality::Bad : Quality::Uncertain;
  fmt::format_to(std::back_inserter(out), R"(,"q":"{}")", drivers::name(quality));
  if (failure_ != Failure::None) fmt::format_to(std::back_inserter(out), R"(,"err":"{}")", drivers::name(failure_));
}

}  // namespace ferrule::mapping

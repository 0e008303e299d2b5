// Alarms: limits that somebody wants to hear of when a point leaves them.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "drivers/settings.hpp"
#include "drivers/settings_layers.hpp"
#include "mapping/conversion.hpp"

namespace ferrule::mapping {

/// ISA-18.2's.
enum class Priority : std::uint8_t { Low, Medium, High, Critical };

/// `alarms: {hot: {above: 90, hysteresis: 2, delay: 10s}}`
struct AlarmRule {
  enum class Is : std::uint8_t { Above, Below, Equal };

  std::string name;
  Is is = Is::Above;
  double limit = 0;                    ///< of a bool 0 or 1, of an enum its code
  double hysteresis = 0;               ///< how far beyond the limit, on the right side, the value must come back
  std::chrono::milliseconds delay{0};  ///< for which the value must lie beyond the limit, from reading to reading
  Priority priority = Priority::Medium;
  std::string text;  ///< for people

  auto operator<=>(const AlarmRule&) const = default;
};

/// The `alarms` of a point; a name's keys override those of the template. Mistakes go to the document.
std::vector<AlarmRule> read_alarms(const drivers::Layers& layers, const drivers::PointSettings& point,
                                   const Conversion& conversion);

std::string_view name(Priority priority);  ///< "critical"

/// One alarm of one point. It says nothing before the point's first value, and stays as it is while there is none.
class Alarm {
 public:
  using Time = std::chrono::system_clock::time_point;
  using Tick = std::chrono::steady_clock::time_point;

  /// Takes a value that was read then; whether there is news. `clock_is_set`: `at` is right.
  bool update(const AlarmRule& rule, double value, Time at, Tick seen, bool clock_is_set);
  /// Somebody has taken notice; whether there was something to take notice of.
  bool acknowledge(std::string by);

  bool active() const { return active_; }
  bool acknowledged() const { return acknowledged_; }
  Time since() const { return since_; }  ///< when it became active, or normal
  bool since_is_right() const { return since_is_right_; }
  const std::string& by() const { return by_; }  ///< who acknowledged it; empty: nobody

 private:
  bool known_ = false;  // false: before the first value
  bool active_ = false;
  bool acknowledged_ = true;
  Tick beyond_since_{};  // set: the delay runs
  Time since_{};
  bool since_is_right_ = true;
  std::string by_;
};

}  // namespace ferrule::mapping

// Values gathered over a time, for links that cannot carry each of them.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "config/node.hpp"
#include "drivers/reading.hpp"
#include "mapping/conversion.hpp"

namespace ferrule::mapping {

enum class Aggregate : std::uint8_t { Min, Max, Mean, Last, Count };

/// `window: {every: 1m, values: [mean, max]}`
struct WindowRule {
  std::chrono::milliseconds every{0};  ///< from one multiple of it to the next, in UTC; 0: no window
  std::vector<Aggregate> values{Aggregate::Min, Aggregate::Max, Aggregate::Mean, Aggregate::Last, Aggregate::Count};

  auto operator<=>(const WindowRule&) const = default;
};

/// Reads a `window` over `defaults`. Mistakes go to the document.
WindowRule read_window(const config::Node& node, const WindowRule& defaults);

/// One point's window under way. It ends with the first reading behind it, so that a device that is silent is not made
/// to say something.
class Window {
 public:
  using Time = std::chrono::system_clock::time_point;

  bool is_open() const { return end_ > begin_; }
  bool holds(Time at) const { return begin_ <= at && at < end_; }
  void open(const WindowRule& rule, Time at);  ///< empty, around `at`
  /// A reading at that time, which it holds; `value` counts unless it is Bad.
  void add(double value, drivers::Quality quality, drivers::Failure failure, Time at);
  void end_early() { end_ = at_; }  ///< with its last reading
  /// `{"ts":END,"from":BEGIN,"min":1,"max":3,"mean":2,"last":3,"count":3,"q":"good"` without the brace behind it. Good
  /// when every reading was, Bad when none had a value; numbers with that many significant digits.
  void append_json(std::string& out, const WindowRule& rule, int digits) const;

 private:
  Time begin_;
  Time end_;
  Time at_;  // of the last reading
  double min_ = 0;
  double max_ = 0;
  double sum_ = 0;
  double last_ = 0;
  std::uint64_t count_ = 0;                            // readings with a value
  std::uint64_t doubtful_ = 0;                         // readings that were not Good
  drivers::Failure failure_ = drivers::Failure::None;  // of the last of these
};

}  // namespace ferrule::mapping

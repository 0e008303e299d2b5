// When a device and its points were last heard.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <vector>

#include "drivers/stop_signal.hpp"

namespace ferrule::drivers {

/// Pure logic on the `now` that it is given.
class Freshness {
 public:
  /// A point that is good for `stale_after` without being heard again; 0: for ever.
  void add(std::chrono::milliseconds stale_after) {
    points_.push_back({stale_after, {}, false});
    longest_ = std::max(longest_, stale_after);
    if (stale_after.count() == 0) forever_ = true;
  }

  /// The port is open: what has not been heard yet has time from now on.
  void opened(TimePoint now) {
    opened_ = heard_ = now;
    for (auto& point : points_) {
      point.heard = now;
      point.stale = false;
    }
  }
  void heard(std::size_t point, TimePoint now) {
    heard_ = points_[point].heard = now;
    points_[point].stale = false;
  }

  /// Whether nothing has been heard for as long as any value is good for.
  bool is_silent(TimePoint now) const { return !forever_ && now - heard_ >= longest_; }
  std::chrono::milliseconds longest() const { return longest_; }

  /// Calls `tell` with each point that has become stale since the last call. Of a device that has said nothing at all
  /// there is nothing to be stale.
  template <class Tell>
  void tell_stale(TimePoint now, Tell tell) {
    if (heard_ == opened_) return;
    for (std::size_t i = 0; i < points_.size(); ++i) {
      auto& point = points_[i];
      if (point.stale || point.after.count() == 0 || now - point.heard < point.after) continue;
      point.stale = true;
      tell(i);
    }
  }

 private:
  struct Point {
    std::chrono::milliseconds after;
    TimePoint heard;
    bool stale;
  };
  std::vector<Point> points_;
  std::chrono::milliseconds longest_{0};
  bool forever_ = false;  // a point never becomes stale, and so its device never silent
  TimePoint opened_{};
  TimePoint heard_{};
};

}  // namespace ferrule::drivers

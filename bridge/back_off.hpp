// How long to wait before the next attempt: twice as long each time.
#pragma once

#include <algorithm>
#include <chrono>
#include <random>
#include <utility>

namespace ferrule::bridge {

class BackOff {
 public:
  using Time = std::chrono::milliseconds;
  explicit BackOff(std::pair<Time, Time> range) : range_(range), next_(range.first) {}

  /// Between half and all of the wait, so that a fleet does not return in one wave.
  Time jittered() {
    const auto time = take();
    return Time(std::uniform_int_distribution<Time::rep>(time.count() / 2, time.count())(random_));
  }
  Time take() { return std::exchange(next_, std::min(next_ * 2, range_.second)); }
  void reset() { next_ = range_.first; }

 private:
  const std::pair<Time, Time> range_;
  Time next_;
  std::minstd_rand random_{std::random_device{}()};
};

}  // namespace ferrule::bridge

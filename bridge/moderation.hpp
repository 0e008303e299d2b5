// A cloud that hung up because it got too much gets half as much for a while.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "bridge/rate.hpp"

namespace ferrule::bridge {

class Moderation {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr auto kPause = std::chrono::seconds(2);  ///< before it is connected to again

  void connected(Time now) {
    began_ = now;
    sent_ = 0;
    too_much_ = false;
  }
  void sent() {
    ++sent_;
    rate_.take(1);
  }
  /// DISCONNECT 0x93: with so many in flight.
  void too_many(std::size_t window, Time now) {
    window_ = std::max<std::size_t>(window / 2, 1);
    remember(now);
  }
  /// DISCONNECT 0x96, 0x97.
  void too_fast(Time now) {
    const auto seconds = std::max(std::chrono::duration<double>(now - began_).count(), 1.0);
    rate_ = Rate(std::max(static_cast<double>(sent_) / seconds / 2, 1.0));
    remember(now);
  }
  /// Whether this connection ends for it.
  bool too_much() const { return too_much_; }

  bool allows(Time now) {
    if (now >= until_) {
      window_ = kWide;
      rate_ = Rate(0);
      until_ = Time::max();
    }
    return rate_.allows(1, now);
  }
  std::size_t window() const { return window_; }  ///< messages in flight at most

 private:
  static constexpr auto kWhile = std::chrono::minutes(10);
  static constexpr std::size_t kWide = 65'536;

  void remember(Time now) {
    too_much_ = true;
    until_ = now + kWhile;
  }

  Time began_{};
  std::uint64_t sent_ = 0;
  bool too_much_ = false;
  std::size_t window_ = kWide;
  Rate rate_{0};
  Time until_ = Time::max();
};

}  // namespace ferrule::bridge

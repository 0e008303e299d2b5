// What to do with a message that the cloud does not take now.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>

#include "bridge/back_off.hpp"
#include "bridge/link.hpp"

namespace ferrule::bridge {

class Patience {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// The cloud took a message.
  void accepted(Seq seq) {
    refused_.erase(seq);
    pauses_.reset();
  }
  /// It refused one without saying why. False: that was often enough.
  bool try_again(Seq seq) {
    if (refused_.size() >= kMost) refused_.clear();
    if (++refused_[seq] < kMaxAttempts) return true;
    refused_.erase(seq);
    return false;
  }
  /// All wait for a while. How long, unless they wait already.
  std::optional<std::chrono::milliseconds> pause(Time now) {
    if (waits(now)) return {};
    const auto time = pauses_.take();
    until_ = now + time;
    return time;
  }
  bool waits(Time now) const { return now < until_; }

 private:
  static constexpr int kMaxAttempts = 5;
  static constexpr std::size_t kMost = 1'000;
  BackOff pauses_{{std::chrono::seconds(1), std::chrono::seconds(60)}};  // after Quota exceeded, Server busy
  std::map<Seq, int> refused_;                                           // how often
  Time until_{};
};

}  // namespace ferrule::bridge

// How many messages a cloud takes per second.
#pragma once

#include <algorithm>
#include <chrono>

namespace ferrule::bridge {

/// At most `per_second` in every second from the first on, one second's worth at once. 0: no limit.
class Rate {
 public:
  using Time = std::chrono::steady_clock::time_point;
  explicit Rate(int per_second) : per_second_(per_second), left_(per_second) {}

  /// False when it has to wait.
  bool take(Time now) {
    if (per_second_ == 0) return true;
    const auto passed = std::chrono::duration<double>(now - at_).count();
    left_ = std::min<double>(per_second_, left_ + passed * per_second_);
    at_ = now;
    if (left_ < 1) return false;
    --left_;
    return true;
  }

 private:
  const int per_second_;
  double left_;
  Time at_{};
};

}  // namespace ferrule::bridge

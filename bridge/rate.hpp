// How many messages, or bytes, a cloud takes per second.
#pragma once

#include <algorithm>
#include <chrono>

namespace ferrule::bridge {

/// At most `per_second` in every second from the first on, one second's worth at once. 0: no limit.
class Rate {
 public:
  using Time = std::chrono::steady_clock::time_point;
  explicit Rate(double per_second) : per_second_(per_second), left_(per_second) {}

  /// False when `amount` has to wait. What is more than a second's worth waits for that, and then for as long as it
  /// takes.
  bool allows(double amount, Time now) {
    if (per_second_ == 0) return true;
    const auto passed = std::chrono::duration<double>(now - at_).count();
    left_ = std::min(per_second_, left_ + passed * per_second_);
    at_ = now;
    return left_ >= std::min(amount, per_second_);
  }
  void take(double amount) { left_ -= amount; }

 private:
  double per_second_;
  double left_;
  Time at_{};
};

}  // namespace ferrule::bridge

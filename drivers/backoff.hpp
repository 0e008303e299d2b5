// Growing, jittered waits between attempts at something that keeps failing.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>
#include <utility>

namespace ferrule::drivers {

/// Waits from the lower bound, doubling to the upper one, each stretched by up to a quarter but never beyond the upper
/// one, so that what failed together does not come back together.
class Backoff {
 public:
  using Bounds = std::pair<std::chrono::milliseconds, std::chrono::milliseconds>;

  explicit Backoff(Bounds bounds) : bounds_(bounds), base_(std::max(bounds.first, std::chrono::milliseconds(1))) {}

  void reset() { base_ = std::max(bounds_.first, std::chrono::milliseconds(1)); }

  std::chrono::milliseconds next(std::minstd_rand& random) {
    const auto base = base_;
    base_ = std::min(base_ * 2, bounds_.second);
    // At the upper bound the spread goes downwards.
    const auto low = std::min(base, bounds_.second - bounds_.second / 4);
    const auto high = std::min(base + base / 4, bounds_.second);
    std::uniform_int_distribution<std::int64_t> spread(std::max(low, bounds_.first).count(),
                                                       std::max(high, bounds_.first).count());
    return std::chrono::milliseconds(spread(random));
  }

 private:
  Bounds bounds_;
  std::chrono::milliseconds base_;
};

}  // namespace ferrule::drivers

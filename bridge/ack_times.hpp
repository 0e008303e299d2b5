// How long the cloud took to acknowledge what it was sent: a histogram.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>

namespace ferrule::bridge {

struct AckTimes {
  static constexpr std::array<std::chrono::milliseconds, 10> kBounds{
      std::chrono::milliseconds(5),    std::chrono::milliseconds(10),   std::chrono::milliseconds(25),
      std::chrono::milliseconds(50),   std::chrono::milliseconds(100),  std::chrono::milliseconds(250),
      std::chrono::milliseconds(500),  std::chrono::milliseconds(1000), std::chrono::milliseconds(5000),
      std::chrono::milliseconds(30000)};

  std::array<std::uint64_t, kBounds.size() + 1> counts{};  ///< up to each bound, above the one before; then the rest
  std::chrono::nanoseconds sum{0};

  void add(std::chrono::nanoseconds time) {
    ++counts[static_cast<std::size_t>(std::ranges::lower_bound(kBounds, time) - kBounds.begin())];
    sum += time;
  }
};

}  // namespace ferrule::bridge

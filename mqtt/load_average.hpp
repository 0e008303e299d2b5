// How much of something there was per minute, averaged over the last 1, 5 and 15 minutes, as mosquitto does it.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace ferrule::mqtt {

/// Exponential averages of a counter's growth: after each interval, average = rate + exp(-interval / period) *
/// (average - rate), rate being the growth per minute.
class LoadAverage {
 public:
  static constexpr std::array<std::chrono::minutes, 3> kPeriods{std::chrono::minutes(1), std::chrono::minutes(5),
                                                                std::chrono::minutes(15)};

  /// The counter stands at `count` now, `interval` > 0 after the last call.
  void update(std::uint64_t count, std::chrono::duration<double> interval);
  double average(std::size_t period) const { return averages_[period]; }  ///< per minute

 private:
  std::uint64_t last_ = 0;
  std::array<double, kPeriods.size()> averages_{};
};

}  // namespace ferrule::mqtt

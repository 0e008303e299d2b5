#include "mqtt/load_average.hpp"

#include <cmath>
#include <utility>

namespace ferrule::mqtt {

void LoadAverage::update(std::uint64_t count, std::chrono::duration<double> interval) {
  const std::chrono::duration<double> minute = std::chrono::minutes(1);
  const double rate = static_cast<double>(count - std::exchange(last_, count)) * (minute / interval);
  for (std::size_t i = 0; i < kPeriods.size(); ++i) {
    const double exponent = std::exp(-(interval / std::chrono::duration<double>(kPeriods[i])));
    averages_[i] = rate + exponent * (averages_[i] - rate);
  }
}

}  // namespace ferrule::mqtt

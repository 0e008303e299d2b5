// Whether a count is to be believed: one that went back or leapt is so only when a second read says the same.
#pragma once

#include <cmath>
#include <optional>

#include "drivers/settings.hpp"

namespace ferrule::drivers::modbus {

/// Follows one counter, in raw values (NaN: the registers hold no number, which says nothing about the count). Each
/// poll is a `propose` and, with the same or a second reading, a `decide`.
class CounterGuard {
 public:
  explicit CounterGuard(const CounterSettings& settings) : settings_(settings) {}

  /// A first reading. False when it has to be read again.
  bool propose(double raw) {
    proposed_ = raw;
    return std::isnan(raw) || !last_ || plausible(*last_, raw);
  }

  /// The reading that counts: trusted when it goes on from the last count, or from the proposed one.
  void decide(double raw) {
    trusted_ = std::isnan(raw) || !last_ || plausible(*last_, raw) || plausible(proposed_, raw);
    if (trusted_ && !std::isnan(raw)) last_ = raw;
  }

  bool trusted() const { return trusted_; }

 private:
  bool plausible(double from, double to) const {
    double step = to - from;
    if (step < 0 && settings_.max > 0) step += settings_.max + 1;  // it began again at 0
    return step >= 0 && (settings_.max_step == 0 || step <= settings_.max_step);
  }

  const CounterSettings settings_;
  std::optional<double> last_;
  double proposed_ = 0;
  bool trusted_ = true;
};

}  // namespace ferrule::drivers::modbus

// Which of many equal failures deserve a log line.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "drivers/reading.hpp"

namespace ferrule::drivers {

/// The first failure of a device by each cause is told at once, its repeats once a minute with their number.
class FailureLog {
 public:
  static constexpr std::chrono::seconds kPeriod{60};

  explicit FailureLog(std::size_t devices) : devices_(devices) {}

  /// A failure at `now`. The number of equal ones that were kept back since the last line; nothing when this one is
  /// kept back.
  std::optional<std::uint64_t> add(std::uint32_t device, Failure cause, std::chrono::steady_clock::time_point now) {
    auto& repeats = devices_[device][static_cast<std::size_t>(cause)];
    if (repeats.told && now - *repeats.told < kPeriod) {
      ++repeats.kept_back;
      return std::nullopt;
    }
    repeats.told = now;
    return std::exchange(repeats.kept_back, 0);
  }

 private:
  struct Repeats {
    std::optional<std::chrono::steady_clock::time_point> told;
    std::uint64_t kept_back = 0;
  };
  std::vector<std::array<Repeats, kFailures>> devices_;
};

}  // namespace ferrule::drivers

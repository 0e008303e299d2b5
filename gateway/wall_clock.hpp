// Whether the time of day can be believed: many gateways have no battery, and begin in 1970.
#pragma once

#include <chrono>
#include <cstdint>

namespace ferrule::gateway {

enum class ClockTrust : std::uint8_t {
  Plausible,     ///< any time from 2025 on
  Synchronized,  ///< and only when the kernel says that it is kept right (NTP, PTP)
};

/// Any thread.
bool clock_is_set(ClockTrust trust, std::chrono::system_clock::time_point now);

}  // namespace ferrule::gateway

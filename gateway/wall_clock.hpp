// Whether the time of day can be believed: many gateways have no battery, and begin in 1970.
#pragma once

#include <chrono>
#include <cstdint>

namespace ferrule::gateway {

enum class ClockTrust : std::uint8_t {
  Plausible,     ///< any time from 2025 on
  Synchronized,  ///< and only when the kernel says that it is kept right (NTP, PTP)
};

/// What adjtimex(2) says of the kernel's clock: TIME_ERROR while nothing keeps it right. Any thread.
int kernel_clock_state();

/// Any thread. `kernel` is asked for ClockTrust::Synchronized.
bool clock_is_set(ClockTrust trust, std::chrono::system_clock::time_point now, int (*kernel)() = kernel_clock_state);

}  // namespace ferrule::gateway

#include "gateway/wall_clock.hpp"

#include <sys/timex.h>

namespace ferrule::gateway {

int kernel_clock_state() {
  timex state{};
  return ::adjtimex(&state);
}

bool clock_is_set(ClockTrust trust, std::chrono::system_clock::time_point now, int (*kernel)()) {
  using namespace std::chrono;
  constexpr auto kNoEarlier = sys_days{2025y / January / 1};
  if (now < kNoEarlier) return false;
  return trust == ClockTrust::Plausible || kernel() != TIME_ERROR;
}

}  // namespace ferrule::gateway

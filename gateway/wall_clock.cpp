#include "gateway/wall_clock.hpp"

#include <sys/timex.h>

namespace ferrule::gateway {

bool clock_is_set(ClockTrust trust, std::chrono::system_clock::time_point now) {
  using namespace std::chrono;
  constexpr auto kNoEarlier = sys_days{2025y / January / 1};
  if (now < kNoEarlier) return false;
  if (trust == ClockTrust::Plausible) return true;
  timex state{};
  return ::adjtimex(&state) != TIME_ERROR;  // adjtimex(2): the clock is not synchronized
}

}  // namespace ferrule::gateway

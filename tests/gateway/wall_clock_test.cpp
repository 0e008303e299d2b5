#include "gateway/wall_clock.hpp"

#include <gtest/gtest.h>
#include <sys/timex.h>

namespace ferrule::gateway {
namespace {

using namespace std::chrono;
using namespace std::chrono_literals;

TEST(WallClock, IsNotSetBeforeTheYearInWhichItWasMade) {
  EXPECT_FALSE(clock_is_set(ClockTrust::Plausible, sys_days{1970y / January / 1}));
  EXPECT_FALSE(clock_is_set(ClockTrust::Plausible, sys_days{2025y / January / 1} - 1ms));
  EXPECT_TRUE(clock_is_set(ClockTrust::Plausible, sys_days{2025y / January / 1}));
}

TEST(WallClock, MayHaveToBeKeptRightByTheKernelToo) {
  const auto synchronized = [] { return TIME_OK; };
  const auto never = [] { return TIME_ERROR; };
  constexpr auto kNow = sys_days{2025y / January / 1};
  EXPECT_TRUE(clock_is_set(ClockTrust::Synchronized, kNow, synchronized));
  EXPECT_FALSE(clock_is_set(ClockTrust::Synchronized, kNow, never));
  EXPECT_FALSE(clock_is_set(ClockTrust::Synchronized, kNow - 1ms, synchronized)) << "right, and still 1970";
  EXPECT_TRUE(clock_is_set(ClockTrust::Plausible, kNow, never)) << "nobody asks";
  EXPECT_NE(kernel_clock_state(), -1) << "which any user may ask";
}

}  // namespace
}  // namespace ferrule::gateway

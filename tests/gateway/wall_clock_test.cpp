#include "gateway/wall_clock.hpp"

#include <gtest/gtest.h>

namespace ferrule::gateway {
namespace {

using namespace std::chrono;
using namespace std::chrono_literals;

TEST(WallClock, IsNotSetBeforeTheYearInWhichItWasMade) {
  EXPECT_FALSE(clock_is_set(ClockTrust::Plausible, sys_days{1970y / January / 1}));
  EXPECT_FALSE(clock_is_set(ClockTrust::Plausible, sys_days{2025y / January / 1} - 1ms));
  EXPECT_TRUE(clock_is_set(ClockTrust::Plausible, sys_days{2025y / January / 1}));
  EXPECT_FALSE(clock_is_set(ClockTrust::Synchronized, sys_days{1970y / January / 1}));
}

}  // namespace
}  // namespace ferrule::gateway

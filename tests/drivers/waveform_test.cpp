#include "drivers/modbus/waveform.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

namespace ferrule::drivers::modbus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Signal, StaysAtItsConstant) {
  Signal signal({Shape::Constant, 7, 9}, 1);
  EXPECT_EQ(signal.at(seconds{0}), 7);
  EXPECT_EQ(signal.at(seconds{1000}), 7);
}

TEST(Signal, CountsUpWithoutEnd) {
  Signal signal({Shape::Counter, 100, 110, seconds{10}, seconds{1}}, 1);
  EXPECT_DOUBLE_EQ(signal.at(seconds{0}), 100);
  EXPECT_DOUBLE_EQ(signal.at(seconds{5}), 105);
  EXPECT_DOUBLE_EQ(signal.at(seconds{10}), 110);
  EXPECT_DOUBLE_EQ(signal.at(seconds{100}), 200);
}

TEST(Signal, StandsStillBetweenTicks) {
  Signal signal({Shape::Counter, 0, 10, seconds{10}, seconds{1}}, 1);
  EXPECT_EQ(signal.at(milliseconds{1000}), signal.at(milliseconds{1999}));
  EXPECT_LT(signal.at(milliseconds{1999}), signal.at(milliseconds{2000}));
}

TEST(Signal, RampsUpOnceAPeriod) {
  Signal signal({Shape::Ramp, 0, 100, seconds{100}, seconds{1}}, 5);
  int falls = 0;
  double last = signal.at(seconds{0});
  for (int second = 1; second <= 300; ++second) {
    const double value = signal.at(seconds{second});
    EXPECT_GE(value, 0);
    EXPECT_LT(value, 100);
    if (value < last) ++falls;
    last = value;
  }
  EXPECT_EQ(falls, 3);
}

// The lowest and highest of 5000 ticks of 100 ms.
std::pair<double, double> extremes(Signal signal) {
  std::pair<double, double> found{signal.at(milliseconds{0}), signal.at(milliseconds{0})};
  for (int tick = 0; tick < 5000; ++tick) {
    const double value = signal.at(milliseconds{100 * tick});
    found = {std::min(found.first, value), std::max(found.second, value)};
  }
  return found;
}

TEST(Signal, SwingsBetweenItsBounds) {
  const auto [low, high] = extremes(Signal({Shape::Sine, -5, 5, seconds{10}}, 3));
  EXPECT_NEAR(low, -5, 0.1);
  EXPECT_NEAR(high, 5, 0.1);
}

TEST(Signal, WalksWithinItsBoundsAndReachesThem) {
  const auto [low, high] = extremes(Signal({Shape::RandomWalk, -5, 5, seconds{1}}, 3));
  EXPECT_EQ(low, -5);
  EXPECT_EQ(high, 5);
}

TEST(Signal, WalksInSmallSteps) {
  Signal signal({Shape::RandomWalk, 0, 100, seconds{10}}, 3);
  double last = signal.at(milliseconds{0});
  for (int tick = 1; tick < 1000; ++tick) {
    const double value = signal.at(milliseconds{100 * tick});
    ASSERT_LE(std::abs(value - last), 2);
    ASSERT_NE(value, last);
    last = value;
  }
}

TEST(Signal, WalksTheSameWayHoweverOftenItIsRead) {
  const Waveform walk{Shape::RandomWalk, 0, 100, seconds{60}};
  Signal often(walk, 9);
  Signal once(walk, 9);
  for (int i = 0; i < 500; ++i) often.at(milliseconds{100 * i});
  EXPECT_EQ(often.at(milliseconds{50'000}), once.at(milliseconds{50'000}));
}

TEST(Signal, DiffersBySeed) {
  std::set<double> values;
  for (std::uint64_t seed = 0; seed < 20; ++seed) values.insert(Signal({Shape::Sine, 0, 1}, seed).at(seconds{1}));
  EXPECT_EQ(values.size(), 20u);
}

// The first numbers of splitmix64 seeded with 0, as published with it: the same on every machine.
TEST(Random, IsSplitmix64) {
  Random random(0);
  EXPECT_EQ(random.next(), 0xE220A8397B1DCDAFu);
  EXPECT_EQ(random.next(), 0x6E789E6AA1B965F4u);
  EXPECT_EQ(random.next(), 0x06C45D188009454Fu);
}

}  // namespace
}  // namespace ferrule::drivers::modbus

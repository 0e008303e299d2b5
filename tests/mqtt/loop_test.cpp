// The broker thread's loop: tasks of other threads, timers and signals.
#include "mqtt/loop.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <stdexcept>
#include <thread>
#include <vector>

namespace ferrule::mqtt::testing {
namespace {

using namespace std::chrono_literals;

TEST(LoopTest, RunsTheTasksOfAnotherThreadInTheirOrder) {
  Loop loop;
  std::vector<int> ran;
  std::thread other([&] {
    for (int i = 0; i < 1000; ++i) loop.post([&ran, i] { ran.push_back(i); });
    loop.post([&] { loop.stop(); });
  });
  loop.run();
  other.join();
  ASSERT_EQ(ran.size(), 1000U);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(ran[static_cast<std::size_t>(i)], i);
}

TEST(LoopTest, IsWokenByATaskWhileItSleeps) {
  Loop loop;
  loop.once(1h, [] { FAIL() << "nothing wakes it"; });
  std::thread other;
  loop.post([&] { other = std::thread([&] { loop.post([&] { loop.stop(); }); }); });
  loop.run();
  other.join();
}

TEST(LoopTest, RemembersAStopFromBeforeItRan) {
  Loop loop;
  int ran = 0;
  loop.post([&] { ++ran; });
  loop.stop();
  loop.run();
  loop.post([&] { loop.stop(); });
  loop.run();
  EXPECT_EQ(ran, 1);
}

TEST(LoopTest, KeepsWhatFollowsATaskThatStopsItOrThrows) {
  Loop loop;
  std::vector<int> ran;
  loop.post([&] { loop.stop(); });
  loop.post([] { throw std::runtime_error("in a task"); });
  loop.post([&] { ran.push_back(1), loop.stop(); });
  loop.run();
  EXPECT_TRUE(ran.empty());
  EXPECT_THROW(loop.run(), std::runtime_error);
  loop.run();
  EXPECT_EQ(ran, std::vector{1});
}

TEST(LoopTest, CallsTimersByTheirTimeAndRepeatsSome) {
  Loop loop;
  std::vector<char> called;
  loop.once(30ms, [&] { called.push_back('c'); });
  loop.once(10ms, [&] { called.push_back('a'); });
  loop.once(20ms, [&] { called.push_back('b'); });
  int ticks = 0;
  loop.every(1ms, [&] {
    if (++ticks >= 5 && called.size() == 3) loop.stop();
  });
  loop.run();
  EXPECT_EQ(called, (std::vector{'a', 'b', 'c'}));
}

TEST(LoopTest, TellsOfSignalsOutsideOfTheirHandler) {
  Loop loop;
  std::vector<int> told;
  loop.on_signal({SIGUSR1, SIGUSR2}, [&](int number) {
    told.push_back(number);
    if (told.size() == 2) loop.stop();
  });
  std::raise(SIGUSR2);
  EXPECT_TRUE(told.empty());
  loop.post([] { std::raise(SIGUSR1); });
  loop.run();
  EXPECT_EQ(told.size(), 2U);
}

}  // namespace
}  // namespace ferrule::mqtt::testing

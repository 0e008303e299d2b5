// The broker thread's loop: tasks of other threads, timers and signals.
#include "mqtt/loop.hpp"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <fstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "mqtt/poller.hpp"

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

/// Calls of write(2) and the like by this thread; 0 where the kernel does not count them.
std::uint64_t writes_of_this_thread() {
  std::ifstream file("/proc/thread-self/io");
  for (std::string word; file >> word;) {
    std::uint64_t count = 0;
    if (word == "syscw:" && file >> count) return count;
  }
  return 0;
}

TEST(LoopTest, RingsNoBellForWhatItPostsItself) {
  Loop loop;
  constexpr int kTurns = 1000;
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  struct Reader final : Poller::Watched {
    explicit Reader(Loop& its_loop) : loop(its_loop) {}
    void on_ready(std::uint32_t) override {  // as long as something is in the pipe: once per turn
      loop.post([this] {
        if (++turns == kTurns) loop.stop();
      });
    }
    void on_deadline() override {}
    Loop& loop;
    int turns = 0;
  } reader(loop);
  ASSERT_EQ(::write(pipe[1], "x", 1), 1);
  ASSERT_TRUE(loop.poller().add(pipe[0], EPOLLIN, reader));
  const auto before = writes_of_this_thread();
  loop.run();
  EXPECT_EQ(reader.turns, kTurns);
  EXPECT_LT(writes_of_this_thread() - before, 10U);
  loop.poller().remove(pipe[0], reader);
  for (const int end : pipe) ::close(end);
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

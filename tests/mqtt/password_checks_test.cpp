// Checks that run on threads of their own.
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <mutex>
#include <vector>

#include "mqtt/password_checks.hpp"

namespace ferrule::mqtt {
namespace {

/// Collects what is posted, as the loop's queue does.
struct Posted {
  void operator()(std::function<void()> task) {
    const std::lock_guard lock(mutex);
    tasks.push_back(std::move(task));
    ready.notify_all();
  }
  /// Runs the next `count` tasks here.
  void run(std::size_t count) {
    std::unique_lock lock(mutex);
    ready.wait(lock, [&] { return tasks.size() >= count; });
    for (auto& task : tasks) task();
    tasks.clear();
  }
  std::mutex mutex;
  std::condition_variable ready;
  std::vector<std::function<void()>> tasks;
};

TEST(PasswordChecks, RunElsewhereAndAnswerHere) {
  Posted posted;
  PasswordChecks checks(std::ref(posted), 2, 10);
  std::thread::id ran_on, told_on;
  std::optional<bool> told;
  EXPECT_TRUE(checks.submit(
      [&] {
        ran_on = std::this_thread::get_id();
        return std::optional(true);
      },
      [&](std::optional<bool> right) {
        told_on = std::this_thread::get_id();
        told = right;
      }));
  posted.run(1);
  EXPECT_EQ(told, std::optional(true));
  EXPECT_EQ(told_on, std::this_thread::get_id());
  EXPECT_NE(ran_on, told_on);
}

TEST(PasswordChecks, BeyondTheQueueAreRefused) {
  Posted posted;
  std::promise<void> go;
  const std::shared_future<void> gate = go.get_future().share();
  std::promise<void> begun;
  int told = 0;
  const auto count = [&](std::optional<bool>) { ++told; };
  PasswordChecks checks(std::ref(posted), 1, 2);
  ASSERT_TRUE(checks.submit(
      [&, gate] {
        begun.set_value();
        gate.wait();
        return std::optional(false);
      },
      count));
  begun.get_future().wait();  // it has left the queue
  const auto quick = [] { return std::optional(true); };
  EXPECT_TRUE(checks.submit(quick, count));
  EXPECT_TRUE(checks.submit(quick, count));
  EXPECT_FALSE(checks.submit(quick, count));
  go.set_value();
  posted.run(3);
  EXPECT_EQ(told, 3);
}

TEST(PasswordChecks, AreDueSinceTheLongestUnderWayBegan) {
  using Clock = std::chrono::steady_clock;
  Posted posted;
  std::promise<void> begun, go, second, end;
  PasswordChecks checks(std::ref(posted), 2, 10);
  EXPECT_EQ(checks.due(), Clock::time_point::max());
  ASSERT_TRUE(checks.submit(
      [&] {
        begun.set_value();
        go.get_future().wait();
        return std::optional(true);
      },
      [](auto) {}));
  begun.get_future().wait();
  const auto first = checks.due();
  EXPECT_LE(first, Clock::now());
  ASSERT_TRUE(checks.submit(
      [&] {
        second.set_value();
        end.get_future().wait();
        return std::optional(true);
      },
      [](auto) {}));
  second.get_future().wait();
  EXPECT_EQ(checks.due(), first);
  go.set_value();
  while (checks.due() == first) std::this_thread::yield();
  EXPECT_GE(checks.due(), first);
  EXPECT_LE(checks.due(), Clock::now());
  end.set_value();
  posted.run(2);
  while (checks.due() != Clock::time_point::max()) std::this_thread::yield();
}

TEST(PasswordChecks, AreSeveralAtOnce) {
  Posted posted;
  PasswordChecks checks(std::ref(posted), 2, 10);
  std::promise<void> one, other;
  const auto meet = [](std::promise<void>& mine, std::promise<void>& theirs) {
    mine.set_value();
    theirs.get_future().wait();
    return std::optional(true);
  };
  ASSERT_TRUE(checks.submit([&] { return meet(one, other); }, [](auto) {}));
  ASSERT_TRUE(checks.submit([&] { return meet(other, one); }, [](auto) {}));
  posted.run(2);
}

TEST(PasswordChecks, MayEndWhileSomeWait) {
  Posted posted;
  std::promise<void> begun, go;
  auto checks = std::make_unique<PasswordChecks>(std::ref(posted), 1, 10);
  ASSERT_TRUE(checks->submit(
      [&] {
        begun.set_value();
        go.get_future().wait();
        return std::optional(true);
      },
      [](auto) {}));
  begun.get_future().wait();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(checks->submit([] { return std::optional(true); }, [](auto) {}));
  std::thread end([&] { checks.reset(); });
  go.set_value();
  end.join();
  EXPECT_GE(posted.tasks.size(), 1U);  // the one under way was told
}

}  // namespace
}  // namespace ferrule::mqtt

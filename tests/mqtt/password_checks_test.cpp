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

/// A check that tells that it runs, and ends when `end` is told.
auto tell_and_wait(std::promise<void>& begun, std::promise<void>& end) {
  return [&] {
    begun.set_value();
    end.get_future().wait();
    return std::optional(true);
  };
}
void ignore(std::optional<bool>) {}

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
  std::promise<void> begun, go;
  int told = 0;
  const auto count = [&](std::optional<bool>) { ++told; };
  PasswordChecks checks(std::ref(posted), 1, 2);
  ASSERT_TRUE(checks.submit(tell_and_wait(begun, go), count));
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
  ASSERT_TRUE(checks.submit(tell_and_wait(begun, go), ignore));
  begun.get_future().wait();
  const auto first = checks.due();
  EXPECT_LE(first, Clock::now());
  ASSERT_TRUE(checks.submit(tell_and_wait(second, end), ignore));
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
  ASSERT_TRUE(checks.submit(tell_and_wait(one, other), ignore));
  ASSERT_TRUE(checks.submit(tell_and_wait(other, one), ignore));
  posted.run(2);
}

TEST(PasswordChecks, MayEndWhileSomeWait) {
  Posted posted;
  std::promise<void> begun, go;
  auto checks = std::make_unique<PasswordChecks>(std::ref(posted), 1, 10);
  ASSERT_TRUE(checks->submit(tell_and_wait(begun, go), ignore));
  begun.get_future().wait();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(checks->submit([] { return std::optional(true); }, ignore));
  std::thread end([&] { checks.reset(); });
  go.set_value();
  end.join();
  EXPECT_GE(posted.tasks.size(), 1U);  // the one under way was told
}

}  // namespace
}  // namespace ferrule::mqtt

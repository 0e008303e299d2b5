// What goes first when not all can be kept: by priority, and by age.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "tests/bridge/uplink_fixture.hpp"

namespace ferrule::bridge {
namespace {

using namespace std::chrono_literals;
using mqtt::Reason;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// Topics plant/low, plant/normal and plant/high with these priorities.
class PriorityTest : public testing::UplinkFixture {
 protected:
  static constexpr std::uint64_t kCost = 1000;

  PriorityTest() {
    settings_.out.clear();
    for (const auto priority : kPriorities) {
      OutRoute route{*mqtt::TopicFilter::parse(topic(priority)), "{topic}", {}};
      route.priority = priority;
      settings_.out.push_back(route);
    }
    settings_.window = 1'000;
  }
  static std::string topic(Priority priority) {
    return priority == Priority::Low ? "plant/low" : priority == Priority::Normal ? "plant/normal" : "plant/high";
  }
  /// One that counts for exactly kCost bytes.
  tl::expected<mqtt::Ticket, Reason> add(int number, Priority priority, bool durable = true) {
    auto text = std::to_string(number);
    text += std::string(kCost - row_cost(topic(priority).size(), text.size(), 0), ' ');
    return append(text, durable, mqtt::Qos::AtLeastOnce, topic(priority));
  }
  /// The numbers that are left, in order.
  std::vector<int> left() {
    start();
    std::vector<int> numbers;
    for (const auto& payload : drain()) numbers.push_back(std::stoi(payload));
    return numbers;
  }
};

TEST_F(PriorityTest, TheLowestMakesRoomFirstAndTheOldestOfIt) {
  settings_.queue.max_size = 6 * kCost;
  open();
  add(1, Priority::Normal);
  add(2, Priority::High);
  add(3, Priority::Low);
  add(4, Priority::Low);
  add(5, Priority::Normal);
  add(6, Priority::High);
  for (int i = 7; i <= 9; ++i) EXPECT_TRUE(add(i, Priority::High));  // 3, 4, 1 go
  EXPECT_EQ(status().dropped, 3U);
  const auto refused = add(10, Priority::Low);  // all that is left is above it
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), Reason::QuotaExceeded);
  EXPECT_EQ(status().dropped, 4U);
  close();
  EXPECT_THAT(left(), ElementsAre(2, 5, 6, 7, 8, 9));
}

TEST_F(PriorityTest, EachHasAPolicyOfItsOwn) {
  settings_.queue.max_size = 3 * kCost;
  settings_.queue.when_full[Priority::Normal] = WhenFull::DropNewest;
  settings_.queue.when_full[Priority::High] = WhenFull::Reject;
  open();
  add(1, Priority::Low);
  add(2, Priority::Normal);
  add(3, Priority::High);
  EXPECT_TRUE(add(4, Priority::High));    // in the place of 1
  EXPECT_TRUE(add(5, Priority::Normal));  // dropped
  const auto refused = add(6, Priority::High);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), Reason::QuotaExceeded);
  EXPECT_EQ(status().dropped, 3U);
  close();
  EXPECT_THAT(left(), ElementsAre(2, 3, 4));
}

TEST_F(PriorityTest, HoldsForALongBacklogOnDiskAndAcrossRestarts) {
  settings_.queue.max_size = 20'000 * kCost;
  open();
  for (int i = 1; i <= 20'000; ++i) add(i, i % 10 == 0 ? Priority::Low : Priority::High, i % 100 == 0);
  close();
  open();
  EXPECT_EQ(status().queued, 20'000U);
  for (int i = 20'001; i <= 21'000; ++i) {
    add(i, Priority::High);
    if (i % 50 == 0) wait_for_commit();
  }
  desk_.run_until([&] { return status().queued_bytes <= settings_.queue.max_size; });
  EXPECT_LE(status().queued_bytes, settings_.queue.max_size);
  EXPECT_EQ(status().queued + status().dropped, 21'000U);
  close();
  const auto numbers = left();
  std::size_t high = 0;
  for (const int number : numbers) high += number > 20'000 || number % 10 != 0 ? 1 : 0;
  EXPECT_EQ(high, 19'000U);  // none of them went
  EXPECT_TRUE(std::ranges::is_sorted(numbers));
  EXPECT_LT(numbers.size(), 20'001U);
}

TEST_F(PriorityTest, OnceNoLowOneIsLeftThoseAboveMakeRoomAlsoOnDisk) {
  settings_.queue.max_size = 10'000 * kCost;
  open();
  for (int i = 1; i <= 10'000; ++i) add(i, i % 50 == 0 ? Priority::Low : Priority::Normal, i % 100 == 0);
  advance(2s);
  wait_for_commit();
  for (int i = 10'001; i <= 12'000; ++i) {
    EXPECT_TRUE(add(i, Priority::Normal));
    if (i % 50 == 0) wait_for_commit();
  }
  ASSERT_TRUE(desk_.run_until([&] { return status().queued_bytes <= settings_.queue.max_size; }));
  EXPECT_EQ(status().queued + status().dropped, 12'000U);
  close();
  const auto numbers = left();
  EXPECT_TRUE(std::ranges::is_sorted(numbers));
  EXPECT_EQ(numbers.back(), 12'000);
  for (const int number : numbers) EXPECT_TRUE(number > 10'000 || number % 50 != 0) << number;
  EXPECT_GT(numbers.size(), 9'000U);
}

/// One publication a second of each of two topics, for hours.
class ThinningTest : public PriorityTest {
 protected:
  ThinningTest() {
    settings_.queue.keep = {1min, 1h};
    settings_.queue.max_size = 1'000'000'000;
  }
  /// From second `from` on, numbered by the second.
  void publish(int from, int seconds) {
    for (int i = from; i < from + seconds; ++i) {
      add(i, Priority::Normal, false);
      add(i, Priority::High, false);
      clock_.advance(1s);
      if (i % 10 == 0) uplink_->tick();
      if (i % 600 == 0) wait_for_commit();
    }
  }
  void settle_down() {
    for (int i = 0; i < 10; ++i) {
      advance(10s);
      bool done = false;
      store_->read([] {}, [&done] { done = true; });
      ASSERT_TRUE(desk_.run_until([&done] { return done; }));
    }
  }
  std::map<std::string, std::vector<int>> by_topic() {
    std::map<std::string, std::vector<int>> numbers;
    desk_.run_until([&] {
      for (const auto& one : std::exchange(link_->sent, {})) {
        numbers[one.topic].push_back(std::stoi(one.payload));
        link_->events.on_settled(one.seq, Reason::Success);
      }
      return status().queued == 0;
    });
    return numbers;
  }
};

TEST_F(ThinningTest, OfWhatIsOldTheFirstOfEachMinuteIsKeptAndWhatMattersMoreAsAWhole) {
  open();
  publish(0, 3 * 3600);
  settle_down();
  const auto thinned = status().thinned;
  EXPECT_GT(thinned, 2 * 3600U * 58 / 60);
  EXPECT_EQ(status().queued + thinned, 6U * 3600);
  crash();
  start();
  const auto numbers = by_topic();
  EXPECT_EQ(numbers.at("plant/high").size(), 3U * 3600);
  const auto& kept = numbers.at("plant/normal");
  EXPECT_EQ(kept.size() + thinned, 3U * 3600);
  EXPECT_TRUE(std::ranges::is_sorted(kept));
  EXPECT_EQ(kept.front(), 0);
  for (std::size_t i = 1; i < kept.size(); ++i) ASSERT_LE(kept[i] - kept[i - 1], 60) << "a minute without any";
  const auto old = std::ranges::count_if(kept, [](int number) { return number < 2 * 3600; });
  EXPECT_LE(old, 2 * 60 + 3);
  EXPECT_EQ(std::ranges::count_if(kept, [](int number) { return number >= 2 * 3600 + 600; }), 3600 - 600);
}

TEST_F(ThinningTest, NothingIsThinnedThatIsYoung) {
  open();
  publish(0, 1800);
  advance(60s);
  EXPECT_EQ(status().thinned, 0U);
}

}  // namespace
}  // namespace ferrule::bridge

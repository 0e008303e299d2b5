// A disk that is really full: the queue's policy holds, nothing acknowledged is lost beyond it, deleting and starting
// work.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "bridge/outbox_file.hpp"
#include "tests/bridge/small_disk.hpp"
#include "tests/bridge/uplink_fixture.hpp"

namespace ferrule::bridge {
namespace {

using namespace std::chrono_literals;
using mqtt::Reason;

class FullDiskTest : public testing::UplinkFixture {
 protected:
  void SetUp() override {
    if (!disk_.mounted()) GTEST_SKIP() << "only the superuser may mount a file system for this test";
    settings_.window = 50;
    settings_.reconnect = {100ms, 200ms};
  }
  void TearDown() override { close(); }

  /// A client's publish, of some 600 bytes.
  void publish(int number) {
    const auto ticket = append(std::to_string(number) + std::string(600, ' '), true);
    if (!ticket) {
      EXPECT_EQ(ticket.error(), Reason::QuotaExceeded);
      ++refused_;
    } else if (*ticket != 0) {
      waiting_.emplace(*ticket, number);
    }
    if (number % 25 == 0) turn();
  }
  void publish(int from, int to) {
    for (int number = from; number <= to; ++number) publish(number);
    for (int i = 0; i < 50 && uplink_->owes_disk(); ++i) turn();
    turn();
  }
  /// A tenth of a second, as the gateway spends it.
  void turn() {
    advance(100ms);
    wait_for_commit();
    if (uplink_->owes_disk()) return;
    const auto end = waiting_.upper_bound(committed_);
    for (auto one = waiting_.begin(); one != end; ++one) acknowledged_.insert(one->second);
    waiting_.erase(waiting_.begin(), end);
  }
  /// What arrives once the cloud is there.
  std::set<int> arriving() {
    uplink_->start();
    online();
    std::set<int> numbers;
    for (const auto& payload : drain()) numbers.insert(std::stoi(payload));
    for (int i = 0; i < 30; ++i) turn();
    EXPECT_EQ(status().queued, 0U);
    EXPECT_EQ(status().last_error, "");
    return numbers;
  }
  std::vector<int> lost(const std::set<int>& arrived) const {
    std::vector<int> lost;
    std::ranges::set_difference(acknowledged_, arrived, std::back_inserter(lost));
    return lost;
  }

  testing::SmallDisk disk_{directory_.path(), 1 << 20};
  std::multimap<mqtt::Ticket, int> waiting_;
  std::set<int> acknowledged_;
  int refused_ = 0;
};

// FAULTS 9
TEST_F(FullDiskTest, RejectTellsThePublisherAndAllThatWasAcknowledgedArrives) {
  settings_.queue.when_full = WhenFull::Reject;
  open();
  publish(1, 4'000);
  EXPECT_GT(refused_, 2'000);
  EXPECT_GT(acknowledged_.size(), 300U);
  EXPECT_THAT(waiting_, ::testing::IsEmpty());
  EXPECT_EQ(status().dropped_disk, static_cast<std::uint64_t>(refused_));
  EXPECT_THAT(lost(arriving()), ::testing::IsEmpty());

  // It recovers without a restart, and holds as much again.
  offline();
  const auto before = acknowledged_.size();
  publish(4'001, 4'100);
  EXPECT_EQ(acknowledged_.size() - before, 100U);
  crash();
  EXPECT_EQ(OutboxFile(directory_.path() / "outbox-hq.db").rows(), 100U);
}

// FAULTS 9
TEST_F(FullDiskTest, DropOldestKeepsTheNewest) {
  settings_.queue.when_full = WhenFull::DropOldest;
  open();
  publish(1, 4'000);
  EXPECT_GT(status().dropped_disk, 2'000U);
  EXPECT_GT(status().queued, 200U);
  const auto arrived = arriving();
  ASSERT_FALSE(acknowledged_.empty());
  EXPECT_TRUE(arrived.contains(*acknowledged_.rbegin()));
  // What is missing of the acknowledged is older than all that arrived, but for what the disk could not take in time.
  const auto missing = lost(arrived);
  EXPECT_LE(missing.size(), status().dropped_disk);
  EXPECT_LT(missing.back(), *arrived.begin());
}

// FAULTS 9
TEST_F(FullDiskTest, DropNewestTellsNobodyAndKeepsWhatItHas) {
  settings_.queue.when_full = WhenFull::DropNewest;
  open();
  publish(1, 4'000);
  EXPECT_EQ(refused_, 0);
  EXPECT_GT(status().dropped_disk, 2'000U);
  EXPECT_THAT(lost(arriving()), ::testing::IsEmpty());
}

// FAULTS 9
TEST_F(FullDiskTest, WhenAnotherProgramTakesAllTheRoomTheQueueStillDrainsAndAStartWorks) {
  settings_.queue.when_full = WhenFull::Reject;
  open();
  publish(1, 300);
  ASSERT_EQ(acknowledged_.size(), 300U);
  disk_.fill();
  publish(301, 600);
  EXPECT_GT(refused_, 0);
  crash();
  disk_.fill();
  open();
  EXPECT_GE(status().queued, acknowledged_.size());
  EXPECT_THAT(lost(arriving()), ::testing::IsEmpty());
  crash();
  EXPECT_EQ(OutboxFile(directory_.path() / "outbox-hq.db").rows(), 0U);
}

// FAULTS 9
TEST_F(FullDiskTest, GoesBackToNormalWhenThereIsRoomAgain) {
  settings_.queue.when_full = WhenFull::Reject;
  open();
  publish(1, 100);
  disk_.fill();
  publish(101, 1'000);
  EXPECT_GT(refused_, 0);
  disk_.clear();
  for (int i = 0; i < 30; ++i) turn();
  const auto refused = refused_;
  publish(1'001, 1'100);
  EXPECT_EQ(refused_, refused);
  EXPECT_THAT(lost(arriving()), ::testing::IsEmpty());
}

TEST_F(FullDiskTest, ReadingsStillReachTheCloud) {
  open();
  uplink_->start();
  online();
  disk_.fill();
  for (int i = 1; i <= 2'000; ++i) {
    ASSERT_TRUE(append(std::to_string(i)));
    settle_all_sent();
    if (i % 10 == 0) turn();
  }
  EXPECT_EQ(status().acknowledged, 2'000U);
  EXPECT_EQ(status().dropped, 0U);
}

}  // namespace
}  // namespace ferrule::bridge

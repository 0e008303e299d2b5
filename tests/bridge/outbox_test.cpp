#include "bridge/outbox.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <fstream>

#include "tests/bridge/uplink_fixture.hpp"

namespace ferrule::bridge {
namespace {

using namespace std::chrono_literals;
using mqtt::Qos;
using mqtt::Reason;
using ::testing::ElementsAre;
using ::testing::Gt;

/// The outbox as its uplink uses it.
class OutboxTest : public testing::UplinkFixture {
 protected:
  std::vector<std::string> numbers(int from, int to) {
    std::vector<std::string> texts;
    for (int i = from; i <= to; ++i) texts.push_back(std::to_string(i));
    return texts;
  }
  std::uint64_t rows() {
    const auto path = directory_.path() / "outbox-hq.db";
    return OutboxFile(path).rows();
  }
  /// A message that counts for exactly `kCost` bytes.
  static constexpr std::uint64_t kCost = 1000;
  std::string block(int number) {
    auto text = std::to_string(number);
    return text + std::string(kCost - row_cost(7, text.size(), 0), ' ');
  }
  int number(const std::string& payload) { return std::stoi(payload); }
};

TEST_F(OutboxTest, WhatTheCloudAcknowledgesInTimeNeverReachesTheDisk) {
  settings_.queue.commit_interval = 1s;
  start();
  const auto before = store_->last_ticket();
  for (int i = 0; i < 100; ++i) {
    append(std::to_string(i));
    settle_all_sent();
    advance(100ms);
  }
  EXPECT_EQ(store_->last_ticket(), before);
  EXPECT_EQ(status().never_written, 100U);
}

TEST_F(OutboxTest, WhatNobodyWaitsForIsOnDiskAfterTheCommitInterval) {
  settings_.queue.commit_interval = 1s;
  open();
  append("1");
  advance(900ms);
  append("2");
  EXPECT_EQ(store_->last_ticket(), 0U);
  advance(200ms);
  wait_for_commit();
  crash();
  EXPECT_EQ(rows(), 1U);
}

TEST_F(OutboxTest, WhatSomebodyWaitsForIsOnDiskWhenItsTicketIsCommitted) {
  open();
  const auto ticket = append("1", true);
  ASSERT_TRUE(ticket);
  EXPECT_THAT(*ticket, Gt(0U));
  ASSERT_TRUE(desk_.run_until([&] { return committed_ >= *ticket; }));
  crash();
  EXPECT_EQ(rows(), 1U);
}

TEST_F(OutboxTest, WithSyncAlwaysEachMessageIsWrittenAtOnce) {
  settings_.queue.commit_interval = 0ms;
  open();
  append("1");
  crash();
  EXPECT_EQ(rows(), 1U);
}

TEST_F(OutboxTest, ACleanStopWritesEverything) {
  open();
  for (int i = 1; i <= 10; ++i) append(std::to_string(i));
  close();
  start();
  EXPECT_EQ(drain(), numbers(1, 10));
  close();
  EXPECT_EQ(rows(), 0U);
}

// FAULTS 14
TEST_F(OutboxTest, KeepsTheOrderOverABacklogThatOnlyTheDiskHolds) {
  settings_.window = 50;
  open();
  for (int i = 1; i <= 20'000; ++i) append(std::to_string(i), i % 1000 == 0);
  advance(2s);
  wait_for_commit();
  uplink_->start();
  online();
  int more = 20'000;
  std::vector<std::string> payloads;
  ASSERT_TRUE(desk_.run_until([&] {
    for (const auto& one : std::exchange(link_->sent, {})) {
      payloads.push_back(one.payload);
      link_->events.on_settled(one.seq, Reason::Success);
      if (payloads.size() % 4 != 0 || more == 25'000) continue;
      ++more;  // it grows while it drains
      append(std::to_string(more), more % 7 == 0);
    }
    return status().queued == 0;
  }));
  EXPECT_EQ(payloads, numbers(1, 25'000));
  close();
  EXPECT_EQ(rows(), 0U);
}

// FAULTS 14
TEST_F(OutboxTest, MakesUpForThreeDaysOfOutageCompletelyAndInOrder) {
  settings_.window = 50;
  start();
  offline();
  int attempts = link_->connects;
  for (int minute = 1; minute <= 3 * 24 * 60; ++minute) {
    append(std::to_string(minute));
    clock_.advance(1min);
    uplink_->tick();
    if (link_->connects == attempts) continue;
    attempts = link_->connects;
    offline("no route to host");
  }
  EXPECT_GT(attempts, 1'000);  // it never gives up
  EXPECT_EQ(status().queued, 4'320U);
  clock_.advance(1min);
  uplink_->tick();
  online();
  EXPECT_EQ(drain(), numbers(1, 4'320));
}

TEST_F(OutboxTest, FindsABigBacklogAfterAKill) {
  open();
  for (int i = 1; i <= 10'000; ++i) append(std::to_string(i));
  advance(2s);
  wait_for_commit();
  crash();
  settings_.window = 100;
  start();
  EXPECT_EQ(status().queued, 10'000U);
  EXPECT_EQ(drain(), numbers(1, 10'000));
}

TEST_F(OutboxTest, DropOldestMakesRoomInMemory) {
  settings_.queue.max_size = 10 * kCost;
  open();
  for (int i = 1; i <= 15; ++i) append(block(i));
  EXPECT_EQ(status().queued, 10U);
  EXPECT_EQ(status().queued_bytes, 10 * kCost);
  EXPECT_EQ(status().dropped, 5U);
  uplink_->start();
  online();
  const auto left = drain();
  ASSERT_EQ(left.size(), 10U);
  EXPECT_EQ(number(left.front()), 6);
  EXPECT_EQ(number(left.back()), 15);
}

TEST_F(OutboxTest, DropOldestSparesWhatIsInFlight) {
  settings_.queue.max_size = 5 * kCost;
  settings_.window = 2;
  start();
  for (int i = 1; i <= 8; ++i) append(block(i));
  settle_all_sent();
  std::vector<int> left;
  for (const auto& payload : drain()) left.push_back(number(payload));
  EXPECT_THAT(left, ElementsAre(6, 7, 8));
  EXPECT_EQ(status().dropped, 3U);
}

TEST_F(OutboxTest, DropOldestMakesRoomOnDisk) {
  settings_.queue.max_size = 10'000 * kCost;
  open();
  for (int i = 1; i <= 30'000; ++i) {
    append(block(i));
    if (i % 100 == 0) {
      advance(1s);
      wait_for_commit();
    }
  }
  advance(2s);
  wait_for_commit();
  EXPECT_TRUE(desk_.run_until([&] { return status().queued_bytes <= settings_.queue.max_size; }));
  EXPECT_LE(status().queued_bytes, settings_.queue.max_size);
  EXPECT_EQ(status().queued + status().dropped, 30'000U);
  const auto queued = status().queued;
  EXPECT_GT(queued, 9'000U);
  uplink_->start();
  settings_.window = 100;
  online();
  const auto left = drain();
  ASSERT_EQ(left.size(), queued);
  EXPECT_EQ(number(left.back()), 30'000);
  for (std::size_t i = 1; i < left.size(); ++i) ASSERT_LT(number(left[i - 1]), number(left[i]));
  close();
  EXPECT_EQ(rows(), 0U);
}

TEST_F(OutboxTest, DropNewestKeepsWhatIsThereAndTellsNobody) {
  settings_.queue.max_size = 3 * kCost;
  settings_.queue.when_full = WhenFull::DropNewest;
  open();
  for (int i = 1; i <= 5; ++i) EXPECT_TRUE(append(block(i), true));
  EXPECT_EQ(status().queued, 3U);
  EXPECT_EQ(status().dropped, 2U);
}

TEST_F(OutboxTest, RejectTellsThePublisher) {
  settings_.queue.max_size = 3 * kCost;
  settings_.queue.when_full = WhenFull::Reject;
  open();
  for (int i = 1; i <= 3; ++i) EXPECT_TRUE(append(block(i), true));
  const auto refused = append(block(4), true);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), Reason::QuotaExceeded);
  EXPECT_EQ(status().dropped, 1U);
}

TEST_F(OutboxTest, AMessageBiggerThanTheQueueIsDropped) {
  settings_.queue.max_size = 3 * kCost;
  open();
  append(block(1));
  append(std::string(5000, 'x'));
  EXPECT_EQ(status().queued, 1U);
  EXPECT_EQ(status().dropped, 1U);
}

/// No file of this process can grow beyond `bytes`, as if the disk were full, until it is destroyed.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit full{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &full);
  }
  ~FullDisk() { setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

TEST_F(OutboxTest, OnAFullDiskRefusesWhatIsToBeDurableAndLosesNothingElse) {
  open();
  append("1", true);
  wait_for_commit();
  {
    const FullDisk full(1);
    append("2");
    advance(2s);
    ASSERT_TRUE(desk_.run_until([&] { return !status().last_error.empty(); }));
    const auto refused = append("3", true);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), Reason::QuotaExceeded);
    EXPECT_EQ(status().dropped, 1U);
    EXPECT_TRUE(append("4"));
    for (int i = 0; i < 5; ++i) {
      advance(1s);
      wait_for_commit();
    }
    EXPECT_TRUE(uplink_->owes_disk());
  }
  for (int i = 0; i < 20 && uplink_->owes_disk(); ++i) {
    advance(1s);
    wait_for_commit();
  }
  EXPECT_EQ(status().last_error, "");
  EXPECT_TRUE(append("5", true));
  wait_for_commit();
  crash();
  start();
  EXPECT_THAT(drain(), ElementsAre("1", "2", "4", "5"));
}

TEST_F(OutboxTest, OnAFullDiskTheQueueStillDrains) {
  settings_.window = 100;
  open();
  for (int i = 1; i <= 6000; ++i) append(std::to_string(i));  // more than the memory's part
  advance(2s);
  wait_for_commit();
  const FullDisk full(1);
  append("6001");
  uplink_->start();
  online();
  EXPECT_EQ(drain(), numbers(1, 6001));
}

TEST_F(OutboxTest, AFileDamagedInUseIsSetAsideAndLiveDataGoesOn) {
  settings_.window = 100;
  open();
  const std::string big(500, 'x');
  for (int i = 1; i <= 80'000; ++i) {
    append(std::to_string(i) + big);
    if (i % 4000 == 0) {
      advance(1s);
      wait_for_commit();
    }
  }
  close();
  const auto path = directory_.path() / "outbox-hq.db";
  std::fstream damage(path, std::ios::in | std::ios::out | std::ios::binary);
  for (int page = 5000; page < 5100; ++page) damage.seekp(page * 4096) << std::string(4096, '\xAA');
  damage.close();
  start();
  std::vector<int> arrived;
  ASSERT_TRUE(desk_.run_until([&] {
    for (const auto& one : std::exchange(link_->sent, {})) {
      arrived.push_back(std::stoi(one.payload));
      link_->events.on_settled(one.seq, Reason::Success);
    }
    return status().set_aside == 1 && status().queued == 0;
  }));
  append("90000");
  EXPECT_TRUE(desk_.run_until([&] { return link_->take_payloads() == std::vector<std::string>{"90000"}; }));
  EXPECT_GT(arrived.size(), 1000U);
  close();
  start();
  EXPECT_THAT(drain(), ElementsAre("90000"));
}

}  // namespace
}  // namespace ferrule::bridge

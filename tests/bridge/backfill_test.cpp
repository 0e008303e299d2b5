// What goes first when more waits than is sent at once, and what is too old to be sent at all.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>

#include "tests/bridge/faulty_disk.hpp"
#include "tests/bridge/uplink_fixture.hpp"

namespace ferrule::bridge {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

class BackfillTest : public testing::UplinkFixture {
 protected:
  BackfillTest() {
    settings_.window = 4;
    settings_.queue.backfill = Backfill::LiveFirst;
  }
  /// `from` ... `to`, and all of it on disk.
  void queue(int from, int to) {
    for (int i = from; i <= to; ++i) append(std::to_string(i));
    advance(2s);
    wait_for_commit();
  }
};

TEST_F(BackfillTest, WhatComesIsSentBeforeWhatWaits) {
  open();
  queue(1, 1000);
  uplink_->start();
  online();
  EXPECT_THAT(link_->take_payloads(), ElementsAre("1"));  // a quarter of the window
  for (const auto* payload : {"live 1", "live 2", "live 3", "live 4"}) append(payload);
  EXPECT_THAT(link_->take_payloads(), ElementsAre("live 1", "live 2", "live 3"));
}

TEST_F(BackfillTest, InOrderWhatComesWaitsItsTurn) {
  settings_.queue.backfill = Backfill::InOrder;
  open();
  queue(1, 1000);
  uplink_->start();
  online();
  append("live");
  EXPECT_THAT(link_->take_payloads(), ElementsAre("1", "2", "3", "4"));
}

TEST_F(BackfillTest, AllOfABacklogOnDiskArrivesOnceAndInOrderBesideWhatComes) {
  settings_.window = 100;
  open();
  queue(1, 12'000);
  uplink_->start();
  online();
  std::map<std::string, int> times;
  std::vector<int> waited;
  int live = 0;
  ASSERT_TRUE(desk_.run_until([&] {
    for (const auto& one : std::exchange(link_->sent, {})) {
      ++times[one.payload];
      if (one.payload.front() != 'l') waited.push_back(std::stoi(one.payload));
      link_->events.on_settled(one.seq, mqtt::Reason::Success);
      if (live < 3000) {
        ++live;
        append("l" + std::to_string(live), live % 3 == 0);
      }
      if (live % 100 == 0) advance(100ms);
    }
    return status().queued == 0;
  }));
  EXPECT_EQ(waited.size(), 12'000U);
  EXPECT_TRUE(std::ranges::is_sorted(waited));
  EXPECT_EQ(times.size(), 15'000U);
  for (const auto& [payload, count] : times) EXPECT_EQ(count, 1) << payload;
  EXPECT_EQ(status().dropped, 0U);
  advance(2s);
  wait_for_commit();
  crash();
  EXPECT_EQ(OutboxFile(directory_.path() / "outbox-hq.db").rows(), 0U);
}

TEST_F(BackfillTest, WhatCameLiveAndWasNotAcknowledgedIsSentAgainAfterALossAndAfterAKill) {
  open();
  queue(1, 1000);
  uplink_->start();
  online();
  link_->take_payloads();
  append("live 1", true);
  append("live 2", true);
  EXPECT_THAT(link_->take_payloads(), ElementsAre("live 1", "live 2"));
  offline();
  online();
  EXPECT_THAT(link_->take_payloads(), ElementsAre("live 1", "live 2", "1"));
  wait_for_commit();
  crash();
  settings_.window = 2000;
  start();
  const auto all = drain();
  ASSERT_EQ(all.size(), 1002U);
  EXPECT_EQ(all.back(), "live 2");
}

TEST_F(BackfillTest, WhatGoesOnAfterAKillFarBehindWhatWaitsIsNeitherSentNorCountedAgain) {
  settings_.window = 2'000;
  open();
  queue(1, 6'000);
  uplink_->start();
  online();
  append("live", true, mqtt::Qos::ExactlyOnce);
  const auto live = link_->sent.back().seq;
  EXPECT_EQ(link_->sent.back().payload, "live");
  link_->state.put({{live, "s5-1", "packet"}});
  wait_for_commit();
  crash();
  start();
  EXPECT_EQ(status().queued, 6'001U);
  settle(live);
  EXPECT_EQ(status().queued, 6'000U);
  const auto all = drain();
  EXPECT_EQ(all.size(), 6'000U);
  EXPECT_THAT(all, ::testing::Not(::testing::Contains("live")));
}

TEST_F(BackfillTest, WhenTheQueueIsFullWhatIsUnderWayLiveIsNotDroppedFromTheDisk) {
  settings_.queue.max_size = 3'000'000;
  open();
  const std::string big(500, 'x');
  for (int i = 1; i <= 5'200; ++i) append(std::to_string(i) + big);
  advance(2s);
  wait_for_commit();
  uplink_->start();
  online();
  link_->sent.clear();
  append("live", true);
  ASSERT_EQ(link_->sent.size(), 1U);
  const auto live = link_->sent.front().seq;
  for (int i = 1; i <= 1'500; ++i) {
    append(std::to_string(i) + big, true);
    if (i % 100 == 0) wait_for_commit();
  }
  EXPECT_GT(status().dropped, 0U);
  const auto queued = status().queued;
  settle(live);
  EXPECT_EQ(status().queued, queued - 1);
}

TEST_F(BackfillTest, IsNoFasterThanItsRate) {
  settings_.window = 100;
  settings_.queue.backfill_rate = 10;
  open();
  queue(1, 1000);
  advance(1s);
  uplink_->start();
  online();
  std::size_t sent = 0;
  for (int i = 0; i < 50; ++i) {
    const auto batch = std::exchange(link_->sent, {});
    sent += batch.size();
    for (const auto& one : batch) settle(one.seq);
    append("live");
    EXPECT_EQ(link_->sent.back().payload, "live");
    advance(100ms);
  }
  EXPECT_GT(sent, 50U + 50U);
  EXPECT_LT(sent, 50U + 80U);  // the live ones, 10 at once and 10 a second
}

// FAULTS 14
TEST_F(BackfillTest, AfterACutHoweverLongAllArrivesOnceAndInOrder) {
  settings_.queue.backfill = Backfill::InOrder;
  settings_.window = 100;
  start();
  int count = 0;
  std::vector<std::string> arrived, expected;
  const auto next = [&] {
    expected.push_back(std::to_string(++count));
    ASSERT_TRUE(append(expected.back(), count % 3 == 0));
  };
  const auto drain_into = [&] {
    for (auto& payload : drain()) arrived.push_back(std::move(payload));
  };
  for (const auto cut : {std::chrono::minutes(0), std::chrono::minutes(60), std::chrono::minutes(3 * 24 * 60)}) {
    next();
    drain_into();
    offline();
    for (int tenth = 0; tenth < 100; ++tenth) {  // 10 s, in steps as the gateway's
      next();
      advance(100ms);
    }
    for (auto minute = std::chrono::minutes(0); minute < cut; ++minute) {
      next();
      clock_.advance(1min);
      uplink_->tick();
    }
    wait_for_commit();
    if (cut > 24h) {  // and a kill on its last day
      crash();
      start();
    } else {
      online();
    }
    drain_into();
  }
  EXPECT_EQ(arrived, expected);
  EXPECT_EQ(status().queued, 0U);
  EXPECT_EQ(status().dropped + status().expired + status().aged, 0U);
}

class AgeTest : public testing::UplinkFixture {
 protected:
  AgeTest() { settings_.queue.max_age = 1h; }
  std::vector<std::string> left() {
    start();
    return drain();
  }
};

TEST_F(AgeTest, WhatIsTooOldIsDroppedAndCountedAlsoWhileNothingIsSent) {
  open();
  append("old");
  advance(40min);
  append("young");
  advance(30min);
  EXPECT_EQ(status().aged, 1U);
  EXPECT_EQ(status().queued, 1U);
  uplink_->start();
  online();
  EXPECT_THAT(drain(), ElementsAre("young"));
}

TEST_F(AgeTest, CountsTheTimeThatTheGatewayWasOff) {
  open();
  append("1");
  close();
  clock_.advance(59min);
  open();
  append("2");
  close();
  clock_.advance(2min);
  EXPECT_THAT(left(), ElementsAre("2"));
}

// FAULTS 23
TEST_F(AgeTest, AClockThatJumpsMakesNothingOld) {
  const auto hour = std::chrono::milliseconds(1h);
  for (const auto jump : {24 * 365 * hour, -24 * hour}) {
    open();
    append("1");
    clock_.jump(jump);  // while it runs
    append("2");
    close();
    clock_.advance(1min);
    open();
    append("3");
    close();
    clock_.jump(jump);  // while it does not
    EXPECT_THAT(left(), ElementsAre("1", "2", "3"));
    close();
  }
}

TEST(DurabilityTest, AProcessCrashNeedsNoSyncAndAPowerLossOneForEachCommit) {
  for (const auto durability : {Durability::ProcessCrash, Durability::PowerLoss}) {
    const testing::Directory directory;
    testing::FaultyDisk disk;
    std::atomic<int> syncs = 0;
    OutboxFile file(directory.path() / "outbox.db", durability);
    disk.fail_if([&](auto operation, auto, auto) {
      syncs += operation == testing::FaultyDisk::Operation::Sync ? 1 : 0;
      return false;
    });
    for (Seq seq = 1; seq <= 10; ++seq) {
      file.begin();
      Row row;
      row.seq = seq;
      row.topic = "t";
      file.insert(row);
      file.commit();
    }
    EXPECT_EQ(syncs >= 10, durability == Durability::PowerLoss) << syncs;
  }
}

}  // namespace
}  // namespace ferrule::bridge

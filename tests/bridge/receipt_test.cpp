// QoS 2 publications of clients that come again because a kill came between the outbox's commit and the broker's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/bridge/uplink_fixture.hpp"

namespace ferrule::bridge {
namespace {

using ::testing::ElementsAre;

class ReceiptTest : public testing::UplinkFixture {
 protected:
  /// As the broker does after a start; `on_disk`: what its own file has.
  void restart(std::uint64_t on_disk) {
    if (uplink_) crash();
    open();
    last_ = std::max(uplink_->remember(on_disk), on_disk);
  }
  void publish(const std::string& payload, std::uint16_t packet_id, bool repeated = false,
               const std::string& client = "pub") {
    auto publication = std::make_shared<mqtt::Publication>();
    publication->topic = "plant/a";
    publication->payload = payload;
    publication->qos = mqtt::Qos::ExactlyOnce;
    publication->origin = client;
    const mqtt::Receipt receipt{++last_, std::hash<std::string>{}(payload), packet_id, repeated};
    const auto ticket = uplink_->append_once(publication, receipt);
    ASSERT_TRUE(ticket);
    EXPECT_GT(*ticket, 0U);
    wait_for_commit();
  }
  std::vector<std::string> queued() {
    uplink_->start();
    online();
    return drain();
  }

  std::uint64_t last_ = 0;  ///< receipt
};

TEST_F(ReceiptTest, WhatTheOutboxHasAndTheBrokerNotIsTakenOnce) {
  restart(0);
  publish("1", 7);
  publish("2", 8);
  restart(1);
  publish("2", 8, true);
  publish("3", 9, true);  // this one had not come
  EXPECT_THAT(queued(), ElementsAre("1", "2", "3"));
}

TEST_F(ReceiptTest, WhatTheBrokerHasOnDiskDoesNotComeAgainAndItsPacketIdentifierIsFree) {
  restart(0);
  publish("same", 7);
  restart(1);
  publish("same", 7, true);  // another one, for the broker would have known the first
  EXPECT_THAT(queued(), ElementsAre("same", "same"));
}

TEST_F(ReceiptTest, WithoutItsDupFlagOrWithOtherContentsItIsAnotherPublication) {
  restart(0);
  publish("1", 7);
  publish("2", 8);
  restart(0);
  publish("1", 7);
  publish("other", 8, true);
  EXPECT_THAT(queued(), ElementsAre("1", "2", "1", "other"));
}

TEST_F(ReceiptTest, OneClientsPacketIdentifiersAreNotAnothers) {
  restart(0);
  publish("1", 7);
  restart(0);
  publish("1", 7, true, "other client");
  EXPECT_THAT(queued(), ElementsAre("1", "1"));
}

TEST_F(ReceiptTest, IsKnownHoweverManyKillsLaterItsClientComesBack) {
  restart(0);
  publish("1", 7);
  restart(0);
  publish("2", 1, false, "other client");
  restart(last_);  // the broker has this later one on disk, and not that
  restart(last_);
  publish("1", 7, true);
  restart(last_ - 1);
  publish("1", 7, true);
  EXPECT_THAT(queued(), ElementsAre("1", "2"));
}

TEST_F(ReceiptTest, GoesWhenTheBrokerHasItOnDisk) {
  restart(0);
  for (std::uint16_t i = 1; i <= 50; ++i) {
    publish(std::to_string(i), i);
    uplink_->remember(last_);
  }
  crash();
  EXPECT_EQ(OutboxFile(directory_.path() / "outbox-hq.db").receipts().size(), 1U);
}

TEST_F(ReceiptTest, NumbersRiseAcrossRestarts) {
  restart(0);
  publish("1", 7);
  publish("2", 8);
  crash();
  open();
  EXPECT_EQ(uplink_->remember(1), 2U);
}

}  // namespace
}  // namespace ferrule::bridge

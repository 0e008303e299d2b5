#include "bridge/batch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/bridge/uplink_fixture.hpp"

namespace ferrule::bridge {
namespace {

using namespace std::chrono_literals;
using mqtt::Reason;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string item(const std::string& payload) { return R"({"topic":"plant/a","payload":)" + payload + "}"; }

class BatchTest : public testing::UplinkFixture {
 protected:
  BatchTest() {
    settings_.out.front().to = "sites/1";
    settings_.out.front().batch.emplace();
  }
  std::vector<Seq> seqs() const {
    std::vector<Seq> all;
    for (const auto& one : link_->sent) all.push_back(one.seq);
    return all;
  }
};

TEST(BatchItem, HoldsWhatIsJsonAsItIsAndTextAndBytesInTheirWay) {
  EXPECT_EQ(batch_item("a\"b", R"({"v":1.50})"), R"({"topic":"a\"b","payload":{"v":1.50}})");
  EXPECT_EQ(batch_item("t", "on \"now\""), R"({"topic":"t","payload":"on \"now\""})");
  EXPECT_EQ(batch_item("t", ""), R"({"topic":"t","payload":""})");
  EXPECT_EQ(batch_item("t", "\xff\x01"), R"({"topic":"t","base64":"/wE="})");
  EXPECT_TRUE(is_batch_item(batch_item("t", "1")));
  EXPECT_FALSE(is_batch_item(R"({"v":1})"));
}

TEST_F(BatchTest, GathersUntilTheFirstHasWaitedLongEnough) {
  start();
  append("1");
  append("2");
  advance(900ms);
  EXPECT_THAT(link_->sent, IsEmpty());
  advance(200ms);
  ASSERT_EQ(link_->sent.size(), 1U);
  EXPECT_EQ(link_->sent[0].topic, "sites/1");
  EXPECT_EQ(link_->sent[0].payload, "[" + item("1") + "," + item("2") + "]");
  EXPECT_EQ(link_->sent[0].qos, mqtt::Qos::AtLeastOnce);
  EXPECT_EQ(status().queued, 2U);
}

TEST_F(BatchTest, ItsMembersAreAcknowledgedTogether) {
  start();
  append("1", true);
  append("2", true);
  append("3");
  advance(1100ms);
  settle_all_sent();
  EXPECT_EQ(status().queued, 0U);
  EXPECT_EQ(status().in_flight, 0U);
  EXPECT_EQ(status().acknowledged, 3U);
  close();
  start();
  EXPECT_EQ(status().queued, 0U);
}

TEST_F(BatchTest, TakesOneMessageOfTheWindowHoweverMany) {
  settings_.window = 1;
  start();
  for (int i = 0; i < 20; ++i) append("1");
  advance(1100ms);
  EXPECT_EQ(link_->sent.size(), 1U);
  append("2");
  advance(2000ms);
  EXPECT_EQ(link_->sent.size(), 1U);
  settle_all_sent();
  advance(1100ms);
  EXPECT_THAT(link_->take_payloads(), ElementsAre("[" + item("2") + "]"));
}

TEST_F(BatchTest, StaysBelowItsSizeAndTheClouds) {
  settings_.out.front().batch->max_size = 1'000;
  settings_.window = 10;
  start();
  for (int i = 0; i < 4; ++i) append('"' + std::string(400, 'x') + '"');
  append("1");
  advance(1100ms);
  ASSERT_EQ(link_->sent.size(), 2U);
  for (const auto& one : link_->sent) EXPECT_LE(one.payload.size(), 1'000U);
  settle_all_sent();
  limits_.maximum_packet_size = 700;
  offline();
  online();
  for (int i = 0; i < 2; ++i) append('"' + std::string(400, 'x') + '"');
  advance(1100ms);
  EXPECT_EQ(link_->sent.size(), 2U);
}

TEST_F(BatchTest, WhatGoesElsewhereDoesNotWaitForIt) {
  settings_.out.push_back({*mqtt::TopicFilter::parse("alarm/#"), "{topic}", {}});
  start();
  append("1");
  append("fire", false, mqtt::Qos::AtLeastOnce, "alarm/a");
  EXPECT_THAT(link_->take_payloads(), ElementsAre("[" + item("1") + "]", "fire"));
}

TEST_F(BatchTest, AfterALossAllOfItIsSentAgainInOrder) {
  start();
  append("1");
  append("2");
  advance(1100ms);
  append("3");  // gathered, not sent
  link_->sent.clear();
  offline();
  advance(2000ms);
  online();
  EXPECT_EQ(status().repeated, 2U);
  advance(1100ms);
  EXPECT_THAT(link_->take_payloads(), ElementsAre("[" + item("1") + "," + item("2") + "," + item("3") + "]"));
}

TEST_F(BatchTest, AfterAKillWhatWasCommittedIsGatheredAgain) {
  start();
  append("1", true);
  append("2", true);
  wait_for_commit();
  advance(1100ms);
  crash();
  start();
  advance(1100ms);
  EXPECT_THAT(link_->take_payloads(), ElementsAre("[" + item("1") + "," + item("2") + "]"));
}

TEST_F(BatchTest, OfARefusedOneOnlyTheMemberIsParkedThatIsToBlame) {
  start();
  append("1");
  append("2");
  append("3");
  advance(1100ms);
  const auto first = link_->sent.at(0).seq;
  link_->sent.clear();
  settle(first, Reason::PayloadFormatInvalid);
  EXPECT_EQ(status().parked, 0U);
  advance(2500ms);
  ASSERT_THAT(seqs(), ElementsAre(first, first + 1, first + 2));
  EXPECT_EQ(link_->sent[1].payload, "[" + item("2") + "]");
  link_->sent.clear();
  settle(first);
  settle(first + 1, Reason::PayloadFormatInvalid);
  settle(first + 2);
  EXPECT_EQ(status().parked, 1U);
  EXPECT_EQ(status().queued, 0U);
  EXPECT_EQ(status().acknowledged, 2U);
}

TEST_F(BatchTest, ACloudThatIsFullGetsItAgainAsAWhole) {
  start();
  append("1");
  append("2");
  advance(1100ms);
  const auto sent = link_->sent.at(0).payload;
  settle(link_->sent.at(0).seq, Reason::QuotaExceeded);
  link_->sent.clear();
  advance(2500ms);
  EXPECT_THAT(link_->take_payloads(), ElementsAre(sent));
}

TEST_F(BatchTest, IsCompressedAsAWhole) {
  settings_.out.front().compress = Compression::Zstd;
  start();
  for (int i = 0; i < 100; ++i) append("1");
  advance(1100ms);
  ASSERT_EQ(link_->sent.size(), 1U);
  EXPECT_LT(link_->sent[0].payload.size(), 100U);
  EXPECT_THAT(link_->sent[0].properties, ::testing::HasSubstr("zstd"));
}

TEST_F(BatchTest, TheCloudThatTakesOnlyQos0HasItOnceItIsSentByPaho) {
  settings_.client = Client::Paho;
  limits_.maximum_qos = mqtt::Qos::AtMostOnce;
  start();
  append("1");
  append("2");
  advance(1100ms);
  EXPECT_EQ(link_->sent.size(), 1U);
  EXPECT_EQ(status().queued, 0U);
}

TEST_F(BatchTest, AtQos2ItIsOneExchangeThatGoesOnAfterALossAndAfterAKillForAllItsMembers) {
  settings_.out.front().qos = mqtt::Qos::ExactlyOnce;
  start();
  append("1", true);
  append("2");
  advance(1100ms);
  ASSERT_EQ(link_->sent.size(), 1U);
  EXPECT_EQ(link_->sent[0].qos, mqtt::Qos::ExactlyOnce);
  const auto leader = link_->sent[0].seq;
  link_->state.put({{leader, "s5-1", "the batch"}});
  link_->sent.clear();
  offline();
  online();
  advance(2000ms);
  EXPECT_THAT(link_->sent, IsEmpty());
  crash();
  start();
  EXPECT_EQ(status().queued, 2U);
  EXPECT_EQ(status().in_flight, 2U);
  advance(2000ms);
  EXPECT_THAT(link_->sent, IsEmpty());
  settle(leader);
  EXPECT_EQ(status().queued, 0U);
  EXPECT_EQ(status().acknowledged, 2U);
  append("3", true, mqtt::Qos::ExactlyOnce);
  advance(1100ms);
  EXPECT_THAT(link_->take_payloads(), ElementsAre("[" + item("3") + "]"));
  close();
  start();
  EXPECT_EQ(status().queued, 1U);
}

TEST_F(BatchTest, AtQos2OneThatWasNotRecordedIsSentAgainAndOneThatIsRefusedFallsApart) {
  settings_.out.front().qos = mqtt::Qos::ExactlyOnce;
  start();
  append("1");
  append("2");
  advance(1100ms);
  const auto sent = link_->take_payloads();
  offline();
  advance(1000ms);
  online();
  advance(1100ms);
  ASSERT_EQ(link_->sent.size(), 1U);
  EXPECT_EQ(link_->sent[0].payload, sent.front());
  const auto leader = link_->sent[0].seq;
  link_->sent.clear();
  link_->state.put({{leader, "s5-1", "the batch"}});
  settle(leader, Reason::PayloadFormatInvalid);
  advance(2500ms);
  EXPECT_THAT(seqs(), ElementsAre(leader, leader + 1));
  settle_all_sent();
  EXPECT_EQ(status().queued, 0U);
  EXPECT_EQ(status().parked, 0U);
}

TEST_F(BatchTest, AtQos2OneThatMakesTheCloudHangUpFallsApart) {
  settings_.out.front().qos = mqtt::Qos::ExactlyOnce;
  start();
  append("1");
  append("2");
  advance(1100ms);
  const auto leader = link_->sent.at(0).seq;
  link_->state.put({{leader, "s5-1", "the batch"}});
  link_->sent.clear();
  for (int times = 0; times < 5; ++times) {
    offline();
    online();
  }
  EXPECT_EQ(status().parked, 0U);
  EXPECT_THAT(link_->state.restore(), IsEmpty());
  advance(1100ms);
  EXPECT_EQ(link_->sent.at(0).payload, "[" + item("1") + "]");
}

TEST_F(BatchTest, OneBeingGatheredIsNothingThatTheCloudOwesAnAnswerTo) {
  settings_.out.front().batch->wait = 60s;
  settings_.ack_timeout = 5s;
  start();
  append("1");
  advance(30s);
  EXPECT_EQ(link_->connects, 1);
  EXPECT_FALSE(status().stalled);
}

}  // namespace
}  // namespace ferrule::bridge

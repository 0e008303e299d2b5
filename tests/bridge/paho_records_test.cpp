#include "bridge/paho_records.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <stdexcept>

#include "tests/bridge/memory_state.hpp"

namespace ferrule::bridge {
namespace {

using mqtt::Qos;
using mqtt::Reason;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::MemoryState;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

/// A command as Paho C stores it: type, token, and what it publishes.
std::string command(int packet_id) {
  const int type = 3;
  std::string record(2 * sizeof(int), '\0');
  std::memcpy(record.data(), &type, sizeof type);
  std::memcpy(record.data() + sizeof type, &packet_id, sizeof packet_id);
  return record + "topic";
}

class PahoRecordsTest : public ::testing::Test {
 protected:
  PahoRecords open(int mqtt_version = 5) {
    return PahoRecords(state_, inbound_, mqtt_version,
                       {[this](Seq seq, Reason reason) {
                          state_.done(seq, reason);
                          settled_.emplace_back(seq, reason);
                        },
                        [this] { ++stored_; }, [this](const std::string& what) { failed_ = what; }});
  }
  /// Paho takes a message and its send thread sends it.
  void send(PahoRecords& records, Seq seq, Qos qos, int packet_id) {
    records.publishing(seq, qos);
    records.put("c5-1", command(packet_id));
    EXPECT_EQ(records.get("c5-1"), command(packet_id));
    records.remove("c5-1");
    records.put("s5-" + std::to_string(packet_id), "publish");
  }

  MemoryState state_;
  std::map<std::string, std::string> inbound_;
  std::vector<std::pair<Seq, Reason>> settled_;
  int stored_ = 0;
  std::string failed_;
};

TEST_F(PahoRecordsTest, Qos1LeavesNoRecordAndIsSettledByItsToken) {
  auto records = open();
  records.opened();
  send(records, 7, Qos::AtLeastOnce, 1);
  EXPECT_THAT(state_.restore(), IsEmpty());
  records.remove("s5-1");
  EXPECT_THAT(settled_, IsEmpty());
  records.acknowledged(1, Reason::QuotaExceeded);
  EXPECT_THAT(settled_, ElementsAre(Pair(7, Reason::QuotaExceeded)));
}

TEST_F(PahoRecordsTest, Qos2IsRecordedBeforeItLeavesAndBeforeItIsReleased) {
  auto records = open();
  records.opened();
  records.publishing(7, Qos::ExactlyOnce);
  EXPECT_TRUE(records.storing());
  records.put("c5-1", command(1));
  EXPECT_THAT(state_.restore(), IsEmpty());
  records.put("s5-1", "publish");
  EXPECT_FALSE(records.storing());
  EXPECT_EQ(stored_, 1);
  ASSERT_EQ(state_.restore().size(), 1U);
  EXPECT_EQ(state_.restore()[0].packet, "publish");
  records.put("sc5-1", "release");
  EXPECT_EQ(state_.restore().size(), 2U);
  records.remove("s5-1");
  records.remove("sc5-1");
  records.acknowledged(1, Reason::Success);
  EXPECT_THAT(state_.restore(), IsEmpty());
  EXPECT_THAT(settled_, ElementsAre(Pair(7, Reason::Success)));
}

TEST_F(PahoRecordsTest, ARefusedQos2MessageIsNoDeliveredOne) {
  auto records = open();
  records.opened();
  send(records, 7, Qos::ExactlyOnce, 1);
  records.remove("s5-1");
  records.acknowledged(1, Reason::NotAuthorized);
  EXPECT_THAT(settled_, ElementsAre(Pair(7, Reason::NotAuthorized)));
  EXPECT_THAT(state_.ended(), ElementsAre(Pair(7, false)));
}

TEST_F(PahoRecordsTest, AnUnknownPacketIdInPubcompMeansDelivered) {
  auto records = open();
  records.opened();
  send(records, 7, Qos::ExactlyOnce, 1);
  records.put("sc5-1", "release");
  records.acknowledged(1, Reason::PacketIdentifierNotFound);
  EXPECT_THAT(settled_, ElementsAre(Pair(7, Reason::Success)));
  EXPECT_THAT(state_.ended(), ElementsAre(Pair(7, true)));
}

TEST_F(PahoRecordsTest, GivesPahoTheExchangesUnderWayAndSeesHowTheyEnd) {
  state_.put({{7, "s5-1", "publish 7"}});
  state_.put({{8, "s5-2", "publish 8"}});
  state_.put({{8, "sc5-2", "release 8"}});
  auto records = open();
  EXPECT_THAT(records.keys(), UnorderedElementsAre("s5-1", "s5-2", "sc5-2"));
  EXPECT_EQ(records.get("sc5-2"), "release 8");
  EXPECT_TRUE(records.contains("sc5-2"));
  EXPECT_FALSE(records.contains("sc5-1"));
  records.opened();
  records.remove("s5-2");  // PUBCOMP
  records.remove("sc5-2");
  EXPECT_THAT(settled_, ElementsAre(Pair(8, Reason::Success)));
  records.remove("s5-1");  // no PUBREL before: it was refused, and nobody says why
  EXPECT_THAT(settled_, ElementsAre(Pair(8, Reason::Success), Pair(7, Reason::UnspecifiedError)));
}

TEST_F(PahoRecordsTest, ARestoredExchangeThatIsReleasedNowEndsAsDelivered) {
  state_.put({{7, "s5-1", "publish"}});
  auto records = open();
  records.opened();
  records.put("s5-1", "publish again");
  records.put("sc5-1", "release");
  records.remove("s5-1");
  EXPECT_THAT(settled_, ElementsAre(Pair(7, Reason::Success)));
}

TEST_F(PahoRecordsTest, WhatPahoRemovesWhenItIsDestroyedStays) {
  state_.put({{7, "s5-1", "publish"}});
  auto records = open();
  records.opened();
  records.closing();
  records.remove("s5-1");
  records.acknowledged(1, Reason::Success);
  EXPECT_THAT(settled_, IsEmpty());
  EXPECT_EQ(state_.restore().size(), 1U);
}

TEST_F(PahoRecordsTest, AskingForTheKeysAgainMeansTheSessionIsLost) {
  state_.put({{7, "s5-1", "publish"}});
  auto records = open();
  EXPECT_FALSE(records.keys().empty());
  EXPECT_FALSE(records.keys().empty());  // it asks several times while it opens
  records.opened();
  EXPECT_FALSE(records.session_lost());
  EXPECT_THAT(records.keys(), IsEmpty());
  EXPECT_TRUE(records.session_lost());
  records.remove("s5-1");
  EXPECT_THAT(settled_, IsEmpty());
  send(records, 8, Qos::AtLeastOnce, 1);
  records.acknowledged(1, Reason::Success);
  EXPECT_THAT(settled_, ElementsAre(Pair(8, Reason::Success)));
}

TEST_F(PahoRecordsTest, ARecordThatCannotBeWrittenEndsTheConnection) {
  auto records = open();
  records.opened();
  state_.fail = true;
  records.publishing(7, Qos::ExactlyOnce);
  records.put("c5-1", command(1));
  EXPECT_THROW(records.put("s5-1", "publish"), std::runtime_error);
  EXPECT_EQ(failed_, "disk full");
  EXPECT_TRUE(records.storing());  // no other QoS 2 message may follow
}

TEST_F(PahoRecordsTest, ExchangesOfAnotherProtocolVersionAreGivenUp) {
  state_.put({{7, "s5-1", "publish"}});
  state_.put({{7, "sc5-1", "release"}});
  auto records = open(4);
  EXPECT_THAT(records.keys(), IsEmpty());
  EXPECT_THAT(state_.ended(), ElementsAre(Pair(7, false)));
  EXPECT_THAT(settled_, ElementsAre(Pair(7, Reason::UnspecifiedError)));  // to be sent anew
}

TEST_F(PahoRecordsTest, ReceivedMessagesOutliveTheConnection) {
  {
    auto records = open();
    records.opened();
    records.put("r5-9", "received");
    records.closing();
  }
  auto records = open();
  EXPECT_THAT(records.keys(), ElementsAre("r5-9"));
  EXPECT_EQ(records.get("r5-9"), "received");
  records.opened();
  records.remove("r5-9");
  EXPECT_THAT(inbound_, IsEmpty());
}

TEST_F(PahoRecordsTest, SurvivesKeysAndRecordsThatAreNotAsExpected) {
  auto records = open();
  records.opened();
  records.put("", "x");
  records.put("s5-", "x");
  records.put("c5-1", "ab");
  records.put("s5-99", "nobody's");
  records.put("sc5-99", "nobody's");
  records.remove("s5-99");
  records.remove("nonsense");
  records.acknowledged(99, Reason::Success);
  EXPECT_THROW(records.get("s5-1"), std::out_of_range);
  EXPECT_THAT(settled_, IsEmpty());
}

}  // namespace
}  // namespace ferrule::bridge

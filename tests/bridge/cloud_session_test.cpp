#include "bridge/cloud_session.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "bridge/handshake.hpp"
#include "bridge/link_owner.hpp"
#include "mqtt/framer.hpp"
#include "tests/bridge/memory_state.hpp"
#include "tests/mqtt/wire_text.hpp"

namespace ferrule::bridge {
namespace {

using namespace std::chrono_literals;
using mqtt::Qos;
using mqtt::Reason;
using mqtt::testing::hex;
using mqtt::testing::wire;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::MemoryState;
using ::testing::Pair;

class CloudSessionTest : public ::testing::Test, public LinkEvents {
 protected:
  CloudSessionTest() { settings_.client_id = "gw", settings_.keep_alive = 30s, settings_.session_expiry = 60s; }

  void on_connected(bool) override {}
  void on_disconnected(std::string) override {}
  void on_settled(Seq seq, Reason reason) override {
    state_.done(seq, reason);
    settled_.emplace_back(seq, reason);
  }
  void on_too_much(Reason reason) override { too_much_.push_back(reason); }
  void on_message(mqtt::Publication publication, Arrival arrival) override {
    if (answer_) session_->acknowledge(arrival, *answer_);
    arrived_.push_back(publication.payload);
    last_ = std::move(publication);
  }

  /// A session that knows nothing but what is in state_, connected.
  void begin(bool session_present = true, int mqtt_version = 4) {
    session_ = std::make_unique<CloudSession>(settings_, state_, *this);
    connect(session_present, mqtt_version);
  }
  void connect(bool session_present, int mqtt_version = 4) {
    if (!session_present) state_.clear();
    session_->connect_packet(mqtt_version, {});
    Attempt answer;
    answer.session_present = session_present;
    answer.limits = limits_;
    session_->open(answer);
  }
  void send(Seq seq, Qos qos, const std::string& payload = "p") {
    mqtt::Publication publication;
    publication.payload = payload;
    session_->send(seq, publication, "t", qos, {});
  }
  void commit() {
    while (session_->begin_commit({})) session_->end_commit();
  }
  /// What leaves, in hex; puts on disk what has to be there before.
  std::string sent() {
    commit();
    return left();
  }
  std::string left() {
    auto bytes = session_->output().text();
    session_->output().clear();
    return hex(bytes);
  }
  /// Empty, or why the connection has to end.
  std::string take(const std::string& text) {
    mqtt::Framer framer(1 << 20);
    const auto bytes = wire(text);
    framer.feed(bytes);
    for (auto frame = framer.next(); frame && *frame; frame = framer.next()) {
      if (const auto taken = session_->take(**frame, {}); !taken) return taken.error();
    }
    return {};
  }
  std::vector<std::string> keys() {
    std::vector<std::string> keys;
    for (const auto& record : state_.restore()) keys.push_back(std::to_string(record.seq) + " " + record.key);
    return keys;
  }

  UplinkSettings settings_;
  LinkLimits limits_;
  MemoryState state_;
  std::vector<std::pair<Seq, Reason>> settled_;
  std::vector<Reason> too_much_;
  std::optional<Reason> answer_ = Reason::Success;  // at once, to what comes
  std::vector<std::string> arrived_;
  std::optional<mqtt::Publication> last_;
  std::unique_ptr<CloudSession> session_;
};

TEST_F(CloudSessionTest, ConnectsToASessionThatStays) {
  settings_.username = "me";
  settings_.password = "pw";
  CloudSession session(settings_, state_, *this);
  EXPECT_EQ(hex(session.connect_packet(4, "pw")), hex(wire("10 [ ('MQTT') 04 C0 001E ('gw') ('me') ('pw') ]")));
  EXPECT_EQ(hex(session.connect_packet(5, "pw")),
            hex(wire("10 [ ('MQTT') 05 C0 001E [ 11 0000003C 21 0064 27 00100000 ] ('gw') ('me') ('pw') ]")));
}

TEST_F(CloudSessionTest, BeginsAnotherSessionWhenAsked) {
  CloudSession session(settings_, state_, *this);
  EXPECT_EQ(hex(session.connect_packet(4, {}, true)), hex(wire("10 [ ('MQTT') 04 02 001E ('gw') ]")));
  EXPECT_EQ(hex(session.connect_packet(5, {}, true)),
            hex(wire("10 [ ('MQTT') 05 02 001E [ 11 0000003C 21 0064 27 00100000 ] ('gw') ]")));
}

TEST_F(CloudSessionTest, LeavesAWillThatSaysThatItIsOffline) {
  settings_.status_topic = "s";
  begin(true, 5);
  EXPECT_EQ(hex(session_->connect_packet(5, {})),
            hex(wire("10 [ ('MQTT') 05 2C 001E [ 11 0000003C 21 0064 27 00100000 ] ('gw') [ ] ('s') "
                     "('{\"state\":\"offline\"}') ]")));
  session_->disconnect(false);
  EXPECT_EQ(sent(), hex(wire("E0 00")));
  session_->disconnect(true);
  EXPECT_EQ(sent(), hex(wire("E0 01 04")));
  session_->connect_packet(4, {});
  session_->disconnect(true);  // 3.1.1 knows no word for it
  EXPECT_EQ(sent(), "");
}

class EdgeNodeSession : public CloudSessionTest {
 protected:
  EdgeNodeSession() {
    settings_.session_expiry = 0s;
    settings_.sparkplug.emplace();
    settings_.sparkplug->group = "g", settings_.sparkplug->node = "n";
  }
  /// The death that says this bdSeq.
  static std::string death(const std::string& bd_seq) { return "12 0B 0A 05 'bdSeq' 20 04 58 " + bd_seq; }
};

TEST_F(EdgeNodeSession, LeavesItsDeathAsTheWillOfACleanSession) {
  // tck-id-message-flow-edge-node-birth-publish-will-message tck-id-payloads-ndeath-will-message
  // tck-id-message-flow-edge-node-birth-publish-will-message-topic
  // tck-id-message-flow-edge-node-birth-publish-will-message-payload
  // tck-id-message-flow-edge-node-birth-publish-will-message-qos tck-id-payloads-ndeath-will-message-qos
  // tck-id-message-flow-edge-node-birth-publish-will-message-will-retained tck-id-payloads-ndeath-will-message-retain
  // tck-id-principles-persistence-clean-session-311 tck-id-principles-persistence-clean-session-50
  CloudSession session(settings_, state_, *this);
  EXPECT_EQ(hex(session.connect_packet(4, {})),
            hex(wire("10 [ ('MQTT') 04 0E 001E ('gw') ('spBv1.0/g/NDEATH/n') (" + death("00") + ") ]")));
  EXPECT_EQ(
      hex(session.connect_packet(5, {})),
      hex(wire("10 [ ('MQTT') 05 0E 001E [ 11 00000000 21 0064 27 00100000 ] ('gw') [ ] ('spBv1.0/g/NDEATH/n') (" +
               death("01") + ") ]")));
  EXPECT_EQ(session.bd_seq(), 1U);
}

TEST_F(EdgeNodeSession, CountsItsSessionsOverRestartsAndBeginsAnewAfter255) {
  for (int i = 0; i < 255; ++i) {
    begin(false);
    sent();
  }
  EXPECT_EQ(session_->bd_seq(), 254U);
  EXPECT_THAT(keys(), ElementsAre("0 bd-254"));
  begin(false, 5);
  sent();
  EXPECT_EQ(session_->bd_seq(), 255U);
  begin(true, 5);  // a server that keeps what it was told not to
  EXPECT_EQ(session_->bd_seq(), 0U);
}

TEST_F(EdgeNodeSession, SaysItsDeathBeforeItDisconnects) {
  // tck-id-operational-behavior-edge-node-intentional-disconnect-ndeath
  // tck-id-operational-behavior-edge-node-intentional-disconnect-packet
  // tck-id-payloads-ndeath-will-message-publisher tck-id-payloads-ndeath-will-message-publisher-disconnect-mqtt311
  // tck-id-payloads-ndeath-will-message-publisher-disconnect-mqtt50
  begin(false, 4);
  session_->disconnect(true);
  EXPECT_EQ(sent(), hex(wire("30 [ ('spBv1.0/g/NDEATH/n') " + death("00") + " ] E0 00")));
  begin(false, 5);
  session_->disconnect(false);
  EXPECT_EQ(sent(), hex(wire("30 [ ('spBv1.0/g/NDEATH/n') 00 " + death("01") + " ] E0 00")));
}

TEST_F(EdgeNodeSession, AsksForWhatIsRetainedToo) {
  begin(false, 5);
  session_->subscribe("s", Qos::AtLeastOnce);
  EXPECT_EQ(sent(), hex(wire("82 [ 0001 00 ('s') 05 ]")));
}

TEST_F(CloudSessionTest, Qos0IsSettledByThePingrespBehindIt) {
  begin();
  send(0, Qos::AtMostOnce);
  EXPECT_EQ(sent(), hex(wire("30 [ ('t') 'p' ]")));  // nobody wants to know
  send(1, Qos::AtMostOnce);
  send(2, Qos::AtMostOnce);
  EXPECT_EQ(sent(), hex(wire("30 [ ('t') 'p' ] 30 [ ('t') 'p' ] C0 00")));
  send(3, Qos::AtMostOnce);
  EXPECT_EQ(sent(), hex(wire("30 [ ('t') 'p' ]")));  // one PINGREQ at a time
  session_->ping();                                  // that of the keep-alive
  sent();
  EXPECT_EQ(take("D0 00"), "");
  EXPECT_THAT(settled_, ElementsAre(Pair(1, Reason::Success), Pair(2, Reason::Success)));
  EXPECT_EQ(sent(), "");
  EXPECT_EQ(take("D0 00"), "");
  EXPECT_EQ(settled_.size(), 3U);
  EXPECT_EQ(take("D0 00"), "");  // nobody asked
  EXPECT_EQ(settled_.size(), 3U);
  send(4, Qos::AtMostOnce);
  session_->close();
  begin();
  EXPECT_EQ(sent(), "");
}

TEST_F(CloudSessionTest, PassesOnHowLongACommandHoldsAndItsProperties) {
  begin(true, 5);
  EXPECT_EQ(take("30 [ ('t') [ 02 0000000A 08 ('r') 26 ('k') ('v') ] 'p' ]"), "");
  sent();
  ASSERT_TRUE(last_);
  EXPECT_EQ(last_->expires, CloudSession::Time() + 10s);
  EXPECT_EQ(hex(last_->properties), hex(wire("08 ('r') 26 ('k') ('v')")));
}

TEST_F(CloudSessionTest, Qos1IsSettledByItsPubackAndLeavesNoRecord) {
  begin();
  send(7, Qos::AtLeastOnce);
  EXPECT_EQ(sent(), hex(wire("32 [ ('t') 0001 'p' ]")));
  EXPECT_THAT(keys(), IsEmpty());
  EXPECT_EQ(take("40 02 0001"), "");
  EXPECT_THAT(settled_, ElementsAre(Pair(7, Reason::Success)));
}

TEST_F(CloudSessionTest, Qos2IsRecordedBeforeItLeavesAndBeforeItIsReleased) {
  begin();
  send(7, Qos::ExactlyOnce);
  EXPECT_EQ(sent(), hex(wire("34 [ ('t') 0001 'p' ]")));
  EXPECT_THAT(keys(), ElementsAre("7 s-1"));
  EXPECT_EQ(hex(state_.restore().front().packet), hex(wire("34 [ ('t') 0001 'p' ]")));
  EXPECT_EQ(take("50 02 0001"), "");
  EXPECT_EQ(sent(), "62 02 00 01");
  EXPECT_THAT(keys(), ElementsAre("7 s-1", "7 sc-1"));
  EXPECT_EQ(take("70 02 0001"), "");
  EXPECT_THAT(keys(), IsEmpty());
  EXPECT_THAT(state_.ended(), ElementsAre(Pair(7, true)));
  EXPECT_THAT(settled_, ElementsAre(Pair(7, Reason::Success)));
}

TEST_F(CloudSessionTest, WhatGathersIsPutOnDiskInOneCommit) {
  begin();
  for (Seq seq = 1; seq <= 50; ++seq) send(seq, Qos::ExactlyOnce);
  sent();
  EXPECT_EQ(state_.puts, 1);
  take("50 02 0001 50 02 0002 50 02 0003");
  send(51, Qos::ExactlyOnce);
  sent();
  EXPECT_EQ(state_.puts, 2);
}

TEST_F(CloudSessionTest, NothingButWhatHasToBeOnDiskWaitsForIt) {
  begin();
  send(1, Qos::ExactlyOnce);
  sent();
  state_.hold = true;
  take("50 02 0001");
  ASSERT_TRUE(session_->begin_commit({}));
  EXPECT_EQ(left(), "");
  send(2, Qos::AtLeastOnce);
  send(3, Qos::ExactlyOnce);
  take("32 [ ('c') 0005 'on' ]");
  EXPECT_FALSE(session_->begin_commit({}));  // one at a time
  EXPECT_FALSE(session_->end_commit());
  EXPECT_EQ(left(), hex(wire("32 [ ('t') 0002 'p' ]")));
  state_.let_go();
  EXPECT_TRUE(session_->end_commit());
  EXPECT_EQ(left(), "62 02 00 01");
  ASSERT_TRUE(session_->begin_commit({}));
  take("50 02 0001");  // again: its PUBREL stays behind what waits
  state_.let_go();
  EXPECT_TRUE(session_->end_commit());
  EXPECT_EQ(left(), hex(wire("40 02 0005 34 [ ('t') 0003 'p' ]")));
  EXPECT_EQ(sent(), "62 02 00 01");
}

TEST_F(CloudSessionTest, WritesDownWhatIsAheadAndSendsItAsSoonAsThereIsRoom) {
  settings_.window = 2;
  begin();
  for (Seq seq = 1; seq <= 4; ++seq) send(seq, Qos::ExactlyOnce);
  EXPECT_EQ(sent(), hex(wire("34 [ ('t') 0001 'p' ] 34 [ ('t') 0002 'p' ]")));
  EXPECT_THAT(keys(), ElementsAre("1 s-1", "2 s-2", "3 s-3", "4 s-4"));
  EXPECT_EQ(state_.puts, 1);
  take("50 02 0001");
  EXPECT_EQ(sent(), "62 02 00 01");
  take("70 02 0001");
  EXPECT_EQ(left(), hex(wire("34 [ ('t') 0003 'p' ]")));
  session_->close();
  connect(true);  // what has not left is no less under way
  EXPECT_EQ(sent(), hex(wire("3C [ ('t') 0002 'p' ] 3C [ ('t') 0003 'p' ]")));
}

TEST_F(CloudSessionTest, GivesAsManyTopicsAnAliasAsTheCloudTakes) {
  limits_.topic_alias_maximum = 1;
  begin(true, 5);
  const auto publish = [&](const std::string& topic, Qos qos) {
    session_->send(qos == Qos::AtMostOnce ? 0 : 1, {}, topic, qos, {});
    return sent();
  };
  EXPECT_EQ(publish("t", Qos::AtMostOnce), hex(wire("30 [ ('t') [ 23 0001 ] ]")));
  EXPECT_EQ(publish("t", Qos::AtMostOnce), hex(wire("30 [ ('') [ 23 0001 ] ]")));
  EXPECT_EQ(publish("u", Qos::AtMostOnce), hex(wire("30 [ ('u') [ ] ]")));
  EXPECT_THAT(publish("t", Qos::ExactlyOnce), HasSubstr(hex(wire("('t')"))));
  session_->close();
  connect(false, 5);
  EXPECT_EQ(publish("t", Qos::AtMostOnce), hex(wire("30 [ ('t') [ 23 0001 ] ]")));
}

TEST_F(CloudSessionTest, AnErrorCodeEndsTheExchange) {
  begin(true, 5);
  send(7, Qos::ExactlyOnce);
  send(8, Qos::AtLeastOnce);
  sent();
  EXPECT_EQ(take("50 03 0001 97 40 03 0002 87"), "");
  EXPECT_THAT(settled_, ElementsAre(Pair(7, Reason::QuotaExceeded), Pair(8, Reason::NotAuthorized)));
  EXPECT_THAT(state_.ended(), ElementsAre(Pair(7, false)));
  EXPECT_EQ(sent(), "");
}

TEST_F(CloudSessionTest, AfterAKillExchangesGoOnInTheirOrder) {
  begin();
  for (Seq seq = 1; seq <= 3; ++seq) send(seq, Qos::ExactlyOnce);
  sent();
  take("50 02 0002");
  sent();
  begin();
  EXPECT_EQ(sent(), hex(wire("3C [ ('t') 0001 'p' ] 62 02 0002 3C [ ('t') 0003 'p' ]")));
  EXPECT_EQ(take("50 02 0001 70 02 0002 50 02 0003"), "");
  EXPECT_THAT(settled_, ElementsAre(Pair(2, Reason::Success)));
  EXPECT_EQ(sent(), "62 02 00 01 62 02 00 03");
}

TEST_F(CloudSessionTest, TakesUpWhatPahoLeft) {
  state_.put({{7, "s5-9", wire("34 [ ('t') 0009 00 'p' ]")}, {8, "s5-10", "34"}, {8, "sc5-10", wire("62 02 000A")}});
  begin(true, 5);
  EXPECT_EQ(sent(), hex(wire("3C [ ('t') 0009 00 'p' ] 62 02 000A")));
}

TEST_F(CloudSessionTest, ResumesNoMoreAtOnceThanTheCloudTakes) {
  begin(true, 5);
  for (Seq seq = 1; seq <= 3; ++seq) send(seq, Qos::ExactlyOnce, "");
  sent();
  limits_.receive_maximum = 2;
  begin(true, 5);
  const auto packet = [](const std::string& id) { return "3C [ ('t') " + id + " [ 26 ('ferrule-id') ('gw-"; };
  EXPECT_EQ(sent(), hex(wire(packet("0001") + "1') ] ] " + packet("0002") + "2') ] ]")));
  EXPECT_EQ(take("50 02 0001"), "");
  EXPECT_EQ(sent(), "62 02 00 01");
  EXPECT_EQ(take("70 02 0001"), "");
  EXPECT_EQ(sent(), hex(wire(packet("0003") + "3') ] ]")));
}

TEST_F(CloudSessionTest, ALostSessionForgetsTheExchanges) {
  begin();
  send(7, Qos::ExactlyOnce);
  sent();
  session_->close();
  connect(false);
  EXPECT_EQ(sent(), "");
  send(7, Qos::ExactlyOnce);
  EXPECT_EQ(sent(), hex(wire("34 [ ('t') 0002 'p' ]")));
}

TEST_F(CloudSessionTest, ExchangesOfAnotherVersionAreGivenUp) {
  begin(true, 5);
  send(7, Qos::ExactlyOnce);
  sent();
  begin(true, 4);
  EXPECT_EQ(sent(), "");
  EXPECT_THAT(settled_, ElementsAre(Pair(7, Reason::UnspecifiedError)));
  EXPECT_THAT(state_.ended(), ElementsAre(Pair(7, false)));
}

TEST_F(CloudSessionTest, WhatCouldNotBeRecordedNeverWasSent) {
  begin();
  send(7, Qos::ExactlyOnce);
  sent();
  take("50 02 0001");
  send(8, Qos::ExactlyOnce);
  state_.fail = true;
  EXPECT_THROW(commit(), std::runtime_error);
  session_->close();
  state_.fail = false;
  connect(true);
  EXPECT_EQ(sent(), hex(wire("3C [ ('t') 0001 'p' ]")));  // not yet released, and the other one is its sender's
}

TEST_F(CloudSessionTest, AnswersWhatTheCloudRepeats) {
  begin(true, 5);
  send(7, Qos::ExactlyOnce);
  sent();
  take("50 02 0001");
  sent();
  const int puts = state_.puts;
  EXPECT_EQ(take("50 02 0001"), "");
  EXPECT_EQ(sent(), "62 02 00 01");
  EXPECT_EQ(state_.puts, puts);
  take("70 02 0001");
  EXPECT_EQ(take("50 02 0001"), "");
  EXPECT_EQ(sent(), "62 03 00 01 92");
  EXPECT_EQ(take("70 02 0001 40 02 0001"), "");
  EXPECT_EQ(sent(), "");
}

TEST_F(CloudSessionTest, TakesAQos2MessageOfTheCloudOnce) {
  begin();
  EXPECT_EQ(take("34 [ ('c') 0005 'on' ] 3C [ ('c') 0005 'on' ]"), "");
  EXPECT_EQ(sent(), "50 02 00 05");  // the second waits for the same answer
  EXPECT_EQ(take("3C [ ('c') 0005 'on' ]"), "");
  EXPECT_EQ(sent(), "50 02 00 05");
  EXPECT_EQ(take("62 02 0005 34 [ ('c') 0005 'off' ]"), "");
  EXPECT_EQ(sent(), "70 02 00 05 50 02 00 05");
  EXPECT_THAT(arrived_, ElementsAre("on", "off"));
}

TEST_F(CloudSessionTest, SaysWhenTheCloudGotTooMuch) {
  for (const auto* code : {"93", "96", "97", "8B"}) {
    begin(true, 5);
    EXPECT_THAT(take(std::string("E0 01 ") + code), HasSubstr("the cloud ended it"));
  }
  EXPECT_THAT(too_much_,
              ElementsAre(Reason::ReceiveMaximumExceeded, Reason::MessageRateTooHigh, Reason::QuotaExceeded));
}

TEST_F(CloudSessionTest, KnowsAfterAKillWhichQos2MessagesOfTheCloudItHasPassedOn) {
  begin();
  EXPECT_EQ(take("34 [ ('c') 0005 'on' ]"), "");
  EXPECT_THAT(arrived_, IsEmpty());  // not before its packet identifier is on disk
  EXPECT_EQ(sent(), "50 02 00 05");
  EXPECT_THAT(arrived_, ElementsAre("on"));
  EXPECT_THAT(keys(), ElementsAre("0 r-5"));
  begin();  // killed
  EXPECT_EQ(take("3C [ ('c') 0005 'on' ]"), "");
  EXPECT_EQ(sent(), "50 02 00 05");
  EXPECT_THAT(arrived_, ElementsAre("on"));
  EXPECT_EQ(take("62 02 0005"), "");
  EXPECT_EQ(sent(), "70 02 00 05");
  EXPECT_THAT(keys(), IsEmpty());
  begin();
  EXPECT_EQ(take("34 [ ('c') 0005 'off' ]"), "");
  sent();
  EXPECT_THAT(arrived_, ElementsAre("on", "off"));
}

TEST_F(CloudSessionTest, AnswersWhatCameWhenItIsToldToAndThatConnectionOnly) {
  answer_.reset();
  begin(true, 5);
  EXPECT_EQ(take("32 [ ('c') 0005 00 'a' ] 34 [ ('c') 0006 00 'b' ] 3C [ ('c') 0006 00 'b' ]"), "");
  EXPECT_EQ(sent(), "");
  EXPECT_THAT(arrived_, ElementsAre("a", "b"));
  session_->acknowledge(1, Reason::Success);
  session_->acknowledge(2, Reason::QuotaExceeded);
  session_->acknowledge(2, Reason::Success);
  EXPECT_EQ(sent(), "40 02 00 05 50 03 00 06 97");
  EXPECT_THAT(keys(), IsEmpty());  // refused, so it may come again
  EXPECT_EQ(take("34 [ ('c') 0006 00 'b' ]"), "");
  sent();
  EXPECT_THAT(arrived_, ElementsAre("a", "b", "b"));
  session_->close();
  connect(true, 5);
  session_->acknowledge(3, Reason::Success);
  EXPECT_EQ(sent(), "");
}

TEST_F(CloudSessionTest, AnswersNothingOfTheCloudsThatCouldNotBeRecorded) {
  begin();
  state_.fail = true;
  EXPECT_EQ(take("34 [ ('c') 0005 'on' ]"), "");
  EXPECT_THROW(commit(), std::runtime_error);
  session_->close();
  state_.fail = false;
  connect(true);
  EXPECT_EQ(take("3C [ ('c') 0005 'on' ]"), "");
  EXPECT_EQ(sent(), "50 02 00 05");
  EXPECT_THAT(arrived_, ElementsAre("on"));
  state_.fail = true;
  EXPECT_EQ(take("62 02 0005"), "");
  EXPECT_THROW(commit(), std::runtime_error);
}

TEST_F(CloudSessionTest, WhatIsOnItsWayToTheDiskIsStillPassedOnToWhoLeavesOrLosesTheConnection) {
  LinkOwner owner(state_, *this);
  session_ = std::make_unique<CloudSession>(settings_, owner, owner);
  connect(true);
  state_.hold = true;
  take("34 [ ('c') 0005 'on' ] 32 [ ('c') 0006 'off' ]");
  ASSERT_TRUE(session_->begin_commit({}));
  std::thread leaving([&] { owner.leave(); });
  std::thread closing([&] { session_->close(); });
  EXPECT_THAT(arrived_, IsEmpty());
  answer_.reset();
  state_.let_go();
  leaving.join();
  closing.join();
  EXPECT_THAT(arrived_, ElementsAre("on", "off"));
  connect(true);
  take("34 [ ('c') 0007 'late' ]");
  EXPECT_THROW(commit(), std::runtime_error);
  EXPECT_EQ(arrived_.size(), 2U);
}

TEST_F(CloudSessionTest, ForgetsWhatItReceivedWithTheSession) {
  begin();
  take("34 [ ('c') 0005 'on' ]");
  sent();
  connect(false);
  take("34 [ ('c') 0005 'off' ]");
  sent();
  EXPECT_THAT(arrived_, ElementsAre("on", "off"));
  begin(true, 5);  // of another version
  EXPECT_THAT(keys(), IsEmpty());
}

TEST_F(CloudSessionTest, SubscribesWithoutWhatItSentItselfAndWhatIsRetained) {
  begin(true, 5);
  session_->subscribe("c/#", Qos::ExactlyOnce);
  EXPECT_EQ(sent(), hex(wire("82 [ 0001 00 ('c/#') 26 ]")));
  EXPECT_EQ(take("90 04 0001 00 02"), "");
}

TEST_F(CloudSessionTest, EndsTheConnectionWhenTheCloudBreaksTheProtocol) {
  const auto ends = [&](const std::string& text) {
    state_.clear();
    begin(true, 5);
    send(7, Qos::ExactlyOnce);
    send(8, Qos::AtLeastOnce);
    sent();
    return take(text);
  };
  EXPECT_THAT(ends("70 02 0001"), HasSubstr("PUBCOMP before PUBREL"));
  EXPECT_THAT(ends("40 02 0001"), HasSubstr("another QoS"));
  EXPECT_THAT(ends("50 02 0002"), HasSubstr("another QoS"));
  EXPECT_THAT(ends("30 [ () [ 23 0001 ] 'p' ]"), HasSubstr("Topic Alias"));
  EXPECT_THAT(ends("10 [ ('MQTT') 05 02 003C 00 ('x') ]"), HasSubstr("protocol"));
  EXPECT_THAT(ends("20 03 00 00 00"), HasSubstr("nobody asked"));
  EXPECT_THAT(ends("36 [ ('t') 0001 00 ]"), HasSubstr("protocol"));
  std::string flood;
  for (int id = 1; id <= 1001; ++id) flood += "34 [ ('t') " + std::to_string(1000 + id) + " 00 ] ";
  EXPECT_THAT(ends(flood), HasSubstr("Receive Maximum"));
  EXPECT_THAT(ends("E0 [ 9D [ 1C ('elsewhere') ] ]"), HasSubstr("Server moved (0x9D), it names elsewhere"));
  EXPECT_EQ(session_->take_server_reference(), "elsewhere");
  EXPECT_EQ(session_->take_server_reference(), "");
}

// FAULTS 21
TEST_F(CloudSessionTest, NothingThatACloudSendsDoesMoreThanEndTheConnection) {
  std::mt19937 random(1);
  int ended = 0;
  for (int i = 0; i < 20'000; ++i) {
    if (i % 100 == 0) begin(true, i % 200 == 0 ? 5 : 4);
    send(static_cast<Seq>(i) + 1, static_cast<Qos>(random() % 3));
    commit();
    session_->output().clear();
    std::string body(random() % 12, '\0');
    for (auto& byte : body) byte = static_cast<char>(random() % 4 == 0 ? random() : random() % 4);
    const mqtt::Frame frame{static_cast<std::uint8_t>(random()), body};
    if (session_->take(frame, {})) continue;
    ++ended;
    session_->close();
    connect(random() % 2 == 0, i / 100 % 2 == 0 ? 5 : 4);
  }
  EXPECT_GT(ended, 1'000);
  EXPECT_LT(ended, 20'000);
}

Attempt answer(const std::string& text, int mqtt_version) {
  const auto bytes = wire(text);
  return read_answer({static_cast<std::uint8_t>(bytes[0]), std::string_view(bytes).substr(2)}, mqtt_version);
}

TEST(CloudAnswer, SaysWhatTheCloudAnnounced) {
  const auto taken = answer("20 [ 01 00 [ 21 0014 24 01 25 00 27 00001000 13 000A ] ]", 5);
  EXPECT_TRUE(taken.connected && taken.session_present);
  EXPECT_EQ(taken.limits.receive_maximum, 20);
  EXPECT_EQ(taken.limits.maximum_qos, Qos::AtLeastOnce);
  EXPECT_FALSE(taken.limits.retain_available);
  EXPECT_EQ(taken.limits.maximum_packet_size, 4096U);
  EXPECT_EQ(taken.keep_alive, 10s);
}

TEST(CloudAnswer, SaysWhyTheCloudRefused) {
  EXPECT_EQ(answer("20 [ 00 87 [ 1F ('no such device') ] ]", 5).cause,
            "refused: Not authorized (0x87): no such device");
  EXPECT_EQ(answer("20 [ 00 9C [ 1C ('other:99') ] ]", 5).server_reference, "other:99");
  EXPECT_EQ(answer("20 02 00 05", 4).cause, "refused: not authorized (5)");
  EXPECT_TRUE(answer("20 02 00 01", 5).wrong_version);
  EXPECT_TRUE(answer("20 [ 00 84 00 ]", 5).wrong_version);
  EXPECT_TRUE(answer("20 02 00 00", 5).wrong_version);
  for (const auto* text : {"20 02 00 09", "20 02 02 00", "20 02 01 05", "20 00", "20 01 00", "40 02 0001"}) {
    const auto refused = answer(text, 4);
    EXPECT_FALSE(refused.connected) << text;
    EXPECT_NE(refused.cause, "") << text;
  }
}

}  // namespace
}  // namespace ferrule::bridge

#include "bridge/uplink.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sysexits.h>

#include "bridge/outbox_file.hpp"
#include "tests/bridge/uplink_fixture.hpp"

namespace ferrule::bridge {
namespace {

using namespace std::chrono_literals;
using mqtt::Qos;
using mqtt::Reason;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

class UplinkTest : public testing::UplinkFixture {};

TEST_F(UplinkTest, SendsAtOnceWhatARouteSelects) {
  start();
  append("yes");
  append("no", false, Qos::AtLeastOnce, "other/a");
  ASSERT_EQ(link_->sent.size(), 1U);
  EXPECT_EQ(link_->sent[0].payload, "yes");
  EXPECT_EQ(link_->sent[0].topic, "plant/a");
  EXPECT_EQ(link_->sent[0].qos, Qos::AtLeastOnce);
  EXPECT_EQ(status().queued, 1U);
}

TEST_F(UplinkTest, TellsHowLongTheOldestWaitsAndHowLongTheCloudTakes) {
  start();
  EXPECT_FALSE(status().oldest);
  append("first");
  clock_.advance(30ms);
  append("second");
  clock_.advance(40ms);
  EXPECT_EQ(status().oldest, 70ms);
  settle(link_->sent[0].seq);
  EXPECT_EQ(status().oldest, 40ms);
  EXPECT_EQ(status().ack_times.sum, 70ms);
  EXPECT_EQ(status().ack_times.counts[4], 1U);  // up to 100 ms, above 50
}

TEST_F(UplinkTest, TakesTheFirstRouteThatMatchesWithItsTopicAndQos) {
  settings_.out.clear();
  settings_.out.push_back({*mqtt::TopicFilter::parse("plant/alarm"), "alarms/{topic}", Qos::ExactlyOnce});
  settings_.out.push_back({*mqtt::TopicFilter::parse("#"), "rest", {}});
  start();
  append("1", false, Qos::AtMostOnce, "plant/alarm");
  append("2", false, Qos::ExactlyOnce, "plant/x");
  ASSERT_EQ(link_->sent.size(), 2U);
  EXPECT_EQ(link_->sent[0].topic, "alarms/plant/alarm");
  EXPECT_EQ(link_->sent[0].qos, Qos::ExactlyOnce);
  EXPECT_EQ(link_->sent[1].topic, "rest");
  EXPECT_EQ(link_->sent[1].qos, Qos::ExactlyOnce);
}

TEST_F(UplinkTest, Qos0IsSentWhileOnlineAndNeverQueued) {
  open();
  append("lost", false, Qos::AtMostOnce);
  EXPECT_EQ(status().skipped, 1U);
  uplink_->start();
  online();
  append("live", false, Qos::AtMostOnce);
  EXPECT_THAT(link_->take_payloads(), ElementsAre("live"));
  EXPECT_EQ(status().queued, 0U);
}

TEST_F(UplinkTest, ATopicThatARouteMakesTooLongIsSkippedAndCounted) {
  settings_.out.front().to = std::string(65'000, 'x') + "/{topic}";
  start();
  append("p", false, Qos::AtLeastOnce, "plant/" + std::string(1000, 'y'));
  EXPECT_THAT(link_->sent, IsEmpty());
  EXPECT_EQ(status().skipped, 1U);
}

// FAULTS 18
TEST_F(UplinkTest, KeepsTheWindowAndTheOrder) {
  start();
  for (const auto* payload : {"1", "2", "3", "4", "5"}) append(payload);
  ASSERT_EQ(link_->sent.size(), 3U);
  EXPECT_EQ(status().in_flight, 3U);
  settle(link_->sent[0].seq);
  settle(link_->sent[1].seq);
  EXPECT_THAT(link_->take_payloads(), ElementsAre("1", "2", "3", "4", "5"));
  EXPECT_EQ(status().acknowledged, 2U);
}

TEST_F(UplinkTest, AReceiveMaximumNarrowsTheWindow) {
  limits_.receive_maximum = 1;
  start();
  append("1");
  append("2");
  EXPECT_THAT(link_->take_payloads(), ElementsAre("1"));
}

TEST_F(UplinkTest, AMaximumQosLowersWhatIsSent) {
  limits_.maximum_qos = Qos::AtLeastOnce;
  start();
  append("1", false, Qos::ExactlyOnce);
  ASSERT_EQ(link_->sent.size(), 1U);
  EXPECT_EQ(link_->sent[0].qos, Qos::AtLeastOnce);
}

TEST_F(UplinkTest, WhatTheCloudTakesOnlyAtQos0IsDoneWhenItHasReadIt) {
  limits_.maximum_qos = Qos::AtMostOnce;
  start();
  for (const auto* payload : {"1", "2", "3", "4", "5"}) append(payload);
  EXPECT_EQ(link_->sent.size(), 3U);  // the window
  EXPECT_EQ(status().queued, 5U);
  drain();
  EXPECT_EQ(status().acknowledged, 5U);
}

TEST_F(UplinkTest, WhatPahoSendsAtQos0IsDoneWhenItIsSent) {
  limits_.maximum_qos = Qos::AtMostOnce;
  settings_.client = Client::Paho;
  start();
  for (const auto* payload : {"1", "2", "3", "4", "5"}) append(payload);
  EXPECT_EQ(link_->sent.size(), 5U);
  EXPECT_EQ(status().queued, 0U);
}

TEST_F(UplinkTest, WhatIsTooLargeForTheCloudIsParkedAndNotSent) {
  limits_.maximum_packet_size = 1000;
  start();
  append(std::string(2000, 'x'));
  append("small");
  EXPECT_THAT(link_->take_payloads(), ElementsAre("small"));
  EXPECT_EQ(status().parked, 1U);
}

TEST_F(UplinkTest, AfterALossSendsAgainWhatWasInFlightInOrder) {
  start();
  for (const auto* payload : {"1", "2", "3", "4"}) append(payload);
  settle(link_->sent[1].seq);
  link_->sent.clear();
  offline();
  append("5");
  EXPECT_THAT(link_->sent, IsEmpty());
  online();
  EXPECT_THAT(link_->take_payloads(), ElementsAre("1", "3", "4"));
  EXPECT_EQ(status().repeated, 3U);
}

// FAULTS 19
TEST_F(UplinkTest, AnExchangeThatIsOnDiskGoesOnByItselfUnlessTheSessionIsLost) {
  start();
  append("1", false, Qos::ExactlyOnce);
  append("2", false, Qos::ExactlyOnce);
  const auto first = link_->sent[0].seq;
  link_->state.put({{first, "s5-1", "packet"}});
  offline();
  link_->sent.clear();
  online();
  EXPECT_THAT(link_->sent, IsEmpty());  // not before the first has ended
  EXPECT_EQ(status().in_flight, 1U);
  offline();
  link_->state.clear();
  online(false);
  EXPECT_THAT(link_->take_payloads(), ElementsAre("1", "2"));
}

TEST_F(UplinkTest, NewMessagesFollowOnlyWhenTheResumedExchangesHaveEnded) {
  start();
  append("1", false, Qos::ExactlyOnce);
  append("2", false, Qos::ExactlyOnce);
  const auto first = link_->sent[0].seq;
  link_->state.put({{first, "s5-1", "packet"}});
  offline();
  link_->sent.clear();
  online();
  settle(first);
  EXPECT_THAT(link_->take_payloads(), ElementsAre("2"));
}

TEST_F(UplinkTest, AnExchangeThatTheCloudForgotHoldsUpTheOthersOnlyForAWhile) {
  start();
  append("1", false, Qos::ExactlyOnce);
  append("2");
  link_->state.put({{link_->sent[0].seq, "s5-1", "packet"}});
  offline();
  link_->sent.clear();
  online();
  advance(19s);
  EXPECT_THAT(link_->sent, IsEmpty());
  advance(2s);
  EXPECT_THAT(link_->take_payloads(), ElementsAre("2"));
}

TEST_F(UplinkTest, AnExchangeThatEndedBeforeWeHeardOfTheConnectionIsNotBegunAnew) {
  start();
  append("1", false, Qos::ExactlyOnce);
  const auto first = link_->sent[0].seq;
  link_->state.put({{first, "s5-1", "packet"}});
  offline();
  link_->sent.clear();
  link_->events.on_limits({});
  link_->events.on_connected(true);  // on the link's thread, while what it posts waits
  settle(first);
  EXPECT_THAT(link_->sent, IsEmpty());
  EXPECT_EQ(status().queued, 0U);
}

TEST_F(UplinkTest, AnExchangeThatGetsOnDiskWhileASilentCloudIsLeftGoesOnAndIsNotBegunAnew) {
  start();
  append("1", false, Qos::ExactlyOnce);
  append("2", false, Qos::ExactlyOnce);
  const auto first = link_->sent[0].seq;
  advance(settings_.ack_timeout + 1s);
  ASSERT_EQ(link_->connects, 2);
  link_->state.put({{first, "s5-1", "packet"}});  // it was sent before the order to connect anew
  link_->sent.clear();
  online();
  EXPECT_THAT(link_->sent, IsEmpty());
  EXPECT_EQ(status().in_flight, 1U);
  settle(first);
  EXPECT_THAT(link_->take_payloads(), ElementsAre("2"));
}

TEST_F(UplinkTest, OfQos2AsManyAgainAsTheWindowAreWrittenAheadButNothingElse) {
  limits_.takes_ahead = true;
  start();
  for (const auto* payload : {"1", "2", "3", "4"}) append(payload);
  EXPECT_EQ(link_->sent.size(), 3U);
  settle_all_sent();
  settle_all_sent();
  for (const auto* payload : {"1", "2", "3", "4", "5", "6", "7"}) append(payload, false, Qos::ExactlyOnce);
  EXPECT_EQ(link_->sent.size(), 6U);
  append("8");
  settle(link_->sent[0].seq);
  settle(link_->sent[1].seq);
  EXPECT_EQ(link_->sent.back().payload, "7");
  for (const std::size_t i : {2U, 3U}) settle(link_->sent[i].seq);
  EXPECT_EQ(link_->sent.back().payload, "7");  // what is not of QoS 2 waits until it can leave at once
  settle(link_->sent[4].seq);
  EXPECT_EQ(link_->sent.back().payload, "8");
}

// FAULTS 16
TEST_F(UplinkTest, ReconnectsWithAGrowingJitteredBackOff) {
  settings_.reconnect = {1s, 4s};
  start();
  offline();
  EXPECT_EQ(status().state, UplinkState::BackingOff);
  EXPECT_EQ(status().last_error, "cut");
  for (const auto longest : {1000ms, 2000ms, 4000ms, 4000ms}) {
    const int before = link_->connects;
    advance(longest / 2 - 100ms);
    EXPECT_EQ(link_->connects, before);
    advance(longest / 2 + 200ms);
    EXPECT_EQ(link_->connects, before + 1);
    EXPECT_EQ(status().state, UplinkState::Connecting);
    offline("refused");
  }
}

TEST_F(UplinkTest, BeginsTheBackOffAnewOnceAMessageGotThrough) {
  settings_.reconnect = {1s, 60s};
  start();
  for (int i = 0; i < 5; ++i) {
    offline();
    advance(60s);
  }
  online();
  append("1");
  settle(link_->sent.back().seq);
  const int before = link_->connects;
  offline();
  advance(1100ms);
  EXPECT_EQ(link_->connects, before + 1);
}

// FAULTS 20
TEST_F(UplinkTest, WaitsWhenTheCloudIsFullAndSendsTheMessageAgain) {
  start();
  append("1");
  settle(link_->sent[0].seq, Reason::QuotaExceeded);
  append("2");
  EXPECT_THAT(link_->take_payloads(), ElementsAre("1"));
  advance(1100ms);
  EXPECT_THAT(link_->take_payloads(), ElementsAre("1", "2"));
  EXPECT_EQ(status().queued, 2U);
}

// FAULTS 20
TEST_F(UplinkTest, ParksWhatTheCloudRefusesForGood) {
  start();
  append("1");
  append("2");
  settle(link_->sent[0].seq, Reason::NotAuthorized);
  EXPECT_EQ(status().parked, 1U);
  EXPECT_EQ(status().queued, 1U);
  close();
  OutboxFile file(directory_.path() / "outbox-hq.db");
  EXPECT_EQ(file.parked(), 1U);
  EXPECT_EQ(file.rows(), 1U);
}

// FAULTS 20
TEST_F(UplinkTest, ParksARefusalWithoutAReasonOnlyAfterSomeAttempts) {
  start();
  append("1");
  for (int attempt = 1; attempt <= 5; ++attempt) {
    ASSERT_EQ(link_->sent.size(), 1U) << attempt;
    EXPECT_EQ(status().parked, 0U);
    const auto seq = link_->sent[0].seq;
    link_->sent.clear();
    settle(seq, Reason::UnspecifiedError);
    advance(20s);
  }
  EXPECT_EQ(status().parked, 1U);
  EXPECT_THAT(link_->sent, IsEmpty());
}

// FAULTS 20
TEST_F(UplinkTest, ACloudThatHangsUpBecauseItGetsTooMuchGetsHalfAndNoMoreThanOneConnectionASecond) {
  settings_.window = 100;
  settings_.reconnect = {100ms, 400ms};
  for (const auto reason : {Reason::MessageRateTooHigh, Reason::ReceiveMaximumExceeded}) {
    start();
    for (int i = 0; i < 1'000; ++i) append(std::to_string(i));
    for (int i = 0; i < 5; ++i) {
      settle_all_sent();
      advance(1s);
    }
    const int before = link_->connects;
    for (int i = 0; i < 10; ++i) {
      link_->events.on_too_much(reason);
      offline();
      advance(1s);
      if (i % 2 == 1) {
        link_->sent.clear();
        online();
        settle(link_->sent.front().seq);  // what would begin the back-off anew
      }
    }
    EXPECT_LE(link_->connects - before, 5);
    link_->sent.clear();
    offline();
    advance(1s);
    online();
    if (reason == Reason::ReceiveMaximumExceeded) {
      EXPECT_LE(link_->sent.size(), 100U >> 4);
    } else {
      advance(900ms);
      EXPECT_LE(link_->sent.size(), 100U >> 1);
    }
    EXPECT_EQ(status().parked, 0U);
    advance(11min);
    offline();
    link_->sent.clear();
    online();
    EXPECT_EQ(link_->sent.size(), 100U);
    close();
    std::filesystem::remove(directory_.path() / "outbox-hq.db");
  }
}

// FAULTS 19
TEST_F(UplinkTest, AllOfAFullWindowIsSentAgainAndCountedWhenTheCloudLostTheSession) {
  settings_.window = 100;
  start();
  for (int i = 1; i <= 150; ++i) append(std::to_string(i), true, i % 2 == 0 ? Qos::ExactlyOnce : Qos::AtLeastOnce);
  ASSERT_EQ(link_->sent.size(), 100U);
  std::vector<LinkState::InFlight> records;
  for (const auto& one : link_->sent) {
    if (one.qos == Qos::ExactlyOnce) records.push_back({one.seq, "s5-" + std::to_string(records.size() + 1), "packet"});
  }
  link_->state.put(records);
  offline();
  link_->sent.clear();
  link_->state.clear();
  online(false);
  const auto again = link_->take_payloads();
  ASSERT_EQ(again.size(), 100U);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(again[static_cast<std::size_t>(i)], std::to_string(i + 1));
  EXPECT_EQ(status().repeated, 100U);
  EXPECT_EQ(status().queued, 150U);
}

TEST_F(UplinkTest, WhatExpiredIsNotSent) {
  open();
  auto publication = std::make_shared<mqtt::Publication>();
  publication->topic = "plant/a";
  publication->qos = Qos::AtLeastOnce;
  publication->published = clock_.now();
  publication->expires = clock_.now() + 10s;
  ASSERT_TRUE(uplink_->append(publication, false));
  uplink_->start();
  advance(11s);
  online();
  EXPECT_THAT(link_->sent, IsEmpty());
  EXPECT_EQ(status().expired, 1U);
  EXPECT_EQ(status().queued, 0U);
}

TEST_F(UplinkTest, AfterARestartSendsWhatWasCommittedInOrderAndNothingTwice) {
  start();
  for (const auto* payload : {"1", "2", "3"}) append(payload, true);
  wait_for_commit();
  settle(link_->sent[0].seq);
  close();
  start();
  EXPECT_THAT(link_->take_payloads(), ElementsAre("2", "3"));
}

TEST_F(UplinkTest, AfterAKillExchangesUnderWayGoOnAndTheirMessagesAreNotSentAnew) {
  start();
  append("1", false, Qos::ExactlyOnce);
  append("2", true, Qos::ExactlyOnce);
  const auto first = link_->sent[0].seq;
  link_->state.put({{first, "s5-1", "packet"}});  // with its row, which nothing had written yet
  crash();
  open();
  EXPECT_EQ(status().queued, 2U);
  EXPECT_EQ(status().in_flight, 1U);
  const auto restored = link_->state.restore();
  ASSERT_EQ(restored.size(), 1U);
  EXPECT_EQ(restored[0].seq, first);
  uplink_->start();
  online();
  EXPECT_THAT(link_->sent, IsEmpty());
  settle(first);
  EXPECT_THAT(link_->take_payloads(), ElementsAre("2"));
  EXPECT_EQ(status().queued, 1U);
}

TEST_F(UplinkTest, ADeliveredMessageIsOffTheDiskBeforeItsPacketIdIsUsedAgain) {
  start();
  append("1", false, Qos::ExactlyOnce);
  append("2", false, Qos::ExactlyOnce);
  const auto first = link_->sent[0].seq;
  const auto second = link_->sent[1].seq;
  link_->state.put({{first, "s5-1", "packet 1"}});
  link_->state.put({{first, "sc5-1", "release 1"}});
  link_->events.on_settled(first, Reason::Success);
  link_->state.put({{second, "s5-1", "packet 2"}});
  crash();  // before the uplink heard that the first was settled
  open();
  EXPECT_EQ(status().queued, 1U);
  const auto restored = link_->state.restore();
  ASSERT_EQ(restored.size(), 1U);
  EXPECT_EQ(restored[0].seq, second);
}

TEST_F(UplinkTest, NeverUsesASeqTwice) {
  start();
  append("1");
  const auto first = link_->sent[0].seq;
  settle(first);  // never written
  crash();
  start();
  append("2");
  EXPECT_GT(link_->sent[0].seq, first);
}

TEST_F(UplinkTest, SubscribesAfterEachConnectionAndPublishesWhatComesUnderItsLocalTopic) {
  settings_.in.push_back({*mqtt::TopicFilter::parse("sites/plant/+/set"), "{topic:1..}", Qos::AtLeastOnce, 10s});
  settings_.in.push_back({*mqtt::TopicFilter::parse("all/#"), "from/{topic}", Qos::ExactlyOnce, 0ms});
  start();
  EXPECT_THAT(link_->subscribed, ElementsAre("sites/plant/+/set", "all/#"));
  offline();
  online();
  EXPECT_EQ(link_->subscribed.size(), 4U);
  published_.clear();
  const auto arrive = [&](const std::string& topic, std::optional<std::chrono::seconds> expiry = {}) {
    mqtt::Publication publication;
    publication.topic = topic;
    publication.payload = "1";
    publication.qos = Qos::ExactlyOnce;
    publication.retain = true;
    if (expiry) publication.expires = clock_.now() + *expiry;
    link_->events.on_message(std::move(publication), 0);
    desk_.run_posted();
  };
  arrive("sites/plant/valve/set");
  arrive("sites/plant/valve/set", 3s);
  arrive("all/x", 60s);
  arrive("nobody/asked");
  ASSERT_EQ(published_.size(), 3U);
  EXPECT_EQ(published_[0]->topic, "plant/valve/set");
  EXPECT_EQ(published_[0]->qos, Qos::AtLeastOnce);
  EXPECT_FALSE(published_[0]->retain);
  EXPECT_EQ(published_[0]->expires, clock_.now() + 10s);
  EXPECT_EQ(published_[1]->expires, clock_.now() + 3s);
  EXPECT_EQ(published_[2]->topic, "from/all/x");
  EXPECT_EQ(published_[2]->expires, clock_.now() + 60s);
  EXPECT_EQ(status().received, 3U);
  EXPECT_EQ(status().received_dropped, 1U);
}

TEST_F(UplinkTest, ACommandIsAcknowledgedWhenItIsOnDiskHereInOrderAndByItsConnection) {
  settings_.in.push_back({*mqtt::TopicFilter::parse("sites/#"), "{topic:1..}", Qos::AtLeastOnce, 0ms});
  start();
  const auto arrive = [&](Arrival arrival) {
    mqtt::Publication publication;
    publication.topic = "sites/x";
    publication.qos = Qos::AtLeastOnce;
    link_->events.on_message(std::move(publication), arrival);
    desk_.run_posted();
  };
  arrive(1);
  EXPECT_THAT(link_->acknowledged, ElementsAre(Pair(1, Reason::Success)));
  taken_ = 1'000'000;
  arrive(2);
  taken_ = tl::unexpected(Reason::QuotaExceeded);
  arrive(3);
  EXPECT_EQ(link_->acknowledged.size(), 1U);
  uplink_->on_disk(999'999);
  EXPECT_EQ(link_->acknowledged.size(), 1U);
  uplink_->on_disk(1'000'000);
  EXPECT_THAT(link_->acknowledged,
              ElementsAre(Pair(1, Reason::Success), Pair(2, Reason::Success), Pair(3, Reason::QuotaExceeded)));
  EXPECT_EQ(status().received_dropped, 1U);
  taken_ = 2'000'000;
  arrive(4);
  offline();
  online();
  uplink_->on_disk(2'000'000);
  EXPECT_EQ(link_->acknowledged.size(), 3U);
}

TEST_F(UplinkTest, ACommandThatCameJustBeforeTheEndIsPassedOn) {
  settings_.in.push_back({*mqtt::TopicFilter::parse("sites/#"), "{topic:1..}", Qos::ExactlyOnce, 0ms});
  start();
  published_.clear();
  mqtt::Publication publication;
  publication.topic = "sites/x";
  publication.qos = Qos::ExactlyOnce;
  link_->events.on_message(std::move(publication), 1);
  uplink_->stop(0ms);
  ASSERT_EQ(published_.size(), 2U);  // and that it is offline
  EXPECT_EQ(published_[1]->topic, "x");
  desk_.run_posted();
  EXPECT_EQ(published_.size(), 2U);
}

TEST_F(UplinkTest, WhereItSaysItselfWhetherItIsThereNothingElseIsCarried) {
  settings_.status_topic = "plant/status";
  start();
  EXPECT_THAT(link_->take_payloads(), ElementsAre(::testing::HasSubstr(R"("state":"online")")));
  ASSERT_TRUE(append("of before", true, Qos::AtLeastOnce, "plant/status"));
  EXPECT_THAT(link_->sent, ::testing::IsEmpty());
  EXPECT_EQ(status().queued, 0U);
}

/// What the cloud kept while the gateway was off.
class MissedCommands : public UplinkTest {
 protected:
  MissedCommands() {
    settings_.keeps_missed = false;
    settings_.in.push_back({*mqtt::TopicFilter::parse("sites/#"), "{topic:1..}", Qos::AtLeastOnce, 0ms});
  }
  void arrive(Arrival arrival = 1) {
    published_.clear();
    mqtt::Publication publication;
    publication.topic = "sites/x";
    publication.qos = Qos::AtLeastOnce;
    link_->events.on_message(std::move(publication), arrival);
    desk_.run_posted();
  }
  /// An exchange of the last run.
  void leave_exchange() {
    open();
    uplink_->start();
    online(false);
    ASSERT_TRUE(append("a", true, Qos::ExactlyOnce));
    const auto seq = link_->sent.at(0).seq;
    link_->state.put({{seq, "s5-1", "packet"}});
    crash();
  }
};

TEST_F(MissedCommands, AreForgottenByBeginningAnotherSession) {
  open();
  uplink_->start();
  EXPECT_EQ(link_->anews, 1);
  EXPECT_EQ(link_->connects, 0);
  online(false);
  EXPECT_THAT(link_->subscribed, ElementsAre("sites/#"));
  arrive();
  EXPECT_EQ(published_.size(), 1U);
  offline();
  advance(2s);
  EXPECT_EQ(link_->anews, 1);  // what comes while the connection is cut is of this run
  EXPECT_EQ(link_->connects, 1);
}

TEST_F(MissedCommands, AreDroppedUntilExchangesOfTheLastRunHaveEnded) {
  leave_exchange();
  open();
  uplink_->start();
  online(true);
  EXPECT_THAT(link_->subscribed, ::testing::IsEmpty());
  arrive();
  EXPECT_THAT(published_, ::testing::IsEmpty());
  EXPECT_THAT(link_->acknowledged, ElementsAre(Pair(1, Reason::Success)));
  EXPECT_EQ(status().received_dropped, 1U);
  ASSERT_TRUE(append("b"));
  EXPECT_THAT(link_->sent, ::testing::IsEmpty());  // or there would be no end of exchanges
  advance(1s);
  EXPECT_EQ(link_->anews, 1);
  const auto seq = link_->state.restore().at(0).seq;
  settle(seq);
  advance(200ms);
  EXPECT_EQ(link_->anews, 2);
  online(false);
  EXPECT_THAT(link_->subscribed, ElementsAre("sites/#"));
  EXPECT_THAT(link_->take_payloads(), ElementsAre("b"));
  arrive(2);
  EXPECT_EQ(published_.size(), 1U);
}

TEST_F(MissedCommands, DoNotKeepTheQueueBackForEverWhenTheCloudEndsNoExchange) {
  leave_exchange();
  open();
  uplink_->start();
  ASSERT_TRUE(append("b"));
  for (int i = 0; i < 3; ++i) {
    online(true);
    EXPECT_EQ(link_->anews, i + 1);
    EXPECT_THAT(link_->sent, ::testing::IsEmpty());
    advance(21s);
  }
  online(true);
  advance(21s);
  EXPECT_THAT(link_->take_payloads(), ElementsAre("b"));
}

TEST_F(MissedCommands, AreNotTheBusinessOfAnUplinkThatTakesNone) {
  settings_.in.clear();
  open();
  uplink_->start();
  EXPECT_EQ(link_->anews, 0);
  EXPECT_EQ(link_->connects, 1);
}

TEST_F(UplinkTest, WhatCameFromACloudGoesToNone) {
  settings_.in.push_back({*mqtt::TopicFilter::parse("plant/#"), "{topic}", Qos::AtLeastOnce, 0ms});
  start();
  published_.clear();
  mqtt::Publication publication;
  publication.topic = "plant/a";
  publication.qos = Qos::AtLeastOnce;
  link_->events.on_message(std::move(publication), 0);
  desk_.run_posted();
  ASSERT_EQ(published_.size(), 1U);
  ASSERT_TRUE(uplink_->append(published_.front(), true));
  EXPECT_THAT(link_->sent, ::testing::IsEmpty());
  EXPECT_EQ(status().queued, 0U);
}

TEST_F(UplinkTest, ARouteStripsTheRetainFlag) {
  settings_.out.front().retain = false;
  start();
  auto publication = std::make_shared<mqtt::Publication>();
  publication->topic = "plant/a";
  publication->qos = Qos::AtLeastOnce;
  publication->retain = true;
  ASSERT_TRUE(uplink_->append(publication, false));
  ASSERT_EQ(link_->sent.size(), 1U);
  EXPECT_FALSE(link_->sent[0].retain);
}

TEST_F(UplinkTest, ARouteCompressesWhatBecomesSmallerByItAndSaysSo) {
  settings_.out.front().compress = Compression::Gzip;
  start();
  append(std::string(10'000, 'x'));
  append("short");
  ASSERT_EQ(link_->sent.size(), 2U);
  EXPECT_LT(link_->sent[0].payload.size(), 100U);
  EXPECT_THAT(link_->sent[0].payload, ::testing::StartsWith("\x1f\x8b"));
  EXPECT_THAT(link_->sent[0].properties, HasSubstr("content-encoding"));
  EXPECT_EQ(link_->sent[1].payload, "short");
  EXPECT_EQ(link_->sent[1].properties, "");
}

TEST_F(UplinkTest, SendsNoMorePerSecondThanTheCloudTakes) {
  settings_.rate = 2;
  start();
  for (const auto* payload : {"1", "2", "3", "4", "5"}) append(payload);
  settle_all_sent();
  EXPECT_EQ(status().queued, 3U);
  advance(500ms);
  EXPECT_THAT(link_->take_payloads(), ElementsAre("3"));
  advance(1000ms);
  EXPECT_THAT(link_->take_payloads(), ElementsAre("4", "5"));
}

TEST_F(UplinkTest, CompressesWithZstandardToo) {
  settings_.out.front().compress = Compression::Zstd;
  start();
  append(std::string(10'000, 'x'));
  append("short");
  ASSERT_EQ(link_->sent.size(), 2U);
  EXPECT_LT(link_->sent[0].payload.size(), 100U);
  EXPECT_THAT(link_->sent[0].payload, ::testing::StartsWith("\x28\xb5\x2f\xfd"));
  EXPECT_THAT(link_->sent[0].properties, HasSubstr("zstd"));
  EXPECT_EQ(link_->sent[1].payload, "short");
}

TEST_F(UplinkTest, SendsNoMoreBytesPerSecondThanTheCloudTakes) {
  settings_.byte_rate = 2'000;
  settings_.window = 10;
  start();
  for (const auto letter : {'a', 'b', 'c', 'd'}) append(std::string(800, letter));
  EXPECT_EQ(link_->sent.size(), 2U);
  advance(1000ms);
  EXPECT_EQ(link_->sent.size(), 4U);
}

TEST_F(UplinkTest, AMessageOfMoreThanASecondsBytesGoesAndTheNextWaitsForIt) {
  settings_.byte_rate = 1'000;
  start();
  append(std::string(3'000, 'x'));
  append("next");
  EXPECT_EQ(link_->sent.size(), 1U);
  advance(2000ms);
  EXPECT_EQ(link_->sent.size(), 1U);
  advance(2000ms);
  EXPECT_EQ(link_->sent.size(), 2U);
}

TEST_F(UplinkTest, TellsLocalSubscribersWhetherItIsOnline) {
  start();
  offline();
  advance(2000ms);
  ASSERT_EQ(published_.size(), 3U);
  for (const auto& one : published_) EXPECT_EQ(one->topic, "$SYS/broker/connection/hq/state");
  EXPECT_TRUE(published_[0]->retain);
  EXPECT_EQ(published_[0]->payload, "0");
  EXPECT_EQ(published_[1]->payload, "1");
  EXPECT_EQ(published_[2]->payload, "0");
}

TEST_F(UplinkTest, TellsLocalSubscribersItsFiguresWhenTheyChanged) {
  start();
  append("1");
  append("2");
  settle(link_->sent[0].seq);
  advance(60s);
  ASSERT_EQ(metrics_.size(), 2U);  // and then nothing changed but that it stalls
  EXPECT_EQ(metrics_[0]->topic, "$SYS/broker/connection/hq/metrics");
  EXPECT_TRUE(metrics_[0]->retain);
  EXPECT_EQ(metrics_[0]->payload, R"({"queued":1,"queued_bytes":56,"in_flight":1,"stalled":false,"acknowledged":1,)"
                                  R"("repeated":0,"dropped":0,"parked":0,"received":0,"connections":1})");
}

TEST_F(UplinkTest, TellsTheCloudThatItIsOnlineWhenItHasATopicForIt) {
  settings_.status_topic = "plant1/status";
  start();
  ASSERT_EQ(link_->sent.size(), 1U);
  EXPECT_EQ(link_->sent[0].topic, "plant1/status");
  EXPECT_EQ(link_->sent[0].payload,
            R"({"state":"online","queued":0,"queued_bytes":0,"in_flight":0,"stalled":false,"acknowledged":0,)"
            R"("repeated":0,"dropped":0,"parked":0,"received":0,"connections":1})");
  EXPECT_TRUE(link_->sent[0].retain);
}

TEST_F(UplinkTest, TellsTheCloudItsFiguresOnceAMinuteWhenTheyChanged) {
  settings_.status_topic = "plant1/status";
  start();
  link_->sent.clear();
  advance(120s);
  EXPECT_THAT(link_->sent, ::testing::IsEmpty());
  append("1");
  ASSERT_EQ(link_->sent.size(), 1U);
  settle(link_->sent[0].seq);
  advance(60s);
  ASSERT_EQ(link_->sent.size(), 2U);
  EXPECT_EQ(link_->sent[1].topic, "plant1/status");
  EXPECT_THAT(link_->sent[1].payload, ::testing::HasSubstr(R"("acknowledged":1,)"));
}

TEST_F(UplinkTest, ConnectsAnewForFreshCredentialsOnceNothingIsUnderWay) {
  start();
  append("1");
  link_->events.on_renewal_due();
  desk_.run_posted();
  append("2");
  ASSERT_EQ(link_->sent.size(), 1U);
  EXPECT_EQ(link_->connects, 1);
  settle_all_sent();
  EXPECT_EQ(link_->connects, 2);
  online();
  EXPECT_THAT(link_->take_payloads(), ElementsAre("2"));
  EXPECT_EQ(status().repeated, 0U);
}

TEST_F(UplinkTest, ConnectsAnewAfterAWhileThoughTheCloudDoesNotAnswer) {
  start();
  append("1");
  link_->events.on_renewal_due();
  desk_.run_posted();
  advance(5100ms);
  EXPECT_EQ(link_->connects, 2);
  link_->take_payloads();
  online();
  EXPECT_THAT(link_->take_payloads(), ElementsAre("1"));
}

TEST_F(UplinkTest, LooksForItsFirstServerOnceAnotherWasGoodForAWhileAndGoesBackWithNothingUnderWay) {
  settings_.failback = 10s;
  limits_.is_first = false;
  start();
  advance(9s);
  EXPECT_EQ(link_->looks, 0);
  advance(1s);
  EXPECT_EQ(link_->looks, 1);
  advance(10s);
  EXPECT_EQ(link_->looks, 2);
  append("1");
  link_->events.on_first_found();
  desk_.run_posted();
  EXPECT_EQ(link_->connects, 1);
  settle_all_sent();
  EXPECT_EQ(link_->connects, 2);
  limits_.is_first = true;
  online();
  advance(30s);
  EXPECT_EQ(link_->looks, 2);
  EXPECT_EQ(status().repeated, 0U);
}

TEST_F(UplinkTest, AFirstServerThatIsThereAndDoesNotTakeUsIsLookedForMoreAndMoreSeldom) {
  settings_.failback = 10s;
  limits_.is_first = false;
  start();
  for (const auto hold_down : {10s, 20s, 40s, 80s, 120s, 120s}) {
    const auto looks = link_->looks;
    advance(hold_down - 1s);
    EXPECT_EQ(link_->looks, looks);
    advance(1s);
    EXPECT_EQ(link_->looks, looks + 1);
    link_->events.on_first_found();
    desk_.run_posted();
    online();
  }
  limits_.is_first = true;
  online();
  limits_.is_first = false;
  online();
  const auto looks = link_->looks;
  advance(10s);
  EXPECT_EQ(link_->looks, looks + 1);
}

// FAULTS 18
TEST_F(UplinkTest, LeavesACloudThatAcknowledgesNothing) {
  start();
  for (const auto* payload : {"1", "2", "3", "4", "5"}) append(payload);
  EXPECT_EQ(status().in_flight, 3U) << "the window";
  advance(9s);
  EXPECT_FALSE(status().stalled);
  advance(2s);
  EXPECT_TRUE(status().stalled);
  link_->take_payloads();
  advance(50s);
  EXPECT_EQ(link_->connects, 2);
  online();
  EXPECT_FALSE(status().stalled);
  EXPECT_THAT(link_->take_payloads(), ElementsAre("1", "2", "3"));
}

TEST_F(UplinkTest, ACloudThatAcknowledgesSomethingIsNotLeft) {
  start();
  append("1");
  append("2");
  append("3");
  for (int i = 0; i < 3; ++i) {
    advance(40s);
    settle(link_->sent[static_cast<std::size_t>(i)].seq);
  }
  EXPECT_EQ(link_->connects, 1);
}

TEST_F(UplinkTest, ASecondOneOnTheSameFileIsRefusedWithItsExitCode) {
  open();
  testing::FakeLink* other = nullptr;
  try {
    Uplink second(
        settings_, directory_.path(), *store_, desk_.post(), clock_, [](const auto&, bool) { return mqtt::Ticket{0}; },
        testing::fake_links(other));
    FAIL() << "opened twice";
  } catch (const config::Error& error) {
    EXPECT_EQ(error.exit_code(), EX_CANTCREAT);
    EXPECT_THAT(error.what(), HasSubstr("uplinks.hq"));
    EXPECT_THAT(error.what(), HasSubstr("another process"));
  }
}

TEST_F(UplinkTest, CanBeDestroyedAfterTheStoreWithoutHavingBeenStopped) {
  start();
  append("1");
  crash();
}

TEST_F(UplinkTest, AMessageThatMakesTheCloudHangUpIsParkedAndTheOthersGoOn) {
  start();
  for (const auto* payload : {"poison", "b", "c"}) append(payload);
  EXPECT_THAT(link_->take_payloads(), ElementsAre("poison", "b", "c"));
  Seq second = 0;
  for (int times = 1; times <= 5; ++times) {
    EXPECT_EQ(status().parked, 0U);
    offline("the cloud closed the connection");
    advance(60s);
    online();
    if (times == 5) second = link_->sent.at(0).seq;
    using Payloads = std::vector<std::string>;
    const auto expected = times <= 2 ? Payloads{"poison", "b", "c"} : times == 5 ? Payloads{"b"} : Payloads{"poison"};
    EXPECT_EQ(link_->take_payloads(), expected) << times;
  }
  EXPECT_EQ(status().parked, 1U);
  settle(second);
  EXPECT_THAT(link_->take_payloads(), ElementsAre("c"));
}

TEST_F(UplinkTest, AQos2MessageThatMakesTheCloudHangUpIsNotResumed) {
  start();
  append("poison", false, Qos::ExactlyOnce);
  const auto seq = link_->sent.at(0).seq;
  link_->state.put({{seq, "s5-1", "packet"}});
  for (int times = 1; times <= 5; ++times) {
    EXPECT_EQ(link_->state.restore().size(), 1U);
    offline("the cloud closed the connection");
    advance(60s);
    online();
  }
  EXPECT_EQ(status().parked, 1U);
  EXPECT_TRUE(link_->state.restore().empty());
}

TEST_F(UplinkTest, AConnectionThatLastedConvictsNoMessage) {
  start();
  append("a");
  for (int times = 1; times <= 10; ++times) {
    advance(6s);  // a cloud that stalls, until keep-alive ends it
    offline("the cloud does not answer any more");
    advance(60s);
    online();
  }
  EXPECT_EQ(status().parked, 0U);
  EXPECT_EQ(status().queued, 1U);
}

}  // namespace
}  // namespace ferrule::bridge

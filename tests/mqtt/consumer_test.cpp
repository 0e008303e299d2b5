// Consumers, acknowledgements that wait for the disk, and clients that do not read.
#include <gtest/gtest.h>

#include <map>

#include "broker_world.hpp"
#include "wire_text.hpp"

namespace ferrule::mqtt::testing {
namespace {

using namespace std::chrono_literals;

/// Answers by topic; takes everything else with ticket 0.
class FakeConsumer final : public Consumer {
 public:
  tl::expected<Ticket, Reason> append(const PublicationPtr& publication, bool durable) override {
    seen += publication->topic + (durable ? "!" : "") + " ";
    if (const auto refusal = refuses.find(publication->topic); refusal != refuses.end()) {
      return tl::unexpected(refusal->second);
    }
    const auto ticket = tickets.find(publication->topic);
    return ticket == tickets.end() ? 0 : ticket->second;
  }

  bool subscribes(std::string_view topic) const override { return topic == "taken"; }

  std::string seen;
  std::map<std::string, Ticket, std::less<>> tickets;
  std::map<std::string, Reason, std::less<>> refuses;
};

TEST(Consumers, SeeEveryPublicationInOrder) {
  World world;
  FakeConsumer consumer;
  world.broker.attach(consumer);
  Peer pub = world.connect();
  pub.send("10 [ ('MQTT') 04 06 0000 ('pub') ('will') ('x') ]").take();
  pub.send("30 [ ('a') ] 32 [ ('b') 0001 ] 34 [ ('c') 0002 ] 3C [ ('c') 0002 ]").drop();
  world.publish("d", "x", Qos::AtLeastOnce);
  EXPECT_EQ(consumer.seen, "a b! c! will d ");
  world.broker.detach(consumer);
  world.publish("e", "x");
  EXPECT_EQ(consumer.seen, "a b! c! will d ");
}

TEST(Consumers, CountAsSubscribersOfWhatTheyDoSomethingWith) {
  World world;
  FakeConsumer consumer;
  world.broker.attach(consumer);
  Peer pub = world.client5("pub");
  pub.send("32 [ ('taken') 0001 [] 'x' ]").expect("40 02 0001");
  pub.send("32 [ ('free') 0002 [] 'x' ]").expect("40 [ 0002 10 ]");
}

TEST(Consumers, SayWhatOneHasToWaitForWhoAnswersForAPublication) {
  World world;
  FakeConsumer one, two;
  one.tickets = {{"a", 5}, {"b", 5}};
  two.tickets = {{"a", 6}};
  two.refuses = {{"b", Reason::QuotaExceeded}};
  world.broker.attach(one);
  world.broker.attach(two);
  Peer sub = world.client("sub");
  sub.send("82 [ 0001 ('#') 00 ]").expect("90 [ 0001 00 ]");
  const auto publish = [&](const char* topic) {
    auto publication = std::make_shared<Publication>();
    publication->topic = topic;
    publication->qos = Qos::AtLeastOnce;
    return world.broker.publish_durably(publication);
  };
  EXPECT_EQ(publish("a"), Ticket{6});
  EXPECT_EQ(publish("b"), tl::unexpected(Reason::QuotaExceeded));
  EXPECT_EQ(publish("c"), Ticket{0});
  world.turn();
  sub.expect("30 [ ('a') ] 30 [ ('c') ]");
  EXPECT_EQ(one.seen, "a! b! c! ");
}

TEST(Acknowledgement, WaitsUntilTheTicketIsCommitted) {
  World world;
  FakeConsumer one, two;
  one.tickets = {{"a", 5}, {"b", 7}};
  two.tickets = {{"a", 6}};
  world.broker.attach(one);
  world.broker.attach(two);
  Peer pub = world.client("pub");
  Peer sub = world.client("sub");
  sub.send("82 [ 0001 ('#') 00 ]").expect("90 [ 0001 00 ]");
  pub.send("32 [ ('a') 0001 ] 34 [ ('b') 0002 ] 32 [ ('c') 0003 ]").expect_nothing();
  sub.expect("30 [ ('a') ] 30 [ ('b') ] 30 [ ('c') ]");  // others need not wait
  pub.send("C0 00").expect("D0 00");
  world.broker.committed(5);
  world.turn();
  pub.expect_nothing();
  world.broker.committed(6);
  world.turn();
  pub.expect("40 [ 0001 ]");
  world.broker.committed(7);
  world.turn();
  pub.expect("50 [ 0002 ] 40 [ 0003 ]");                // in the order of the publications [MQTT-4.6.0-2]
  pub.send("32 [ ('a') 0004 ]").expect("40 [ 0004 ]");  // ticket 6 is on disk
}

TEST(Acknowledgement, OfARepeatedQos2PublicationWaitsToo) {
  World world;
  FakeConsumer consumer;
  consumer.tickets = {{"a", 5}};
  world.broker.attach(consumer);
  Peer pub = world.persistent("pub", false);
  pub.send("34 [ ('a') 0001 ]").expect_nothing().drop();
  Peer again = world.persistent("pub", true);
  again.send("3C [ ('a') 0001 ]").expect_nothing();
  world.broker.committed(5);
  world.turn();
  again.expect("50 [ 0001 ]");
  EXPECT_EQ(consumer.seen, "a! ");
}

TEST(Acknowledgement, IsForgottenWithItsConnection) {
  World world;
  FakeConsumer consumer;
  consumer.tickets = {{"a", 5}};
  world.broker.attach(consumer);
  Peer pub = world.persistent("pub", false);
  pub.send("32 [ ('a') 0001 ]").drop();
  world.broker.committed(5);
  world.turn();
  world.persistent("pub", true).expect_nothing();
}

TEST(Acknowledgement, TellsAVersion5PublisherWhyItWasRefused) {
  World world;
  FakeConsumer consumer;
  consumer.refuses = {{"a", Reason::QuotaExceeded}};
  world.broker.attach(consumer);
  Peer sub = world.client("sub");
  sub.send("82 [ 0001 ('#') 00 ]").expect("90 [ 0001 00 ]");
  Peer pub = world.client5("pub");
  pub.send("32 [ ('a') 0001 [] ] 34 [ ('a') 0002 [] ]")
      .expect(
          "40 [ 0001 97 [ 1F ('a consumer of this topic does not take it') ] ]"
          "50 [ 0002 97 [ 1F ('a consumer of this topic does not take it') ] ]");
  sub.expect_nothing();  // not accepted, so nobody gets it
  consumer.refuses.clear();
  pub.send("34 [ ('a') 0002 [] ]").expect("50 [ 0002 ]");  // a new publication [MQTT-4.3.3-9]
  sub.expect("30 [ ('a') ]");
}

TEST(Acknowledgement, IsWithheldFromAnOlderPublisherWhoseConnectionEnds) {
  World world;
  FakeConsumer consumer;
  consumer.refuses = {{"a", Reason::QuotaExceeded}};
  world.broker.attach(consumer);
  world.client("pub").send("32 [ ('a') 0001 ] 32 [ ('b') 0002 ]").expect_closed();
  EXPECT_EQ(consumer.seen, "a! ");
}

TEST(Consumers, ThatRefuseDoNotKeepOthersFromWhatNobodyWaitsFor) {
  World world;
  FakeConsumer consumer;
  consumer.refuses = {{"a", Reason::QuotaExceeded}};
  world.broker.attach(consumer);
  Peer sub = world.client("sub");
  sub.send("82 [ 0001 ('#') 01 ]").expect("90 [ 0001 01 ]");
  world.client("pub").send("30 [ ('a') '0' ]");
  world.publish("a", "1", Qos::AtLeastOnce);
  sub.expect("30 [ ('a') '0' ] 32 [ ('a') 0001 '1' ]");
  EXPECT_EQ(world.broker.counters().publications_refused, 2U);
}

TEST(Acknowledgement, StopsReadingFromAnOldClientThatIsFarAhead) {
  BrokerSettings settings;
  settings.receive_maximum = 2;
  World world(settings);
  FakeConsumer consumer;
  consumer.tickets = {{"a", 5}};
  world.broker.attach(consumer);
  Peer pub = world.connect();
  pub.send("10 [ ('MQTT') 04 02 000A ('pub') ]").expect("20 02 00 00");
  pub.send("32 [ ('a') 0001 ]");
  EXPECT_FALSE(pub.wire().paused);
  pub.send("32 [ ('a') 0002 ] 32 [ ('a') 0003 ]");
  EXPECT_TRUE(pub.wire().paused);
  world.advance(60s);  // a slow disk is not the client's silence
  world.broker.committed(5);
  world.turn();
  pub.expect("40 [ 0001 ] 40 [ 0002 ] 40 [ 0003 ]");
  EXPECT_FALSE(pub.wire().paused);
}

TEST(Acknowledgement, StopsReadingFromAVersion5ClientThatRepeatsWhileTheDiskIsSlow) {
  BrokerSettings settings;
  settings.receive_maximum = 2;
  World world(settings);
  FakeConsumer consumer;
  consumer.tickets = {{"a", 5}};
  world.broker.attach(consumer);
  Peer pub = world.connect();
  pub.send("10 [ ('MQTT') 05 02 000A [] ('pub') ]").take();
  pub.send("34 [ ('a') 0001 [] ]");
  for (int i = 0; i < 2; ++i) pub.send("3C [ ('a') 0001 [] ]");  // its Receive Maximum does not count these
  EXPECT_FALSE(pub.wire().paused);
  pub.send("3C [ ('a') 0001 [] ]").expect_nothing();
  EXPECT_TRUE(pub.wire().paused);
  EXPECT_EQ(consumer.seen, "a! ");
  world.advance(60s);  // a slow disk is not the client's silence
  world.broker.committed(5);
  world.turn();
  pub.expect("50 [ 0001 ] 50 [ 0001 ] 50 [ 0001 ] 50 [ 0001 ]");
  EXPECT_FALSE(pub.wire().paused);
}

// Clients that do not read

TEST(SlowReader, LosesQos0AndGetsTheRestWhenItReadsAgain) {
  BrokerSettings settings;
  settings.max_output_bytes = 100;
  World world(settings);
  Peer sub = world.client("sub");
  sub.send("82 [ 0001 ('#') 01 ]").expect("90 [ 0001 01 ]");
  sub.wire().room = 0;
  for (int i = 0; i < 10; ++i) world.publish("t", "0123456789", Qos::AtMostOnce);  // 15 bytes each
  EXPECT_EQ(world.broker.counters().dropped_slow, 3U);
  world.publish("t", "kept", Qos::AtLeastOnce);
  sub.let_in(10);
  sub.expect("30 0D 00 01 't01234'");
  sub.let_in(SIZE_MAX);
  std::string rest = "'56789'";
  for (int i = 1; i < 7; ++i) rest += "30 [ ('t') '0123456789' ]";
  sub.expect(rest + "32 [ ('t') 0001 'kept' ]");
  EXPECT_EQ(world.broker.counters().publications_dropped, 3U);
}

TEST(SlowReader, HasAQueueThatIsBoundedByCount) {
  BrokerSettings settings;
  settings.max_queued = 2;
  World newest(settings);
  settings.when_full = WhenFull::DropOldest;
  World oldest(settings);
  for (World* world : {&newest, &oldest}) {
    world->persistent("sub", false).send("82 [ 0001 ('t') 01 ]").expect("90 [ 0001 01 ]").drop();
    for (const char* payload : {"1", "2", "3"}) world->publish("t", payload, Qos::AtLeastOnce);
    EXPECT_EQ(world->broker.counters().dropped_full, 1U);
  }
  newest.persistent("sub", true).expect("32 [ ('t') 0001 '1' ] 32 [ ('t') 0002 '2' ]");
  oldest.persistent("sub", true).expect("32 [ ('t') 0002 '2' ] 32 [ ('t') 0003 '3' ]");
}

TEST(SlowReader, HasAQueueThatIsBoundedByBytes) {
  BrokerSettings settings;
  settings.max_queued_bytes = 2 * (sizeof(Publication) + 101);
  World world(settings);
  world.persistent("sub", false).send("82 [ 0001 ('t') 01 ]").expect("90 [ 0001 01 ]").drop();
  for (int i = 0; i < 3; ++i) world.publish("t", std::string(100, 'x'), Qos::AtLeastOnce);
  EXPECT_EQ(world.broker.counters().dropped_full, 1U);
}

TEST(SlowReader, ThatIsToBeDisconnectedHasFiveSecondsForTheRest) {
  World world;
  Peer sub = world.client5("sub");
  sub.send("82 [ 0001 [] ('t') 00 ]").expect("90 [ 0001 [] 00 ]");
  sub.wire().room = 0;
  world.publish("t", "x");
  Peer fresh = world.client5("sub");
  EXPECT_FALSE(sub.wire().closing);
  sub.let_in(3);
  sub.expect("30 05 00");
  world.advance(4999ms);
  EXPECT_FALSE(sub.wire().over);
  world.advance(1ms);
  sub.expect_closed();

  fresh.wire().room = 0;
  fresh.send("C0 00");
  world.client5("sub");
  fresh.let_in(SIZE_MAX);
  fresh.expect("D0 00 E0 [ 8E ]").expect_closed();
}

TEST(SlowReader, IsNotReadFromOnceItIsToBeDisconnected) {
  World world;
  Peer peer = world.client5("a");
  peer.wire().room = 0;
  peer.send("C0 00 F0 00");
  EXPECT_FALSE(peer.wire().over);
  peer.send("30 [ ('t') [] 'ignored' ]");
  EXPECT_EQ(world.broker.counters().publications_received, 0U);
}

TEST(SlowReader, IsNotReadFromWhileItLeavesOurAnswers) {
  BrokerSettings settings;
  settings.max_output_bytes = 100;
  World world(settings);
  Peer peer = world.client("a");
  peer.wire().room = 0;
  std::string pings;
  for (int i = 0; i < 99; ++i) pings += "C0 00 ";
  peer.send(pings);
  EXPECT_FALSE(peer.wire().paused);
  peer.send("C0 00");
  EXPECT_TRUE(peer.wire().paused);
  EXPECT_EQ(world.broker.counters().slow_paused, 1U);
  peer.let_in(2);
  EXPECT_FALSE(peer.wire().paused);
  peer.send("C0 00");
  EXPECT_TRUE(peer.wire().paused);
  peer.let_in(SIZE_MAX);
  EXPECT_FALSE(peer.wire().paused);
  std::string answers;
  for (int i = 0; i < 101; ++i) answers += "D0 00 ";
  peer.expect(answers);
}

TEST(SlowReader, ThatLeavesOurAnswersIsSilentAllTheSame) {
  BrokerSettings settings;
  settings.max_output_bytes = 1;
  World world(settings);
  Peer peer = world.connect();
  peer.send("10 [ ('MQTT') 04 02 000A ('a') ]").expect("20 02 00 00");
  peer.wire().room = 0;
  peer.send("C0 00");
  EXPECT_TRUE(peer.wire().paused);
  world.advance(14999ms);
  EXPECT_EQ(world.broker.counters().keep_alive_timeouts, 0U);
  world.advance(1ms);
  EXPECT_EQ(world.broker.counters().keep_alive_timeouts, 1U);
}

TEST(LargePayload, IsSharedByItsReceivers) {
  World world;
  Peer a = world.client("a"), b = world.client5("b");
  a.send("82 [ 0001 ('t') 00 ]").expect("90 [ 0001 00 ]");
  b.send("82 [ 0001 [] ('t') 00 ]").expect("90 [ 0001 [] 00 ]");
  const std::string payload(100'000, 'x');
  world.client("pub").send("30 [ ('t') '" + payload + "' ]");
  a.expect("30 [ ('t') '" + payload + "' ]");
  b.expect("30 [ ('t') [] '" + payload + "' ]");
}

}  // namespace
}  // namespace ferrule::mqtt::testing

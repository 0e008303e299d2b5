// PUBLISH and its acknowledgements, statement by statement, in MQTT 3.1.1 and 5.0.
#include "both_versions.hpp"

namespace ferrule::mqtt::testing {
namespace {

using namespace std::chrono_literals;

class Publishing : public InBothVersions {};
FERRULE_IN_BOTH_VERSIONS(Publishing);

TEST_P(Publishing, AtQos0HasNeitherIdentifierNorDup) {
  // [MQTT-2.2.1-2] [MQTT-4.3.1-1] [MQTT-2.3.1-5 (3.1.1)] [MQTT-4.3.1-1 (3.1.1)] [MQTT-3.3.4-1] [MQTT-3.3.4-1 (3.1.1)]
  Client sub = subscriber("sub", "t", 0);
  client("pub").send("30 [ ('t') @ 00 07 'x' ]").expect_nothing();  // what looks like one is payload
  sub.expect("30 [ ('t') @ 00 07 'x' ]");
}

TEST_P(Publishing, AtQos1UsesEachIdentifierForOneAtATime) {
  // [MQTT-4.3.2-1] [MQTT-4.3.2-2] [MQTT-4.3.2-3] [MQTT-2.2.1-4] [MQTT-4.3.2-1 (3.1.1)] [MQTT-2.3.1-4 (3.1.1)]
  // [MQTT-2.3.1-6 (3.1.1)]
  Client sub = subscriber("sub", "t", 1);
  world.publish("t", "1", Qos::AtLeastOnce);
  world.publish("t", "2", Qos::AtLeastOnce);
  sub.expect("32 [ ('t') 0001 @ '1' ] 32 [ ('t') 0002 @ '2' ]");
  sub.send("40 [ 0002 ]");
  world.publish("t", "3", Qos::AtLeastOnce);
  sub.expect("32 [ ('t') 0003 @ '3' ]");  // 1 is unacknowledged, and not sent again on this connection
  world.advance(24h);
  sub.expect_nothing();
}

TEST_P(Publishing, GoesThroughAllIdentifiersAndLeavesOutThoseInUse) {
  // [MQTT-2.2.1-4] [MQTT-2.3.1-4 (3.1.1)] [MQTT-4.3.3-1]
  Client sub = subscriber("sub", "t", 1);
  world.publish("t", "kept", Qos::AtLeastOnce);
  sub.expect("32 [ ('t') 0001 @ 'kept' ]").send("40 [ 0001 ]");
  for (int id = 2; id <= 65535; ++id) {
    world.publish("t", "x", Qos::AtLeastOnce);
    const std::string bytes = sub.take();
    const std::string wanted{static_cast<char>(id >> 8), static_cast<char>(id)};
    ASSERT_EQ(bytes.substr(5, 2), wanted);
    sub.peer().send_bytes(wire("40 02") + wanted);
  }
  world.publish("t", "again", Qos::AtLeastOnce);
  sub.expect("32 [ ('t') 0001 @ 'again' ]");  // never 0
}

TEST_P(Publishing, AtQos1IsAnsweredAndFreesItsIdentifier) {
  // [MQTT-4.3.2-4] [MQTT-4.3.2-5] [MQTT-4.3.2-2 (3.1.1)] [MQTT-3.3.4-1] [MQTT-3.3.1-3] [MQTT-3.3.1-3 (3.1.1)]
  Client sub = subscriber("sub", "t", 0);
  Client pub = client("pub");
  pub.send("32 [ ('t') 0007 @ '1' ]").expect("40 [ 0007 ]");
  pub.send("3A [ ('t') 0007 @ '2' ]").expect("40 [ 0007 ]");  // DUP or not, a new publication
  sub.expect("30 [ ('t') @ '1' ] 30 [ ('t') @ '2' ]");        // and DUP is not handed on
}

TEST_P(Publishing, AtQos2IsSentOnceAndReleased) {
  // [MQTT-4.3.3-1] [MQTT-4.3.3-2] [MQTT-4.3.3-3] [MQTT-4.3.3-4] [MQTT-4.3.3-5] [MQTT-4.3.3-6] [MQTT-4.3.3-1 (3.1.1)]
  Client sub = persistent("sub", false);
  sub.send("82 [ 0001 @ ('t') 02 ]").expect("90 [ 0001 @ 02 ]");
  world.publish("t", "1", Qos::ExactlyOnce);
  world.publish("t", "2", Qos::ExactlyOnce);
  sub.expect("34 [ ('t') 0001 @ '1' ] 34 [ ('t') 0002 @ '2' ]");
  sub.send("50 [ 0001 ]").expect("62 [ 0001 ]");
  sub.drop();
  Client again = persistent("sub", true);
  again.expect("62 [ 0001 ] 3C [ ('t') 0002 @ '2' ]");  // the PUBREL of one, the PUBLISH of the other
  again.send("70 [ 0001 ] 50 [ 0002 ] 70 [ 0002 ]").expect("62 [ 0002 ]");
  again.drop();
  persistent("sub", true).expect_nothing();
}

TEST_P(Publishing, AtQos2IsReceivedOnce) {
  // [MQTT-4.3.3-8] [MQTT-4.3.3-10] [MQTT-4.3.3-11] [MQTT-4.3.3-12] [MQTT-4.3.3-2 (3.1.1)]
  Client sub = subscriber("sub", "t", 0);
  Client pub = client("pub");
  pub.send("34 [ ('t') 0007 @ '1' ]").expect("50 [ 0007 ]");
  pub.send("3C [ ('t') 0007 @ '1' ] 34 [ ('t') 0007 @ '1' ]").expect("50 [ 0007 ] 50 [ 0007 ]");
  pub.send("62 [ 0007 ]").expect("70 [ 0007 ]");
  pub.send("34 [ ('t') 0007 @ '2' ]").expect("50 [ 0007 ]");
  sub.expect("30 [ ('t') @ '1' ] 30 [ ('t') @ '2' ]");
}

TEST_P(Publishing, IsAcknowledgedInTheOrderItCame) {
  // [MQTT-4.6.0-2] [MQTT-4.6.0-3] [MQTT-4.6.0-4] [MQTT-4.6.0-2 (3.1.1)] [MQTT-4.6.0-3 (3.1.1)] [MQTT-4.6.0-4 (3.1.1)]
  Client sub = subscriber("sub", "t", 2);
  Client pub = client("pub");
  pub.send("34 [ ('t') 0003 @ ] 32 [ ('t') 0001 @ ] 34 [ ('t') 0002 @ ] 32 [ ('t') 0004 @ ]");
  pub.expect("50 [ 0003 ] 40 [ 0001 ] 50 [ 0002 ] 40 [ 0004 ]");
  sub.take();
  sub.send("50 [ 0003 ] 50 [ 0001 ]").expect("62 [ 0003 ] 62 [ 0001 ]");
}

TEST_P(Publishing, IsRepeatedInOrderWithDupAfterAReconnectOnly) {
  // [MQTT-4.4.0-1] [MQTT-3.3.1-1] [MQTT-4.6.0-1] [MQTT-4.4.0-1 (3.1.1)] [MQTT-3.3.1-1 (3.1.1)] [MQTT-4.6.0-1 (3.1.1)]
  Client sub = persistent("sub", false);
  sub.send("82 [ 0001 @ ('+') 02 ]").expect("90 [ 0001 @ 02 ]");
  world.publish("b", "1", Qos::ExactlyOnce);
  world.publish("a", "2", Qos::AtLeastOnce);
  world.publish("b", "3", Qos::AtLeastOnce);
  sub.expect("34 [ ('b') 0001 @ '1' ] 32 [ ('a') 0002 @ '2' ] 32 [ ('b') 0003 @ '3' ]");
  sub.drop();
  persistent("sub", true).expect("3C [ ('b') 0001 @ '1' ] 3A [ ('a') 0002 @ '2' ] 3A [ ('b') 0003 @ '3' ]");
}

TEST_P(Publishing, KeepsTheOrderOfOnePublisherAcrossTopics) {
  // [MQTT-4.6.0-5] [MQTT-4.6.0-6] [MQTT-4.6.0-5 (3.1.1)] [MQTT-4.6.0-6 (3.1.1)]
  Client sub = subscriber("sub", "#", 1);
  client("pub").send("32 [ ('a') 0001 @ '1' ] 32 [ ('b') 0002 @ '2' ] 32 [ ('a') 0003 @ '3' ]");
  sub.expect("32 [ ('a') 0001 @ '1' ] 32 [ ('b') 0002 @ '2' ] 32 [ ('a') 0003 @ '3' ]");
}

TEST_P(Publishing, ToATopicThatIsNotAllowedIsAcknowledgedWithoutEffect) {
  // [MQTT-3.3.5-2 (3.1.1)]
  Client watcher = subscriber("watcher", "$x", 0);
  Client pub = client("pub");
  pub.send("32 [ ('$x') 0001 @ ]");
  EXPECT_EQ(hex(pub.take().substr(0, 1)), "40");
  watcher.expect_nothing();
}

TEST_P(Publishing, EndsTheConnectionForATextThatIsNone) {
  // [MQTT-1.5.4-1] [MQTT-1.5.4-2] [MQTT-3.3.2-1] [MQTT-1.5.3-2 (3.1.1)] [MQTT-3.3.2-1 (3.1.1)] [MQTT-4.7.3-2]
  for (const char* topic : {"(eda080)", "('a' 00)", "(c0af)"}) {
    Client bad = client("bad");
    bad.send("30 [ " + std::string(topic) + " @ 'x' ]");
    bad.expect_disconnect(Reason::MalformedPacket);
  }
}

TEST_P(Publishing, TakesTopicsAsTheyAre) {
  // [MQTT-1.5.4-3] [MQTT-1.5.3-3 (3.1.1)] [MQTT-4.7.3-4] [MQTT-4.7.3-4 (3.1.1)] [MQTT-3.3.2-3] [MQTT-3.3.2-3 (3.1.1)]
  Client sub = subscriber("sub", "#", 0);
  Client plain = subscriber("plain", "a", 0);
  Client marked = client("marked");
  marked.send("82 [ 0001 @ (efbbbf 'a') 00 ]").expect("90 [ 0001 @ 00 ]");
  client("pub").send("30 [ (efbbbf 'a') @ 'x' ] 30 [ ('A') @ 'y' ] 30 [ ('a/') @ 'z' ]");
  sub.expect("30 [ (efbbbf 'a') @ 'x' ] 30 [ ('A') @ 'y' ] 30 [ ('a/') @ 'z' ]");
  marked.expect("30 [ (efbbbf 'a') @ 'x' ]");
  plain.expect_nothing();
}

TEST_P(Publishing, TakesTopicsOfEveryLength) {
  // [MQTT-4.7.3-3] [MQTT-4.7.3-3 (3.1.1)]
  Client sub = subscriber("sub", "#", 0);
  const std::string topic(65535, 'x');
  const std::string publish =
      wire("30") + wire(v5() ? "8280 04" : "8180 04") + wire("FFFF") + topic + (v5() ? std::string(1, '\0') : "");
  client("pub").peer().send_bytes(publish);
  EXPECT_EQ(sub.take(), publish);
}

TEST_P(Publishing, WithInvalidFlagsEndsTheConnection) {
  // [MQTT-2.2.2-1 (3.1.1)] [MQTT-2.2.2-2 (3.1.1)] [MQTT-2.1.3-1] [MQTT-3.3.1-4]
  for (const char* packet : {"41 [ 0001 ]", "60 [ 0001 ]", "36 [ ('t') 0001 @ ]", "C8 00"}) {
    Client bad = client("bad");
    bad.send(packet);
    bad.expect_disconnect(Reason::MalformedPacket);
  }
}

class RetainedPublishing : public InBothVersions {};
FERRULE_IN_BOTH_VERSIONS(RetainedPublishing);

TEST_P(RetainedPublishing, ReplacesWhatWasThere) {
  // [MQTT-3.3.1-5] [MQTT-3.3.1-9] [MQTT-3.3.1-5 (3.1.1)] [MQTT-3.3.1-6 (3.1.1)] [MQTT-3.3.1-7 (3.1.1)]
  // [MQTT-3.3.1-8 (3.1.1)]
  Client pub = client("pub");
  pub.send("33 [ ('a') 0001 @ '1' ] 33 [ ('b') 0002 @ '2' ] 31 [ ('a') @ '3' ]");
  client("sub")
      .send("82 [ 0001 @ ('a') 02 ('b') 02 ]")
      .expect("90 [ 0001 @ 02 02 ] 31 [ ('a') @ '3' ] 33 [ ('b') 0001 @ '2' ]");
}

TEST_P(RetainedPublishing, WithoutPayloadRemovesAndIsNotKept) {
  // [MQTT-3.3.1-6] [MQTT-3.3.1-7] [MQTT-3.3.1-10 (3.1.1)] [MQTT-3.3.1-11 (3.1.1)] [MQTT-3.3.1-9 (3.1.1)]
  Client watcher = subscriber("watcher", "a", 0);
  const auto before = world.broker.counters().retained;
  Client pub = client("pub");
  pub.send("31 [ ('a') @ '1' ]");
  EXPECT_EQ(world.broker.counters().retained, before + 1);
  pub.send("31 [ ('a') @ ]");
  EXPECT_EQ(world.broker.counters().retained, before);
  watcher.expect("30 [ ('a') @ '1' ] 30 [ ('a') @ ]");  // delivered as any other, RETAIN 0 for who was there
  client("late").send("82 [ 0001 @ ('a') 00 ]").expect("90 [ 0001 @ 00 ]");
}

TEST_P(RetainedPublishing, IsNotTouchedByOthers) {
  // [MQTT-3.3.1-8] [MQTT-3.3.1-12 (3.1.1)]
  Client pub = client("pub");
  pub.send("31 [ ('a') @ 'kept' ] 30 [ ('a') @ 'passing' ] 30 [ ('a') @ ] 30 [ ('b') @ 'passing' ]");
  client("sub").send("82 [ 0001 @ ('#') 00 ]").expect("90 [ 0001 @ 00 ] 31 [ ('a') @ 'kept' ]");
}

// What only MQTT 5 has.

TEST(PublishedProperties, ReachEverySubscriberUnaltered) {
  // [MQTT-3.3.2-4] [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-17] [MQTT-3.3.2-20] [MQTT-3.3.2-18]
  World world;
  const std::string properties = "01 01 03 ('t/x') 08 ('reply') 09 (00FF) 26 ('b')('1') 26 ('a')('2') 26 ('b')('1')";
  Peer one = world.client5("one"), other = world.client5("other"), late = world.persistent5("late", false);
  one.send("82 [ 0001 [] ('t') 00 ]").expect("90 [ 0001 [] 00 ]");
  other.send("82 [ 0001 [ 0B 05 ] ('t') 01 ]").expect("90 [ 0001 [] 01 ]");
  late.send("82 [ 0001 [] ('t') 01 ]").expect("90 [ 0001 [] 01 ]").drop();
  world.client5("pub").send("33 [ ('t') 0001 [ " + properties + " ] 'x' ]");
  one.expect("30 [ ('t') [ " + properties + " ] 'x' ]");
  other.expect("32 [ ('t') 0001 [ 0B 05 " + properties + " ] 'x' ]");
  world.persistent5("late", true).expect("32 [ ('t') 0001 [ " + properties + " ] 'x' ]");
  Peer retained = world.client5("retained");
  retained.send("82 [ 0001 [] ('t') 00 ]").expect("90 [ 0001 [] 00 ] 31 [ ('t') [ " + properties + " ] 'x' ]");
}

TEST(PublicationExpiry, DoesNotTouchWhatWasSentOnce_MQTT_4_3_3_7) {
  World world;
  Peer sub = world.persistent5("sub", false);
  sub.send("82 [ 0001 [] ('t') 02 ]").expect("90 [ 0001 [] 02 ]");
  Peer pub = world.client5("pub");
  pub.send("34 [ ('t') 0001 [ 02 00000005 ] 'x' ]").expect("50 [ 0001 ]");
  sub.expect("34 [ ('t') 0001 [ 02 00000005 ] 'x' ]").drop();
  world.advance(60s);
  world.persistent5("sub", true).expect("3C [ ('t') 0001 [ 02 00000000 ] 'x' ]");
  pub.send("62 [ 0001 ]").expect("70 [ 0001 ]");  // [MQTT-4.3.3-13]
}

TEST(SendQuota, IsTheReceiveMaximumAndHoldsBackOnlyPublish) {
  // [MQTT-4.9.0-1] [MQTT-4.9.0-2] [MQTT-3.3.4-10] [MQTT-4.9.0-3]
  World world;
  Peer sub = world.connect();
  sub.send("10 [ ('MQTT') 05 02 0000 [ 21 0001 ] ('sub') ]").expect(kConnack5);
  sub.send("82 [ 0001 [] ('t') 02 ]").expect("90 [ 0001 [] 02 ]");
  world.publish("t", "1", Qos::ExactlyOnce);
  world.publish("t", "2", Qos::ExactlyOnce);
  sub.expect("34 [ ('t') 0001 [] '1' ]");
  sub.send("C0 00 32 [ ('u') 0001 [] ] 82 [ 0002 [] ('v') 00 ] A2 [ 0003 [] ('v') ] 50 [ 0001 ]");
  sub.expect("D0 00 40 [ 0001 10 ] 90 [ 0002 [] 00 ] B0 [ 0003 [] 00 ] 62 [ 0001 ]");
  sub.send("70 [ 0001 ]").expect("34 [ ('t') 0002 [] '2' ]");
}

TEST(SendQuota, IsTheLowerOfTheClientsAndOurs) {
  BrokerSettings settings;
  settings.max_inflight = 1;  // [MQTT-4.9.0-1]
  World world(settings);
  Peer sub = world.connect();
  sub.send("10 [ ('MQTT') 05 02 0000 [ 21 0005 ] ('sub') ]").expect(kConnack5);
  sub.send("82 [ 0001 [] ('t') 01 ]").expect("90 [ 0001 [] 01 ]");
  world.publish("t", "1", Qos::AtLeastOnce);
  world.publish("t", "2", Qos::AtLeastOnce);
  sub.expect("32 [ ('t') 0001 [] '1' ]");
}

}  // namespace
}  // namespace ferrule::mqtt::testing

// Whole dialogues of publishing at each QoS, in both directions.
#include <gtest/gtest.h>

#include "broker_world.hpp"
#include "wire_text.hpp"

namespace ferrule::mqtt::testing {
namespace {

using namespace std::chrono_literals;

Peer subscriber(World& world, std::string_view id, std::string_view filter, int qos) {
  Peer peer = world.client(id);
  peer.send("82 [ 0001 ('" + std::string(filter) + "') 0" + std::to_string(qos) + " ]");
  peer.expect("90 [ 0001 0" + std::to_string(qos) + " ]");
  return peer;
}

TEST(Qos0, ArrivesOnceWithoutAcknowledgement) {
  World world;
  Peer sub = subscriber(world, "sub", "a/+", 0);
  Peer pub = world.client("pub");
  pub.send("30 [ ('a/b') 'x' ]").expect_nothing();
  sub.expect("30 [ ('a/b') 'x' ]");
}

TEST(Qos1, IsAcknowledgedAndDelivered_MQTT_4_3_2_4) {
  World world;
  Peer sub = subscriber(world, "sub", "a/b", 1);
  Peer pub = world.client("pub");
  pub.send("32 [ ('a/b') 000A 'x' ]").expect("40 [ 000A ]");
  sub.expect("32 [ ('a/b') 0001 'x' ]").send("40 [ 0001 ]").expect_nothing();
  pub.send("32 [ ('a/b') 000A 'y' ]").expect("40 [ 000A ]");  // a new publication [MQTT-4.3.2-5]
  sub.expect("32 [ ('a/b') 0002 'y' ]");
}

TEST(Qos1, TellsAVersion5PublisherThatNobodySubscribed) {
  World world;
  world.client5("pub").send("32 [ ('a/b') 000A [] 'x' ]").expect("40 [ 000A 10 ]");
}

TEST(Qos2, IsDeliveredExactlyOnce_MQTT_4_3_3_10) {
  World world;
  Peer sub = subscriber(world, "sub", "a/b", 2);
  Peer pub = world.client("pub");
  pub.send("34 [ ('a/b') 000A 'x' ]").expect("50 [ 000A ]");
  sub.expect("34 [ ('a/b') 0001 'x' ]");
  pub.send("3C [ ('a/b') 000A 'x' ]").expect("50 [ 000A ]");  // repeated
  sub.expect_nothing();
  pub.send("62 [ 000A ]").expect("70 [ 000A ]");
  pub.send("34 [ ('a/b') 000A 'y' ]").expect("50 [ 000A ]");  // after PUBCOMP a new one [MQTT-4.3.3-12]
  sub.expect("34 [ ('a/b') 0002 'y' ]");

  sub.send("50 [ 0001 ]").expect("62 [ 0001 ]");
  sub.send("50 [ 0001 ]").expect("62 [ 0001 ]");  // the first PUBREL was lost
  sub.send("70 [ 0001 ]").expect_nothing();
}

TEST(Qos2, RemembersIncomingIdentifiersAcrossAReconnect) {
  World world;
  Peer sub = subscriber(world, "sub", "a", 2);
  Peer pub = world.persistent("pub", false);
  pub.send("34 [ ('a') 000A 'x' ]").expect("50 [ 000A ]").drop();
  sub.expect("34 [ ('a') 0001 'x' ]");
  Peer again = world.persistent("pub", true);
  again.send("3C [ ('a') 000A 'x' ]").expect("50 [ 000A ]");
  sub.expect_nothing();
  again.send("62 [ 000A ]").expect("70 [ 000A ]");
}

TEST(Qos2, AnswersUnknownIdentifiers_MQTT_4_3_3_11) {
  World world;
  world.client("old").send("62 [ 0007 ]").expect("70 [ 0007 ]").send("50 [ 0008 ]").expect("62 [ 0008 ]");
  world.client5("new").send("62 [ 0007 ]").expect("70 [ 0007 92 ]").send("50 [ 0008 ]").expect("62 [ 0008 92 ]");
  world.client5("acks").send("40 [ 0007 ]").expect_nothing().send("70 [ 0007 ]").expect_nothing();
  EXPECT_EQ(world.broker.counters().unknown_acks, 6U);
}

TEST(Qos2, RefusedByTheClientIsOver_MQTT_4_4_0_2) {
  World world;
  Peer sub = world.persistent5("sub", false);
  sub.send("82 [ 0001 [] ('a') 02 ]").expect("90 [ 0001 [] 02 ]");
  world.publish("a", "x", Qos::ExactlyOnce);
  sub.expect("34 [ ('a') 0001 [] 'x' ]").send("50 [ 0001 97 ]").expect_nothing().drop();
  world.persistent5("sub", true).expect_nothing();
}

TEST(Delivery, IsLoweredToTheGrantedQos_MQTT_3_8_4_8) {
  World world;
  Peer sub = subscriber(world, "sub", "a", 1);
  world.publish("a", "0", Qos::AtMostOnce);
  world.publish("a", "1", Qos::AtLeastOnce);
  world.publish("a", "2", Qos::ExactlyOnce);
  sub.expect("30 [ ('a') '0' ] 32 [ ('a') 0001 '1' ] 32 [ ('a') 0002 '2' ]");
}

TEST(Delivery, KeepsTheOrderOfEachPublisher_MQTT_4_6_0_5) {
  World world;
  Peer sub = subscriber(world, "sub", "#", 1);
  Peer pub = world.client("pub");
  std::string expected;
  for (int i = 1; i <= 200; ++i) {
    pub.feed("32 [ ('t') 0001 " + hex(std::to_string(i)) + " ]");
    expected += "32 [ ('t') " + hex({std::string{static_cast<char>(i >> 8), static_cast<char>(i)}}) + " " +
                hex(std::to_string(i)) + " ]";
  }
  world.turn();
  sub.expect(expected);
}

TEST(Delivery, IsOneWriteForAllThatCameInOneTurn) {
  World world;
  Peer sub = subscriber(world, "sub", "#", 0);
  Peer pub = world.client("pub");
  const std::size_t before = sub.wire().writes;
  pub.send("30 [ ('t') '1' ] 30 [ ('t') '2' ] 30 [ ('t') '3' ]");
  sub.expect("30 [ ('t') '1' ] 30 [ ('t') '2' ] 30 [ ('t') '3' ]");
  EXPECT_EQ(sub.wire().writes, before + 1);
}

TEST(ReceiveMaximum, OfTheClientHoldsPublicationsBack_MQTT_3_3_4_9) {
  World world;
  Peer sub = world.connect();
  sub.send("10 [ ('MQTT') 05 02 0000 [ 21 0002 ] ('sub') ]").expect(kConnack5);
  sub.send("82 [ 0001 [] ('a') 02 ]").expect("90 [ 0001 [] 02 ]");
  for (const char* payload : {"1", "2", "3", "4"}) world.publish("a", payload, Qos::ExactlyOnce);
  world.publish("a", "0", Qos::AtMostOnce);
  sub.expect("34 [ ('a') 0001 [] '1' ] 34 [ ('a') 0002 [] '2' ] 30 [ ('a') [] '0' ]");
  sub.send("50 [ 0002 ]").expect("62 [ 0002 ]");  // [MQTT-4.9.0-3]; PUBREC alone makes no room
  sub.send("70 [ 0002 ]").expect("34 [ ('a') 0003 [] '3' ]");
  sub.send("50 [ 0001 ]").send("70 [ 0001 ]").expect("62 [ 0001 ] 34 [ ('a') 0004 [] '4' ]");
}

TEST(ReceiveMaximum, OfOursEndsTheConnectionThatIgnoresIt_MQTT_3_3_4_7) {
  BrokerSettings settings;
  settings.receive_maximum = 2;
  World world(settings);
  Peer pub = world.connect();
  pub.send("10 [ ('MQTT') 05 02 0000 [] ('pub') ]").expect("20 [ 00 00 [ 21 0002 27 00100000 22 0020 ] ]");
  pub.send("34 [ ('a') 0001 [] ] 34 [ ('a') 0002 [] ] 62 [ 0001 ] 34 [ ('a') 0003 [] ]");
  pub.expect("50 [ 0001 10 ] 50 [ 0002 10 ] 70 [ 0001 ] 50 [ 0003 10 ]");
  pub.send("34 [ ('a') 0004 [] ]");
  EXPECT_EQ(pub.take().substr(2, 1), wire("93"));
  pub.expect_closed();
}

TEST(Redelivery, RepeatsWhatIsUnacknowledgedInOrder_MQTT_4_4_0_1) {
  World world;
  Peer sub = world.persistent("sub", false);
  sub.send("82 [ 0001 ('+') 02 ]").expect("90 [ 0001 02 ]");
  world.publish("a", "1", Qos::AtLeastOnce);
  world.publish("b", "2", Qos::ExactlyOnce);
  world.publish("a", "3", Qos::AtLeastOnce);
  world.publish("b", "4", Qos::ExactlyOnce);
  sub.expect("32 [ ('a') 0001 '1' ] 34 [ ('b') 0002 '2' ] 32 [ ('a') 0003 '3' ] 34 [ ('b') 0004 '4' ]");
  sub.send("40 [ 0003 ] 50 [ 0002 ]").expect("62 [ 0002 ]").drop();
  world.publish("a", "5", Qos::AtLeastOnce);
  world.publish("a", "0", Qos::AtMostOnce);  // not kept for the absent

  Peer again = world.persistent("sub", true);
  again.expect("62 [ 0002 ] 3A [ ('a') 0001 '1' ] 3C [ ('b') 0004 '4' ] 32 [ ('a') 0005 '5' ]");
  again.send("70 [ 0002 ] 40 [ 0001 ] 50 [ 0004 ]").expect("62 [ 0004 ]").send("70 [ 0004 ] 40 [ 0005 ]").drop();
  world.persistent("sub", true).expect_nothing();
}

TEST(Redelivery, StaysWithinTheNewReceiveMaximum) {
  World world;
  Peer sub = world.persistent5("sub", false);
  sub.send("82 [ 0001 [] ('a') 01 ]").expect("90 [ 0001 [] 01 ]");
  for (const char* payload : {"1", "2", "3"}) world.publish("a", payload, Qos::AtLeastOnce);
  sub.expect("32 [ ('a') 0001 [] '1' ] 32 [ ('a') 0002 [] '2' ] 32 [ ('a') 0003 [] '3' ]").drop();

  Peer again = world.connect();
  again.send("10 [ ('MQTT') 05 00 0000 [ 11 00000E10 21 0001 ] ('sub') ]");
  again.expect(std::string(kConnack5Present) + "3A [ ('a') 0001 [] '1' ]");
  world.publish("a", "4", Qos::AtLeastOnce);
  again.expect_nothing();
  again.send("40 [ 0001 ]").expect("3A [ ('a') 0002 [] '2' ]");
  again.send("40 [ 0002 ]").expect("3A [ ('a') 0003 [] '3' ]");
  again.send("40 [ 0003 ]").expect("32 [ ('a') 0004 [] '4' ]");
}

TEST(Redelivery, TakesAcknowledgementsOfTheLastConnection) {
  World world;
  Peer sub = world.persistent("sub", false);
  sub.send("82 [ 0001 ('a') 01 ]").expect("90 [ 0001 01 ]");
  world.publish("a", "1", Qos::AtLeastOnce);
  sub.expect("32 [ ('a') 0001 '1' ]");
  Peer again = world.persistent("sub", true);  // takes over while the PUBACK is on its way
  again.expect("3A [ ('a') 0001 '1' ]").send("40 [ 0001 ] 40 [ 0001 ]").expect_nothing();
  EXPECT_EQ(world.broker.counters().unknown_acks, 1U);
}

TEST(Expiry, DropsWhatWaitedTooLong_MQTT_3_3_2_5) {
  World world;
  Peer sub = world.persistent5("sub", false);
  sub.send("82 [ 0001 [] ('a') 01 ]").expect("90 [ 0001 [] 01 ]").drop();
  Peer pub = world.client5("pub");
  pub.send("32 [ ('a') 0001 [ 02 0000000A ] 'short' ] 32 [ ('a') 0002 [ 02 00000064 ] 'long' ]");
  world.advance(10s);
  Peer again = world.persistent5("sub", true);
  again.expect("32 [ ('a') 0002 [ 02 0000005A ] 'long' ]");  // [MQTT-3.3.2-6]
  EXPECT_EQ(world.broker.counters().publications_expired, 1U);
}

TEST(Properties, TravelUnalteredAndInOrder_MQTT_3_3_2_18) {
  World world;
  Peer sub = world.client5("sub");
  sub.send("82 [ 0001 [ 0B 07 ] ('a') 00 ]").expect("90 [ 0001 [] 00 ]");
  world.client5("pub").send(
      "30 [ ('a') [ 26 ('b')('2') 01 01 23 0001 03 ('text') 08 ('reply/to') 26 ('a')('1') 09 (0001) ] 'x' ]");
  sub.expect("30 [ ('a') [ 0B 07 26 ('b')('2') 01 01 03 ('text') 08 ('reply/to') 26 ('a')('1') 09 (0001) ] 'x' ]");
  Peer old = world.client("old");
  old.send("82 [ 0002 ('a') 00 ]").expect("90 [ 0002 00 ]");
  world.client5("pub").send("30 [ ('a') [ 03 ('text') ] 'x' ]");
  old.expect("30 [ ('a') 'x' ]");
}

TEST(TopicAlias, StandsForTheTopicItWasSentWith_MQTT_3_3_2_12) {
  World world;
  Peer sub = subscriber(world, "sub", "#", 0);
  Peer pub = world.client5("pub");
  pub.send(
      "30 [ ('a/b') [ 23 0020 ] '1' ] 30 [ () [ 23 0020 ] '2' ] 30 [ ('c') [ 23 0020 ] '3' ] 30 [ () [ 23 0020 ] '4' "
      "]");
  sub.expect("30 [ ('a/b') '1' ] 30 [ ('a/b') '2' ] 30 [ ('c') '3' ] 30 [ ('c') '4' ]");
}

TEST(TopicAlias, BeyondTheMaximumOrUnknownEndsTheConnection_MQTT_3_3_2_9) {
  World world;
  Peer beyond = world.client5("a");
  beyond.send("30 [ ('a') [ 23 0021 ] ]");
  EXPECT_EQ(beyond.take().substr(2, 1), wire("94"));
  beyond.expect_closed();
  Peer unknown = world.client5("b");
  unknown.send("30 [ () [ 23 0001 ] ]");
  EXPECT_EQ(unknown.take().substr(2, 1), wire("82"));
  unknown.expect_closed();
  Peer other = world.client5("c");  // aliases end with their connection [MQTT-3.3.2-7]
  other.send("30 [ ('a') [ 23 0001 ] ]").drop();
  Peer again = world.client5("c");
  again.send("30 [ () [ 23 0001 ] ]");
  again.take();
  again.expect_closed();
}

TEST(MaximumPacketSize, OfTheClientDropsWhatIsLarger_MQTT_3_1_2_28) {
  World world;
  Peer sub = world.connect();
  sub.send("10 [ ('MQTT') 05 02 0000 [ 27 00000014 ] ('sub') ]").expect(kConnack5);
  sub.send("82 [ 0001 [] ('a') 01 ]").expect("90 [ 0001 [] 01 ]");
  world.publish("a", "thirteen byte", Qos::AtMostOnce);
  world.publish("a", "thirteen byte", Qos::AtLeastOnce);  // the packet identifier makes it too large
  world.publish("a", "eleven byte", Qos::AtLeastOnce);
  sub.expect("30 [ ('a') [] 'thirteen byte' ] 32 [ ('a') 0002 [] 'eleven byte' ]");
  EXPECT_EQ(world.broker.counters().dropped_large, 1U);
}

TEST(Publishing, ToTopicsThatBeginWithADollarIsRefused) {
  World world;
  Peer sub = subscriber(world, "sub", "$x/#", 2);
  world.client5("new")
      .send("32 [ ('$SYS/x') 0001 [] ] 34 [ ('$x') 0002 [] ]")
      .expect(
          "40 [ 0001 87 [ 1F ('topics that begin with $ are the broker' 27 's own') ] ]"
          "50 [ 0002 87 [ 1F ('topics that begin with $ are the broker' 27 's own') ] ]");
  world.client("old").send("32 [ ('$SYS/x') 0001 ] 30 [ ('$SYS/y') ]").expect("40 [ 0001 ]");
  sub.expect_nothing();
  EXPECT_EQ(world.broker.counters().publications_refused, 4U);
}

}  // namespace
}  // namespace ferrule::mqtt::testing

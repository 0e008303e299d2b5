// Topic aliases that the broker uses towards clients that allow it.
#include "mqtt/topic_aliases.hpp"

#include <gtest/gtest.h>

#include "broker_world.hpp"
#include "wire_text.hpp"

namespace ferrule::mqtt::testing {
namespace {

Peer subscriber(World& world, const std::string& properties, const char* filter, int qos) {
  Peer peer = world.connect();
  peer.send("10 [ ('MQTT') 05 00 0000 [ 11 00000E10 " + properties + " ] ('sub') ]");
  peer.take();
  const std::string granted = "0" + std::to_string(qos);
  peer.send("82 [ 0001 [] ('" + std::string(filter) + "') " + granted + " ]").expect("90 [ 0001 [] " + granted + " ]");
  return peer;
}

TEST(SentTopicAlias, ReplacesATopicThatTheClientKnows_MQTT_3_1_2_29) {
  World world;
  Peer sub = subscriber(world, "22 0002", "#", 1);
  world.publish("plant/a", "1");
  world.publish("plant/a", "2", Qos::AtLeastOnce);
  world.publish("plant/b", "3");
  sub.expect("30 [ ('plant/a') [ 23 0001 ] '1' ] 32 [ () 0001 [ 23 0001 ] '2' ] 30 [ ('plant/b') [ 23 0002 ] '3' ]");
}

TEST(SentTopicAlias, GoesFromTheTopicNotSentForLongest_MQTT_3_3_2_11) {
  World world;
  Peer sub = subscriber(world, "22 0002", "#", 0);
  for (const char* topic : {"plant/a", "plant/b", "plant/a", "plant/c", "plant/a", "plant/b"})
    world.publish(topic, "x");
  sub.expect(
      "30 [ ('plant/a') [ 23 0001 ] 'x' ] 30 [ ('plant/b') [ 23 0002 ] 'x' ] 30 [ () [ 23 0001 ] 'x' ]"
      "30 [ ('plant/c') [ 23 0002 ] 'x' ] 30 [ () [ 23 0001 ] 'x' ] 30 [ ('plant/b') [ 23 0002 ] 'x' ]");
}

TEST(SentTopicAlias, IsNotUsedTowardsAClientThatAllowsNone_MQTT_3_1_2_30) {
  World world;
  Peer absent = subscriber(world, "", "#", 0);
  world.publish("plant/a", "1");
  world.publish("plant/a", "2");
  absent.expect("30 [ ('plant/a') [] '1' ] 30 [ ('plant/a') [] '2' ]").drop();
  Peer zero = subscriber(world, "22 0000", "#", 0);
  world.publish("plant/a", "3");
  zero.expect("30 [ ('plant/a') [] '3' ]");
}

TEST(SentTopicAlias, EndsWithTheConnection_MQTT_3_3_2_7) {
  World world;
  Peer sub = subscriber(world, "22 0002", "#", 1);
  world.publish("plant/a", "1", Qos::AtLeastOnce);
  sub.expect("32 [ ('plant/a') 0001 [ 23 0001 ] '1' ]").drop();
  Peer again = world.connect();
  again.send("10 [ ('MQTT') 05 00 0000 [ 11 00000E10 22 0002 ] ('sub') ]");
  again.expect(std::string(kConnack5Present) + "3A [ ('plant/a') 0001 [ 23 0001 ] '1' ]");
}

TEST(SentTopicAlias, IsLeftOutWhereItWouldMakeThePacketTooLarge) {
  World world;
  Peer sub = subscriber(world, "22 0002 27 00000013", "#", 0);
  world.publish("plant/a", "sixteen");  // 19 bytes without an alias, 22 with one
  sub.expect("30 [ ('plant/a') [] 'sixteen' ]");
  world.publish("plant/a", "four");
  world.publish("plant/a", "thirteen");  // 20 bytes, but 16 when the client knows the topic
  sub.expect("30 [ ('plant/a') [ 23 0001 ] 'four' ] 30 [ () [ 23 0001 ] 'thirteen' ]");
}

TEST(SentTopicAlias, IsBoundedByTheSetting) {
  BrokerSettings settings;
  settings.topic_aliases_sent = 1;
  World world(settings);
  Peer sub = subscriber(world, "22 FFFF", "#", 0);
  world.publish("plant/a", "x");
  world.publish("plant/b", "x");
  sub.expect("30 [ ('plant/a') [ 23 0001 ] 'x' ] 30 [ ('plant/b') [ 23 0001 ] 'x' ]");
}

TEST(SentTopicAlias, IsNotWorthItForTheShortestNorGivenToTheLongest) {
  const OutboundAliases aliases(5);
  EXPECT_EQ(aliases.choose("abc").alias, 0);
  EXPECT_EQ(aliases.choose("abcd").alias, 1);
  EXPECT_EQ(aliases.choose(std::string(OutboundAliases::kLongest, 'x')).alias, 1);
  EXPECT_EQ(aliases.choose(std::string(OutboundAliases::kLongest + 1, 'x')).alias, 0);
}

}  // namespace
}  // namespace ferrule::mqtt::testing

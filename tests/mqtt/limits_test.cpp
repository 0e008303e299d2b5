// Every limit: what it does, what the client is told, and what is counted.
#include <gtest/gtest.h>

#include "broker_world.hpp"
#include "wire_text.hpp"

namespace ferrule::mqtt::testing {
namespace {

using namespace std::chrono_literals;

TEST(Limit, OfConnectionsIsToldInTheConnack) {
  BrokerSettings settings;
  settings.max_connections = 1;
  World world(settings);
  Peer first = world.client("a");
  world.connect().send("10 [ ('MQTT') 04 02 0000 ('b') ]").expect("20 02 00 03").expect_closed();
  world.connect()
      .send("10 [ ('MQTT') 05 02 0000 [] ('b') ]")
      .expect("20 [ 00 89 [ 1F ('as many clients are connected as may be') ] ]")
      .expect_closed();
  EXPECT_EQ(world.broker.counters().connections_refused, 2U);
  world.client("a");  // takes its own place
  first.expect_closed();
  EXPECT_EQ(world.broker.counters().clients_maximum, 1U);
}

TEST(Limit, OfConnectionsSendsClientsToAnotherServerIfThereIsOne) {
  BrokerSettings settings;
  settings.max_connections = 1;
  settings.server_reference = "standby:1883";
  World world(settings);
  Peer first = world.client5("a");
  world.connect()
      .send("10 [ ('MQTT') 05 02 0000 [] ('b') ]")
      .expect("20 [ 00 9C [ 1C ('standby:1883') 1F ('as many clients are connected as may be') ] ]")
      .expect_closed();
  world.broker.shut_down();
  world.turn();
  first.expect("E0 [ 9C [ 1C ('standby:1883') ] ]").expect_closed();
}

TEST(Limit, OfSessionsIsForThoseThatOutlastTheirConnections) {
  BrokerSettings settings;
  settings.max_sessions = 2;
  World world(settings);
  world.persistent("a", false).drop();
  world.persistent5("b", false).drop();
  world.connect().send("10 [ ('MQTT') 04 00 0000 ('c') ]").expect("20 02 00 03").expect_closed();
  world.connect()
      .send("10 [ ('MQTT') 05 02 0000 [ 11 00000001 ] ('c') ]")
      .expect("20 [ 00 97 [ 1F ('as many sessions are kept as may be') ] ]")
      .expect_closed();
  EXPECT_EQ(world.broker.counters().sessions_refused, 2U);
  world.client("c");  // gone with its connection
  world.client5("d");
  world.persistent("a", true);  // there already
  EXPECT_EQ(world.broker.counters().sessions_refused, 2U);
}

TEST(Limit, OfHalfOpenConnectionsLetsTheOldestGiveWay) {
  BrokerSettings settings;
  settings.max_half_open = 2;
  World world(settings);
  Peer known = world.client("a");
  Peer oldest = world.connect();
  Peer talks = world.connect();
  talks.send("10 [ ('MQTT') 04 02 0000 ('b') ]").expect("20 02 00 00");
  Peer second = world.connect();
  Peer third = world.connect();
  world.turn();
  oldest.expect_closed();
  EXPECT_FALSE(second.wire().over || third.wire().over || talks.wire().over || known.wire().over);
  EXPECT_EQ(world.broker.counters().half_open_dropped, 1U);
}

TEST(Limit, OfTenThousandHalfOpenConnectionsDisturbsNobody) {
  World world;
  Peer known = world.client("known");
  known.send("82 [ 0001 ('t') 00 ]").expect("90 [ 0001 00 ]");
  for (int i = 0; i < 10'000; ++i) {
    world.connect();
    if (i % 500 == 0) world.turn();
  }
  world.turn();
  EXPECT_LE(world.broker.counters().connections, 1001U);
  world.client("late").send("30 [ ('t') 'x' ]");
  known.expect("30 [ ('t') 'x' ]");
}

TEST(Limit, OfPacketSizeEndsTheConnectionBeforeThePacketIsRead) {
  BrokerSettings settings;
  settings.max_packet_size = 1024;
  World world(settings);
  Peer fresh = world.connect();
  fresh.send("10 [ ('MQTT') 05 02 0000 [] ('a') ]").expect("20 [ 00 00 [ 21 0400 27 00000400 22 0020 ] ]");
  fresh.send("30 8108").expect("E0 [ 95 [ 1F ('packet larger than allowed') ] ]").expect_closed();
  EXPECT_EQ(world.broker.counters().packets_too_large, 1U);
}

TEST(Limit, OfPacketSizeIsLowerBeforeConnect) {
  World world;
  Peer peer = world.connect();
  peer.send("10 8120").expect_closed();  // 4097 bytes to come
  EXPECT_EQ(world.broker.counters().packets_too_large, 1U);
}

TEST(Limit, OfTheTimeBeforeConnect) {
  World world;
  Peer silent = world.connect(), slow = world.connect();
  slow.send("10");
  world.advance(9s);
  EXPECT_EQ(world.broker.counters().connections, 2U);
  world.advance(1s);
  silent.expect_closed();
  slow.expect_closed();
  EXPECT_EQ(world.broker.counters().connect_timeouts, 2U);
}

TEST(Limit, OfUnacknowledgedPublicationsTowardsUs) {
  BrokerSettings settings;
  settings.receive_maximum = 1;
  World world(settings);
  Peer peer = world.connect();
  peer.send("10 [ ('MQTT') 05 02 0000 [] ('a') ]").take();
  peer.send("34 [ ('t') 0001 [] ]").take();
  peer.send("34 [ ('t') 0002 [] ]");
  EXPECT_EQ(peer.take().substr(2, 1), wire("93"));
  EXPECT_EQ(world.broker.counters().receive_maximum_exceeded, 1U);
}

TEST(Limit, OfTopicAliases) {
  World world;
  Peer peer = world.client5("a");
  peer.send("30 [ ('t') [ 23 0021 ] ]");  // 33
  EXPECT_EQ(peer.take().substr(2, 1), wire("94"));
  EXPECT_EQ(world.broker.counters().topic_aliases_exceeded, 1U);
}

TEST(Limit, OfUnsentBytesDropsQos0AndKeepsTheOthers) {
  BrokerSettings settings;
  settings.max_output_bytes = 100;
  World world(settings);
  Peer slow = world.client("slow");
  slow.send("82 [ 0001 ('t') 01 ]").expect("90 [ 0001 01 ]");
  slow.let_in(0);
  slow.wire().room = 0;
  const std::string payload(60, 'x');
  for (int i = 0; i < 4; ++i) world.publish("t", payload);
  EXPECT_EQ(world.broker.counters().dropped_slow, 2U);
  world.publish("t", "one", Qos::AtLeastOnce);
  EXPECT_EQ(world.broker.counters().queued, 1U);
  EXPECT_EQ(world.broker.counters().publications_dropped, 2U);
}

TEST(Limit, OfTheQueueIsOfPublicationsAndOfBytes) {
  for (const bool by_bytes : {false, true}) {
    BrokerSettings settings;
    (by_bytes ? settings.max_queued_bytes : settings.max_queued) = by_bytes ? 1'600 : 1;
    World world(settings);
    Peer away = world.persistent("away", false);
    away.send("82 [ 0001 ('t') 01 ]").expect("90 [ 0001 01 ]").drop();
    const std::string one(1'000, '1'), other(1'000, '2');  // much more than what a queue needs besides
    for (const auto& payload : {one, other}) world.publish("t", payload, Qos::AtLeastOnce);
    EXPECT_EQ(world.broker.counters().queued, 1U) << by_bytes;
    EXPECT_EQ(world.broker.counters().dropped_full, 1U) << by_bytes;
    world.persistent("away", true).expect("32 [ ('t') 0001 '" + one + "' ]");
  }
}

TEST(Limit, OfSubscriptionsIsToldInTheSuback) {
  BrokerSettings settings;
  settings.max_subscriptions = 1;
  World world(settings);
  Peer fresh = world.client5("new"), old = world.client("old");
  fresh.send("82 [ 0001 [] ('a') 00 ('b') 00 ]")
      .expect("90 [ 0001 [ 1F ('the limit of subscriptions is reached') ] 00 97 ]");
  old.send("82 [ 0001 ('a') 00 ('b') 00 ]").expect("90 [ 0001 00 80 ]");
  EXPECT_EQ(world.broker.counters().subscriptions_refused, 2U);
}

TEST(Limit, OfRetainedTopics) {
  BrokerSettings settings;
  settings.max_retained = 1;
  World world(settings);
  Peer fresh = world.client5("new");
  fresh.send("33 [ ('a') 0001 [] 'x' ]").expect("40 [ 0001 10 ]");
  fresh.send("33 [ ('b') 0002 [] 'x' ]")
      .expect("40 [ 0002 97 [ 1F ('the limit of retained publications is reached') ] ]");
  EXPECT_EQ(world.broker.counters().retained_dropped, 1U);
}

TEST(Limit, OfSilenceIsOneAndAHalfTimesTheKeepAlive) {
  World world;
  Peer peer = world.connect();
  peer.send("10 [ ('MQTT') 05 02 000A [] ('a') ]").take();
  world.advance(15s);
  EXPECT_EQ(peer.take().substr(2, 1), wire("8D"));
  EXPECT_EQ(world.broker.counters().keep_alive_timeouts, 1U);
}

TEST(Limit, OfPublishRateEndsTheConnection) {
  BrokerSettings settings;
  settings.publish_rate = 10;
  World world(settings);
  Peer old = world.client("old"), fresh = world.client5("new");
  for (int i = 0; i < 10; ++i) {  // a second's worth at once
    fresh.send("30 [ ('t') [] ]");
    old.send("30 [ ('t') ]");
  }
  world.advance(100ms);
  fresh.send("30 [ ('t') [] ]").expect_nothing();  // and one more every tenth of a second
  fresh.send("30 [ ('t') [] ]").expect("E0 [ 96 [ 1F ('publishes faster than allowed') ] ]").expect_closed();
  old.send("30 [ ('t') ] 30 [ ('t') ]").expect_closed();
  EXPECT_EQ(world.broker.counters().rate_exceeded, 2U);
  EXPECT_EQ(world.broker.counters().publications_received, 22U);
}

TEST(Limit, OfRetainedBytesRefusesWhatCanBeRefused) {
  BrokerSettings settings;
  settings.sys_interval = 0s;
  settings.max_retained_bytes = 20;
  World world(settings);
  Peer fresh = world.client5("new");
  fresh.send("33 [ ('a') 0001 [] 'nineteen bytes ....' ]").expect("40 [ 0001 10 ]");
  fresh.send("33 [ ('b') 0002 [] 'x' ]")
      .expect("40 [ 0002 97 [ 1F ('the limit of retained publications is reached') ] ]");
  fresh.send("33 [ ('a') 0003 [] 'twenty bytes .......' ]");  // what is there does not count twice
  EXPECT_EQ(fresh.take().substr(4, 1), wire("97"));
  world.client("old").send("33 [ ('b') 0001 'x' ]").expect("40 [ 0001 ]");  // delivered, but not kept
  fresh.send("33 [ ('a') 0004 [] 'short' ]").expect("40 [ 0004 10 ]");
  fresh.send("33 [ ('b') 0005 [] 'x' ]").expect("40 [ 0005 10 ]");
  EXPECT_EQ(world.broker.counters().retained_dropped, 3U);
  EXPECT_EQ(world.broker.counters().retained_bytes, 8U);
  EXPECT_EQ(world.broker.counters().retained, 2U);
}

TEST(Limit, OfTheQueueMayEndTheConnectionOfASlowReader) {
  BrokerSettings settings;
  settings.when_full = WhenFull::Disconnect;
  settings.max_inflight = 1;
  settings.max_queued = 1;
  World world(settings);
  Peer sub = world.persistent5("sub", false);
  sub.send("82 [ 0001 [] ('t') 01 ]").expect("90 [ 0001 [] 01 ]");
  world.publish("t", "1", Qos::AtLeastOnce);
  world.publish("t", "2", Qos::AtLeastOnce);
  sub.expect("32 [ ('t') 0001 [] '1' ]");
  world.publish("t", "3", Qos::AtLeastOnce);
  sub.expect("E0 [ 97 [ 1F ('does not take its publications fast enough') ] ]").expect_closed();
  EXPECT_EQ(world.broker.counters().queue_overflows, 1U);
  EXPECT_EQ(world.broker.counters().dropped_full, 1U);
  world.publish("t", "4", Qos::AtLeastOnce);  // while it is away the newest is dropped
  Peer again = world.persistent5("sub", true);
  again.expect("3A [ ('t') 0001 [] '1' ]").send("40 [ 0001 ]").expect("32 [ ('t') 0002 [] '2' ]");
  EXPECT_EQ(world.broker.counters().dropped_full, 2U);
}

std::size_t memory = 0;

TEST(Limit, OfMemoryLetsNothingNewIn) {
  BrokerSettings settings;
  settings.max_memory = 1000;
  settings.memory_in_use = [] { return memory; };
  memory = 1000;
  World world(settings);
  Peer away = world.persistent5("away", false);
  away.send("82 [ 0001 [] ('t') 01 ]").expect("90 [ 0001 [] 01 ]").drop();
  Peer known = world.client5("known");
  memory = 1001;
  world.advance(1s);
  world.connect()
      .send("10 [ ('MQTT') 05 02 0000 [] ('b') ]")
      .expect("20 [ 00 89 [ 1F ('the broker has no memory left') ] ]")
      .expect_closed();
  known.send("32 [ ('t') 0001 [] 'x' ]").expect("40 [ 0001 97 [ 1F ('the broker has no memory left') ] ]");
  known.send("30 [ ('t') [] 'x' ]").expect_nothing();
  known.send("82 [ 0002 [] ('u') 01 ]").expect("90 [ 0002 [ 1F ('the broker has no memory left') ] 97 ]");
  EXPECT_EQ(world.broker.counters().memory_refusals, 4U);
  world.publish("t", "own", Qos::AtLeastOnce);
  EXPECT_EQ(world.broker.counters().dropped_full, 1U);
  memory = 1000;
  world.advance(1s);
  world.publish("t", "kept", Qos::AtLeastOnce);
  world.persistent5("away", true).expect("32 [ ('t') 0001 [] 'kept' ]");
}

TEST(ReasonString, IsOnlyForThoseWhoAskToBeTold_MQTT_3_1_2_32) {
  World world;
  Peer peer = world.connect();
  peer.send("10 [ ('MQTT') 05 02 0000 [ 17 00 ] ('a') ]").expect(kConnack5);
  peer.send("32 [ ('$x') 0001 [] ]").expect("40 [ 0001 87 ]");
  peer.send("36 [ ('t') 0001 [] 'x' ]").expect("E0 [ 81 [ 1F ('QoS 3') ] ]").expect_closed();  // but here it may
}

TEST(ReasonString, IsLeftOutWhereItWouldMakeThePacketTooLarge_MQTT_3_4_2_2) {
  BrokerSettings settings;
  settings.max_subscriptions = 1;
  World world(settings);
  Peer peer = world.connect();
  peer.send("10 [ ('MQTT') 05 02 0000 [ 27 00000014 ] ('a') ]").expect(kConnack5);                   // 20 bytes
  peer.send("32 [ ('$x') 0001 [] ] 34 [ ('$x') 0002 [] ]").expect("40 [ 0001 87 ] 50 [ 0002 87 ]");  // [MQTT-3.5.2-2]
  peer.send("82 [ 0003 [] ('t') 00 ('u') 00 ]").expect("90 [ 0003 [] 00 97 ]");                      // [MQTT-3.9.2-1]
  peer.send("82 [ 0004 [] ('a/#/b') 00 ]").expect("E0 [ 8F ]").expect_closed();                      // [MQTT-3.14.2-3]
}

TEST(PayloadFormat, IsCheckedOnRequest) {
  BrokerSettings settings;
  settings.check_payload_format = true;
  World world(settings);
  const char* told = "[ 1F ('payload is not the UTF-8 it is said to be') ]";
  Peer peer = world.client5("a");
  peer.send("32 [ ('t') 0001 [ 01 01 ] 'caf' c3a9 00 ]").expect("40 [ 0001 10 ]");
  peer.send("32 [ ('t') 0001 [ 01 00 ] c3 ]").expect("40 [ 0001 10 ]");  // bytes are anything
  peer.send("32 [ ('t') 0002 [ 01 01 ] c3 ]").expect("40 [ 0002 99 " + std::string(told) + " ]");
  peer.send("34 [ ('t') 0003 [ 01 01 ] 'a' 00 c3 ]").expect("50 [ 0003 99 " + std::string(told) + " ]");
  peer.send("30 [ ('t') [ 01 01 ] ff ]").expect("E0 [ 99 " + std::string(told) + " ]").expect_closed();
  World lenient;
  lenient.client5("a").send("32 [ ('t') 0002 [ 01 01 ] c3 ]").expect("40 [ 0002 10 ]");
}

}  // namespace
}  // namespace ferrule::mqtt::testing

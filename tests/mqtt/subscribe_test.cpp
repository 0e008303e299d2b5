// Subscriptions of all kinds, retained publications, wills.
#include <gtest/gtest.h>

#include "broker_world.hpp"
#include "wire_text.hpp"

namespace ferrule::mqtt::testing {
namespace {

using namespace std::chrono_literals;

TEST(Subscribe, GrantsEachFilterInOrder_MQTT_3_9_3_1) {
  World world;
  world.client("old").send("82 [ 0005 ('a') 00 ('b/#') 02 ('+') 01 ]").expect("90 [ 0005 00 02 01 ]");
  world.client5("new").send("82 [ 0005 [] ('a') 00 ('$share/g/b') 02 ]").expect("90 [ 0005 [] 00 02 ]");
  EXPECT_EQ(world.broker.counters().subscriptions, 5U);
}

TEST(Subscribe, BeyondTheLimitIsRefusedFilterByFilter) {
  BrokerSettings settings;
  settings.max_subscriptions = 2;
  World world(settings);
  world.client("old").send("82 [ 0001 ('a') 00 ('b') 00 ('c') 00 ('a') 01 ]").expect("90 [ 0001 00 00 80 01 ]");
  world.client5("new")
      .send("82 [ 0001 [] ('a') 00 ('b') 00 ('c') 00 ]")
      .expect("90 [ 0001 [ 1F ('the limit of subscriptions is reached') ] 00 00 97 ]");
  EXPECT_EQ(world.broker.counters().subscriptions_refused, 2U);
}

TEST(Subscribe, WithABadFilterEndsTheConnection) {
  World world;
  world.client("old").send("82 [ 0001 ('a/#/b') 00 ]").expect_closed();
  Peer fresh = world.client5("new");
  fresh.send("82 [ 0001 [] ('$share/ab') 00 ]");
  EXPECT_EQ(fresh.take().substr(2, 1), wire("8F"));
  fresh.expect_closed();
}

TEST(Subscribe, AgainReplacesTheSubscription_MQTT_3_8_4_3) {
  World world;
  Peer peer = world.client("a");
  peer.send("82 [ 0001 ('t') 02 ] 82 [ 0002 ('t') 00 ]").expect("90 [ 0001 02 ] 90 [ 0002 00 ]");
  world.publish("t", "x", Qos::ExactlyOnce);
  peer.expect("30 [ ('t') 'x' ]");
  EXPECT_EQ(world.broker.counters().subscriptions, 1U);
}

TEST(Subscribe, OverlappingGivesOneCopyWithAllIdentifiers_MQTT_3_3_4_4) {
  World world;
  Peer peer = world.client5("a");
  peer.send("82 [ 0001 [ 0B 01 ] ('t/+') 00 ] 82 [ 0002 [ 0B 02 ] ('t/#') 01 ] 82 [ 0003 [] ('t/x') 02 ]");
  peer.expect("90 [ 0001 [] 00 ] 90 [ 0002 [] 01 ] 90 [ 0003 [] 02 ]");
  world.publish("t/x", "x", Qos::ExactlyOnce);  // the highest QoS of all [MQTT-3.3.4-2]
  const std::string packet = peer.take();
  const std::string either = wire("34 [ ('t/x') 0001 [ 0B01 0B02 ] 'x' ]"),
                    or_else = wire("34 [ ('t/x') 0001 [ 0B02 0B01 ] 'x' ]");
  EXPECT_TRUE(packet == either || packet == or_else) << hex(packet);
}

TEST(Subscribe, IdentifiersSurviveQueueing) {
  World world;
  Peer peer = world.persistent5("a", false);
  peer.send("82 [ 0001 [ 0B 8001 ] ('t') 01 ]").expect("90 [ 0001 [] 01 ]").drop();
  world.publish("t", "x", Qos::AtLeastOnce);
  world.persistent5("a", true).expect("32 [ ('t') 0001 [ 0B 8001 ] 'x' ]");
}

TEST(Subscribe, NoLocalKeepsOwnPublicationsAway_MQTT_3_8_3_3) {
  World world;
  Peer peer = world.client5("a");
  peer.send("82 [ 0001 [] ('t') 04 ]").expect("90 [ 0001 [] 00 ]");
  peer.send("30 [ ('t') [] 'own' ]").expect_nothing();
  world.client("b").send("30 [ ('t') 'other' ]");
  peer.expect("30 [ ('t') [] 'other' ]");
}

TEST(Subscribe, RetainAsPublishedKeepsTheFlag_MQTT_3_3_1_13) {
  World world;
  Peer keeps = world.client5("keeps");
  keeps.send("82 [ 0001 [] ('t') 08 ]").expect("90 [ 0001 [] 00 ]");
  Peer clears = world.client("clears");
  clears.send("82 [ 0001 ('t') 00 ]").expect("90 [ 0001 00 ]");
  world.publish("t", "x", Qos::AtMostOnce, true);
  keeps.expect("31 [ ('t') [] 'x' ]");
  clears.expect("30 [ ('t') 'x' ]");  // [MQTT-3.3.1-12]
}

TEST(Subscribe, SharedGoesToOneMemberInTurn) {
  World world;
  Peer a = world.client5("a"), b = world.client5("b");
  a.send("82 [ 0001 [] ('$share/g/t/#') 01 ]").expect("90 [ 0001 [] 01 ]");
  b.send("82 [ 0001 [] ('$share/g/t/#') 01 ('t/x') 00 ]").expect("90 [ 0001 [] 01 00 ]");
  world.publish("t/y", "1", Qos::AtLeastOnce);
  world.publish("t/y", "2", Qos::AtLeastOnce);
  a.expect("32 [ ('t/y') 0001 [] '1' ]");
  b.expect("32 [ ('t/y') 0001 [] '2' ]");
  world.publish("t/x", "3", Qos::AtLeastOnce);  // b's own subscription is another matter
  a.expect("32 [ ('t/x') 0002 [] '3' ]");
  b.expect("30 [ ('t/x') [] '3' ]");
}

TEST(Subscribe, SharedSkipsMembersThatAreFullOrAway) {
  World world;
  Peer full = world.connect();
  full.send("10 [ ('MQTT') 05 02 0000 [ 21 0001 ] ('full') ]").expect(kConnack5);
  full.send("82 [ 0001 [] ('$share/g/t') 01 ]").expect("90 [ 0001 [] 01 ]");
  Peer away = world.persistent5("away", false);
  away.send("82 [ 0001 [] ('$share/g/t') 01 ]").expect("90 [ 0001 [] 01 ]").drop();
  world.publish("t", "1", Qos::AtLeastOnce);
  full.expect("32 [ ('t') 0001 [] '1' ]");
  Peer free = world.client5("free");
  free.send("82 [ 0001 [] ('$share/g/t') 01 ]").expect("90 [ 0001 [] 01 ]");
  world.publish("t", "2", Qos::AtLeastOnce);
  world.publish("t", "3", Qos::AtLeastOnce);
  free.expect("32 [ ('t') 0001 [] '2' ] 32 [ ('t') 0002 [] '3' ]");
  free.drop();
  full.drop();
  world.publish("t", "4", Qos::AtLeastOnce);  // only the absent one is left: it gets it later
  world.persistent5("away", true)
      .send("40 [ 0001 ] 40 [ 0002 ] 40 [ 0003 ]")
      .expect(
          // and what the others left unacknowledged when their sessions ended
          "32 [ ('t') 0001 [] '1' ] 32 [ ('t') 0002 [] '2' ] 32 [ ('t') 0003 [] '3' ] 32 [ ('t') 0004 [] '4' ]");
}

TEST(Unsubscribe, EndsDeliveryAndIsAlwaysAnswered_MQTT_3_10_4_5) {
  World world;
  Peer peer = world.client5("a");
  peer.send("82 [ 0001 [] ('t') 01 ('$share/g/s') 00 ]").expect("90 [ 0001 [] 01 00 ]");
  peer.send("A2 [ 0002 [] ('t') ('t') ('$share/h/s') ('$share/g/s') ]").expect("B0 [ 0002 [] 00 11 11 00 ]");
  world.publish("t", "x");
  world.publish("s", "x");
  peer.expect_nothing();
  world.client("b").send("A2 [ 0003 ('nothing') ]").expect("B0 [ 0003 ]");
  EXPECT_EQ(world.broker.counters().subscriptions, 0U);
}

TEST(Unsubscribe, LeavesWhatIsOnItsWay_MQTT_3_10_4_3) {
  World world;
  Peer peer = world.client("a");
  peer.send("82 [ 0001 ('t') 02 ]").expect("90 [ 0001 02 ]");
  world.publish("t", "x", Qos::ExactlyOnce);
  peer.expect("34 [ ('t') 0001 'x' ]").send("A2 [ 0002 ('t') ]").expect("B0 [ 0002 ]");
  peer.send("50 [ 0001 ]").expect("62 [ 0001 ]").send("70 [ 0001 ]");
}

// Retained publications

TEST(RetainedPublication, GoesToNewSubscribersWithTheFlag_MQTT_3_3_1_9) {
  World world;
  Peer pub = world.client("pub");
  pub.send("31 [ ('a/b') 'old' ] 33 [ ('a/b') 0001 'new' ] 31 [ ('c') 'other' ]").expect("40 [ 0001 ]");
  world.client("sub").send("82 [ 0001 ('a/#') 01 ]").expect("90 [ 0001 01 ] 33 [ ('a/b') 0001 'new' ]");
  pub.send("31 [ ('a/b') ]");  // [MQTT-3.3.1-6]
  world.client("late").send("82 [ 0001 ('a/#') 01 ]").expect("90 [ 0001 01 ]");
}

TEST(RetainedPublication, FollowsRetainHandling_MQTT_3_3_1_10) {
  World world;
  world.publish("t", "x", Qos::AtMostOnce, true);
  Peer peer = world.client5("a");
  peer.send("82 [ 0001 [] ('t') 20 ]").expect("90 [ 0001 [] 00 ]");  // 2: never [MQTT-3.3.1-11]
  peer.send("82 [ 0002 [] ('t') 10 ]").expect("90 [ 0002 [] 00 ]");  // 1: only when new
  peer.send("82 [ 0003 [ 0B 05 ] ('t') 00 ]").expect("90 [ 0003 [] 00 ] 31 [ ('t') [ 0B 05 ] 'x' ]");  // 0: always
  peer.send("A2 [ 0004 [] ('t') ] 82 [ 0005 [] ('t') 10 ]")
      .expect("B0 [ 0004 [] 00 ] 90 [ 0005 [] 00 ] 31 [ ('t') [] 'x' ]");
}

TEST(RetainedPublication, IsNotForSharedSubscriptionsNorOwnOnesWithNoLocal) {
  World world;
  Peer peer = world.client5("a");
  peer.send("31 [ ('t') [] 'own' ]");
  peer.send("82 [ 0001 [] ('$share/g/t') 00 ('t') 04 ]").expect("90 [ 0001 [] 00 00 ]");
}

TEST(RetainedPublication, ExpiresAndTellsWhatRemains) {
  World world;
  world.client5("pub").send("31 [ ('t') [ 02 0000000A 03 ('text') ] 'x' ]");
  world.advance(4s);
  world.client5("a")
      .send("82 [ 0001 [] ('t') 00 ]")
      .expect("90 [ 0001 [] 00 ] 31 [ ('t') [ 02 00000006 03 ('text') ] 'x' ]");
  const auto before = world.broker.counters().retained;
  world.advance(6s);
  EXPECT_EQ(world.broker.counters().retained, before - 1);
  world.client5("b").send("82 [ 0001 [] ('t') 00 ]").expect("90 [ 0001 [] 00 ]");
}

TEST(RetainedPublication, BeyondTheLimitIsDeliveredButNotKept) {
  BrokerSettings settings;
  settings.max_retained = 0;
  World world(settings);
  Peer sub = world.client("sub");
  sub.send("82 [ 0001 ('t') 00 ]").expect("90 [ 0001 00 ]");
  world.publish("t", "x", Qos::AtMostOnce, true);
  sub.expect("30 [ ('t') 'x' ]");
  world.client("late").send("82 [ 0001 ('t') 00 ]").expect("90 [ 0001 00 ]");
  EXPECT_EQ(world.broker.counters().retained_dropped, 1U);
}

TEST(RetainedPublication, AreLookedThroughAPortionPerTurnThoughNoneIsSent) {
  World world;
  Peer peer = world.client5("a");
  world.publish("other", "y", Qos::AtMostOnce, true);  // the oldest is looked at last
  for (int i = 0; i < 10'000; ++i) peer.feed("31 [ ('own/" + std::to_string(i) + "') [] 'x' ]");
  peer.send("82 [ 0001 [] ('#') 04 ]").expect("90 [ 0001 [] 00 ]");  // No Local
  for (int turns = 0; turns < 4; ++turns) world.turn();
  peer.expect("31 [ ('other') [] 'y' ]");
}

TEST(RetainedPublication, AThousandWaitForASlowReaderWithoutLoss) {
  BrokerSettings settings;
  settings.max_queued = 10;
  settings.max_inflight = 5;
  World world(settings);
  const std::string payload(1000, 'x');
  for (int i = 0; i < 1000; ++i) world.publish("t/" + std::to_string(i), payload, Qos::AtMostOnce, true);
  Peer sub = world.client("sub");
  sub.wire().room = 4;  // the SUBACK's beginning
  sub.send("82 [ 0001 ('t/+') 00 ]");
  std::size_t bytes = 0;
  for (int round = 0; round < 1000 && bytes < 1'005'000; ++round) {
    sub.let_in(10'000);
    bytes += sub.take().size();
  }
  sub.let_in(SIZE_MAX);
  bytes += sub.take().size();
  // 3 bytes of header, 2 + 3..5 of topic, 1000 of payload; 10, 90, 900 names of each length; and the SUBACK.
  EXPECT_EQ(bytes, 1000U * 1005 + 10 * 3 + 90 * 4 + 900 * 5 + 5);
  EXPECT_EQ(world.broker.counters().publications_dropped, 0U);
}

TEST(RetainedPublication, WaitsForTheWindowAndSurvivesAReconnect) {
  BrokerSettings settings;
  settings.max_inflight = 1;
  World world(settings);
  world.publish("b", "2", Qos::AtLeastOnce, true);
  world.publish("a", "1", Qos::AtLeastOnce, true);
  Peer sub = world.persistent("sub", false);
  sub.send("82 [ 0001 ('+') 01 ]").expect("90 [ 0001 01 ] 33 [ ('a') 0001 '1' ]").send("40 [ 0001 ]");
  sub.expect("33 [ ('b') 0002 '2' ]").drop();
  world.persistent("sub", true).expect("3B [ ('b') 0002 '2' ]");

  Peer half = world.persistent("half", false);
  half.send("82 [ 0001 ('+') 01 ]").expect("90 [ 0001 01 ] 33 [ ('a') 0001 '1' ]").drop();
  Peer again = world.persistent("half", true);
  again.expect("3B [ ('a') 0001 '1' ]").send("40 [ 0001 ]").expect("33 [ ('b') 0002 '2' ]");
}

// Wills

TEST(Will, IsPublishedWhenTheNetworkFails_MQTT_3_1_2_8) {
  World world;
  Peer sub = world.client("sub");
  sub.send("82 [ 0001 ('will') 02 ]").expect("90 [ 0001 02 ]");
  Peer peer = world.connect();
  peer.send("10 [ ('MQTT') 04 36 0000 ('a') ('will') ('gone') ]").expect("20 02 00 00");  // QoS 2, retained
  peer.drop();
  sub.expect("34 [ ('will') 0001 'gone' ]");
  world.client("late")
      .send("82 [ 0001 ('will') 00 ]")
      .expect("90 [ 0001 00 ] 31 [ ('will') 'gone' ]");  // [MQTT-3.1.2-17]
}

TEST(Will, IsNotPublishedAfterANormalDisconnect_MQTT_3_14_4_3) {
  World world;
  Peer sub = world.client("sub");
  sub.send("82 [ 0001 ('will') 00 ]").expect("90 [ 0001 00 ]");
  world.connect().send("10 [ ('MQTT') 04 06 0000 ('a') ('will') ('gone') ]").send("E0 00").take();
  sub.expect_nothing();
  Peer asks = world.connect();
  asks.send("10 [ ('MQTT') 05 06 0000 [] ('b') [] ('will') ('asked for') ]").expect(kConnack5);
  asks.send("E0 [ 04 ]").expect_closed();  // Disconnect with Will Message
  sub.expect("30 [ ('will') 'asked for' ]");
}

TEST(Will, IsPublishedAfterAProtocolErrorAndKeepAlive) {
  World world;
  Peer sub = world.client("sub");
  sub.send("82 [ 0001 ('will') 00 ]").expect("90 [ 0001 00 ]");
  world.connect().send("10 [ ('MQTT') 04 06 0000 ('a') ('will') ('error') ]").send("36 [ ('t') 0001 ]");
  sub.expect("30 [ ('will') 'error' ]");
  world.connect().send("10 [ ('MQTT') 04 06 000A ('a') ('will') ('silent') ]");
  world.advance(15s);
  sub.expect("30 [ ('will') 'silent' ]");
}

TEST(Will, WaitsForItsDelayAndIsTakenBackByAReconnect_MQTT_3_1_2_26) {
  World world;
  Peer sub = world.client("sub");
  sub.send("82 [ 0001 ('will') 00 ]").expect("90 [ 0001 00 ]");
  const char* connect = "10 [ ('MQTT') 05 04 0000 [ 11 00000064 ] ('a') [ 18 0000000A ] ('will') ('gone') ]";
  Peer first = world.connect();
  first.send(connect).expect(kConnack5);
  first.drop();
  world.advance(9999ms);
  sub.expect_nothing();
  Peer second = world.connect();
  second.send(connect).expect(kConnack5Present);
  world.advance(60s);
  sub.expect_nothing();
  second.drop();
  world.advance(10s);
  sub.expect("30 [ ('will') 'gone' ]");
  world.advance(100s);
  sub.expect_nothing();  // once [MQTT-3.1.2-10]
}

TEST(Will, IsPublishedAtTheLatestWhenTheSessionEnds) {
  World world;
  Peer sub = world.client("sub");
  sub.send("82 [ 0001 ('will') 00 ]").expect("90 [ 0001 00 ]");
  const char* connect = "10 [ ('MQTT') 05 04 0000 [ 11 00000005 ] ('a') [ 18 0000000A ] ('will') ('gone') ]";
  Peer first = world.connect();
  first.send(connect).drop();
  world.advance(5s);
  sub.expect("30 [ ('will') 'gone' ]");
  Peer second = world.connect();
  second.send(connect).drop();
  world.client5("a");  // a clean start ends the session too
  sub.expect("30 [ ('will') 'gone' ]");
}

TEST(Will, OfASessionThatIsTakenOver) {
  World world;
  Peer sub = world.client("sub");
  sub.send("82 [ 0001 ('will/+') 00 ]").expect("90 [ 0001 00 ]");
  world.connect().send("10 [ ('MQTT') 05 04 0000 [ 11 00000064 ] ('a') [ 18 0000000A ] ('will/delayed') ('x') ]");
  world.connect().send("10 [ ('MQTT') 05 04 0000 [ 11 00000064 ] ('a') [] ('will/at-once') ('y') ]");
  sub.expect_nothing();
  world.connect().send("10 [ ('MQTT') 05 00 0000 [ 11 00000064 ] ('a') ]");
  sub.expect("30 [ ('will/at-once') 'y' ]");
}

TEST(Will, CarriesItsProperties) {
  World world;
  Peer sub = world.client5("sub");
  sub.send("82 [ 0001 [] ('will') 00 ]").expect("90 [ 0001 [] 00 ]");
  Peer peer = world.connect();
  peer.send("10 [ ('MQTT') 05 06 0000 [] ('a') [ 01 01 02 0000003C 26 ('k')('v') ] ('will') ('gone') ]").drop();
  sub.expect("30 [ ('will') [ 02 0000003C 01 01 26 ('k')('v') ] 'gone' ]");
}

TEST(Will, ForATopicThatBeginsWithADollarIsRefused) {
  World world;
  world.connect().send("10 [ ('MQTT') 04 06 0000 ('a') ('$SYS/x') ('gone') ]").expect("20 02 00 05").expect_closed();
}

}  // namespace
}  // namespace ferrule::mqtt::testing

// CONNECT: who is let in and how it is answered; sessions begun, resumed, taken over and ended.
#include <gtest/gtest.h>

#include "broker_world.hpp"
#include "mqtt/log_limit.hpp"
#include "wire_text.hpp"

namespace ferrule::mqtt::testing {
namespace {

using namespace std::chrono_literals;

TEST(Connect, IsAnsweredInEachVersion) {
  World world;
  world.connect().send("10 [ ('MQIsdp') 03 02 003C ('old') ]").expect("20 02 00 00");
  world.connect().send("10 [ ('MQTT') 04 02 003C ('usual') ]").expect("20 02 00 00");
  world.connect().send("10 [ ('MQTT') 05 02 003C [] ('new') ]").expect(kConnack5);
  EXPECT_EQ(world.broker.counters().clients_connected, 3U);
}

TEST(Connect, MustBeTheFirstPacket_MQTT_3_1_0_1) {
  World world;
  world.connect().send("C0 00").expect_closed();
  world.connect().send("30 [ ('a') 'x' ]").expect_closed();
  EXPECT_EQ(world.broker.counters().protocol_errors, 2U);
}

TEST(Connect, MustNotBeSentTwice_MQTT_3_1_0_2) {
  World world;
  world.client("a").send("10 [ ('MQTT') 04 02 0000 ('a') ]").expect_closed();
  world.client5("b")
      .send("10 [ ('MQTT') 05 02 0000 [] ('b') ]")
      .expect("E0 [ 82 [ 1F ('second CONNECT') ] ]")
      .expect_closed();
}

TEST(Connect, OfAnUnknownVersionIsToldSo_MQTT_3_1_2_2) {
  World world;
  world.connect().send("10 [ ('MQTT') 03 02 0000 ('a') ]").expect("20 02 00 01").expect_closed();
  world.connect()
      .send("10 [ ('MQTT') 06 02 0000 [] ('a') ]")
      .expect("20 [ 00 84 [ 1F ('unknown protocol level') ] ]")
      .expect_closed();
  EXPECT_EQ(world.broker.counters().connects_rejected, 2U);
}

TEST(Connect, ThatIsMalformedEndsTheConnection_MQTT_3_1_4_1) {
  World world;
  world.connect().send("10 [ ('MQTT') 04 03 0000 ('a') ]").expect_closed();  // 3.1.1 has no return code for it
  world.connect()
      .send("10 [ ('MQTT') 05 03 0000 [] ('a') ]")
      .expect("20 [ 00 81 [ 1F ('reserved connect flag') ] ]")
      .expect_closed();
}

TEST(Connect, WithAnAuthenticationMethodIsRefused_MQTT_4_12_0_1) {
  World world;
  world.connect()
      .send("10 [ ('MQTT') 05 02 0000 [ 15 ('SCRAM-SHA-256') ] ('a') ]")
      .expect("20 [ 00 8C [ 1F ('unknown authentication method') ] ]")
      .expect_closed();
}

TEST(Connect, WithoutClientIdGetsOne_MQTT_3_1_3_7) {
  World world;
  world.connect().send("10 [ ('MQTT') 04 02 0000 () ]").expect("20 02 00 00");
  world.connect().send("10 [ ('MQTT') 04 00 0000 () ]").expect("20 02 00 02").expect_closed();
  Peer peer = world.connect();
  peer.send("10 [ ('MQTT') 05 02 0000 [] () ]");
  const std::string connack = peer.take();
  const auto at = connack.find("auto-");
  ASSERT_NE(at, std::string::npos);
  EXPECT_EQ(connack.at(at - 3), 0x12);  // Assigned Client Identifier
  EXPECT_EQ(world.broker.counters().clients_connected, 2U);
}

TEST(Connect, IsAwaitedForTenSecondsOnly) {
  World world;
  Peer idle = world.connect();
  world.advance(9999ms);
  EXPECT_FALSE(idle.wire().over);
  world.advance(1ms);
  idle.expect_closed();
  EXPECT_EQ(world.broker.counters().connect_timeouts, 1U);
}

TEST(Connect, MayNotBeLargerThanAllowedBeforeIt) {
  World world;
  world.connect().send("10 81 20").expect_closed();  // announces 4,097 bytes
  EXPECT_EQ(world.broker.counters().protocol_errors, 1U);
}

TEST(Connect, IsToldTheKeepAliveThatHolds_MQTT_3_2_2_21) {
  BrokerSettings settings;
  settings.max_keep_alive = 60s;
  World world(settings);
  const char* connack = "20 [ 00 00 [ 13 003C 21 0400 27 00100000 22 0020 ] ]";
  world.connect().send("10 [ ('MQTT') 05 02 0000 [] ('none') ]").expect(connack);
  world.connect().send("10 [ ('MQTT') 05 02 003D [] ('long') ]").expect(connack);
  world.connect().send("10 [ ('MQTT') 05 02 003C [] ('fits') ]").expect(kConnack5);
}

TEST(Connect, GetsResponseInformationOnRequestOnly_MQTT_3_1_2_31) {
  World world;
  world.connect()
      .send("10 [ ('MQTT') 05 02 0000 [ 19 01 ] ('a') ]")
      .expect("20 [ 00 00 [ 21 0400 27 00100000 22 0020 1A ('response/a') ] ]");
  world.connect().send("10 [ ('MQTT') 05 02 0000 [ 19 00 ] ('b') ]").expect(kConnack5);
  world.connect().send("10 [ ('MQTT') 05 02 0000 [ 19 01 ] ('c/#') ]").expect(kConnack5);  // no topic comes of that
}

TEST(Connect, IsToldTheSessionExpiryThatHolds) {
  BrokerSettings settings;
  settings.max_session_expiry = 600s;
  World world(settings);
  world.connect()
      .send("10 [ ('MQTT') 05 02 0000 [ 11 FFFFFFFF ] ('a') ]")
      .expect("20 [ 00 00 [ 11 00000258 21 0400 27 00100000 22 0020 ] ]");
}

TEST(Connect, WhoseClientTakesNoConnackIsClosedSilently_MQTT_3_1_2_27) {
  World world;
  world.connect().send("10 [ ('MQTT') 05 02 0000 [ 27 0000000F ] ('a') ]").expect_closed();
  EXPECT_EQ(world.broker.counters().clients_connected, 0U);
}

TEST(KeepAlive, EndsASilentConnectionAfterOneAndAHalfPeriods_MQTT_3_1_2_24) {
  World world;
  Peer old = world.connect();
  old.send("10 [ ('MQTT') 04 02 000A ('old') ]").expect("20 02 00 00");
  Peer fresh = world.connect();
  fresh.send("10 [ ('MQTT') 05 02 000A [] ('new') ]").expect(kConnack5);
  world.advance(10s);
  old.send("C0 00").expect("D0 00");  // [MQTT-3.12.4-1]
  world.advance(4999ms);
  fresh.expect_nothing();
  world.advance(1ms);
  fresh.expect("E0 [ 8D ]").expect_closed();
  old.expect_nothing();
  world.advance(9999ms);
  EXPECT_FALSE(old.wire().over);
  world.advance(1ms);
  old.expect_closed();
  EXPECT_EQ(world.broker.counters().keep_alive_timeouts, 2U);
}

TEST(KeepAlive, CountsWholePacketsOnly) {
  World world;
  Peer peer = world.connect();
  peer.send("10 [ ('MQTT') 04 02 000A ('a') ]").expect("20 02 00 00");
  peer.send("30 05");
  world.advance(8s);
  peer.send("00 01");
  world.advance(7s);
  peer.expect_closed();
}

TEST(KeepAlive, OfZeroNeverEndsAConnection) {
  World world;
  Peer peer = world.client("a");
  world.advance(24h);
  peer.send("C0 00").expect("D0 00");
}

TEST(Session, IsTakenOverByASecondConnection_MQTT_3_1_4_3) {
  World world;
  Peer old = world.persistent("a", false);
  old.send("82 [ 0001 ('t') 01 ]").expect("90 [ 0001 01 ]");
  Peer fresh = world.persistent("a", true);
  old.expect_closed();
  world.publish("t", "x");
  fresh.expect("30 [ ('t') 'x' ]");
  EXPECT_EQ(world.broker.counters().takeovers, 1U);

  Peer old5 = world.persistent5("b", false);
  world.persistent5("b", true);
  old5.expect("E0 [ 8E ]").expect_closed();
}

TEST(Session, IsDiscardedByACleanStart_MQTT_3_1_2_4) {
  World world;
  world.persistent("a", false).send("82 [ 0001 ('t') 01 ]").expect("90 [ 0001 01 ]").drop();
  world.publish("t", "kept", Qos::AtLeastOnce);
  Peer clean = world.client("a");
  world.publish("t", "x");
  clean.expect_nothing();
  clean.drop();
  world.persistent("a", false);
  EXPECT_EQ(world.broker.counters().subscriptions, 0U);
}

TEST(Session, EndsWithTheConnectionWithoutExpiry) {
  World world;
  world.client5("a").send("82 [ 0001 [] ('t') 01 ]").expect("90 [ 0001 [] 01 ]").drop();
  EXPECT_EQ(world.broker.counters().sessions, 0U);
  world.persistent5("a", false);
}

TEST(Session, EndsWhenItsExpiryHasPassed_MQTT_4_1_0_2) {
  World world;
  world.persistent5("a", false).drop();
  world.advance(3599s);
  world.persistent5("a", true).drop();  // counts anew from here
  world.advance(3599s);
  EXPECT_EQ(world.broker.counters().sessions, 1U);
  world.advance(1s);
  EXPECT_EQ(world.broker.counters().sessions, 0U);
  EXPECT_EQ(world.broker.counters().sessions_expired, 1U);
  world.persistent5("a", false);
}

TEST(Session, IsKeptForNoLongerThanConfigured) {
  World world;
  world.persistent("a", false).drop();
  world.advance(7 * 24h - 1s);
  world.persistent("a", true).drop();
  world.advance(7 * 24h);
  world.persistent("a", false);
}

TEST(Disconnect, ChangesTheExpiryOfTheSession) {
  World world;
  world.persistent5("a", false).send("E0 [ 00 [ 11 0000000A ] ]").expect_closed();
  world.advance(9s);
  world.persistent5("a", true).send("E0 [ 00 [ 11 00000000 ] ]").expect_closed();
  EXPECT_EQ(world.broker.counters().sessions, 0U);
}

TEST(Disconnect, CannotGiveAnExpiryToASessionThatHadNone) {
  World world;
  Peer peer = world.client5("a");
  peer.send("E0 [ 00 [ 11 0000000A ] ]");
  EXPECT_EQ(peer.take().substr(0, 1), wire("E0"));
  peer.expect_closed();
  EXPECT_EQ(world.broker.counters().protocol_errors, 1U);
}

TEST(Broker, TellsItsClientsWhenItShutsDown) {
  World world;
  Peer old = world.client("old");
  Peer fresh = world.client5("new");
  Peer silent = world.connect();
  world.broker.shut_down();
  world.turn();
  old.expect_closed();
  fresh.expect("E0 [ 8B ]").expect_closed();
  silent.expect_closed();
  EXPECT_TRUE(world.connect().wire().over);
}

TEST(Broker, AnswersMalformedPacketsByVersion_MQTT_4_13_1_1) {
  World world;
  world.client("a").send("36 [ ('t') 0001 'x' ]").expect_closed();  // QoS 3 [MQTT-3.3.1-4]
  world.client5("b").send("36 [ ('t') 0001 [] 'x' ]").expect("E0 [ 81 [ 1F ('QoS 3') ] ]").expect_closed();
  world.client5("c")
      .send("30 FFFFFFFF 7F")
      .expect("E0 [ 81 [ 1F ('Remaining Length of more than four bytes') ] ]")
      .expect_closed();
  Peer d = world.client5("d");
  d.send("F0 [ 00 [] ]");  // AUTH without an authentication method [MQTT-4.12.0-7]
  EXPECT_EQ(d.take().substr(2, 1), wire("82"));
  d.expect_closed();
  EXPECT_EQ(world.broker.counters().protocol_errors, 4U);
}

TEST(Broker, WritesNoControlCharactersOfPeersIntoItsLog) {
  EXPECT_EQ(for_log("plant\n1\x1B[31m \x7F caf\xC3\xA9"), "plant?1?[31m ? caf\xC3\xA9");
  EXPECT_EQ(for_log(std::string(101, 'x')), std::string(100, 'x') + "...");
}

TEST(Broker, CarriesOnWhereAPacketWasCutByTheNetwork) {
  World world;
  Peer peer = world.client("a");
  peer.send("82 [ 0001 ('t') 00 ]").expect("90 [ 0001 00 ]");
  const std::string publish = wire("30 [ ('t') 'hello' ]");
  for (const char byte : publish) peer.send_bytes({&byte, 1});
  peer.expect("30 [ ('t') 'hello' ]");
}

}  // namespace
}  // namespace ferrule::mqtt::testing

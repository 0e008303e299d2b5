// CONNECT, sessions and wills, statement by statement, in MQTT 3.1.1 and 5.0.
#include "both_versions.hpp"

namespace ferrule::mqtt::testing {
namespace {

using namespace std::chrono_literals;

class Connecting : public InBothVersions {};
FERRULE_IN_BOTH_VERSIONS(Connecting);

TEST_P(Connecting, ReadsEachFieldInItsPlace) {
  // [MQTT-3.1.3-1] [MQTT-3.1.3-3] [MQTT-3.1.2-9] [MQTT-3.1.2-19] [MQTT-3.1.2-21] [MQTT-3.1.2-7] [MQTT-3.1.2-8]
  // [MQTT-3.1.3-1 (3.1.1)] [MQTT-3.1.3-3 (3.1.1)] [MQTT-3.1.2-9 (3.1.1)] [MQTT-3.1.2-19 (3.1.1)]
  // [MQTT-3.1.2-21 (3.1.1)] [MQTT-3.1.2-8 (3.1.1)]
  Client watcher = subscriber("watcher", "will/+", 2);
  Client full = open();
  full.send("10 [ ('MQTT') " + level() + " CE 0000 @ ('id') @ ('will/t') ('gone') ('user') ('password') ]");
  full.expect(connack());
  full.drop();
  watcher.expect("32 [ ('will/t') 0001 @ 'gone' ]");
  EXPECT_EQ(world.broker.counters().sessions, 1U);  // its identifier was not taken for something else
}

TEST_P(Connecting, RefusesFieldsWithoutTheirFlagsAndFlagsWithoutTheirFields) {
  // [MQTT-3.1.2-18] [MQTT-3.1.2-20] [MQTT-3.1.2-11] [MQTT-3.1.2-19] [MQTT-3.1.2-21] [MQTT-3.1.2-9] [MQTT-3.1.3-3]
  // [MQTT-3.1.2-18 (3.1.1)] [MQTT-3.1.2-20 (3.1.1)] [MQTT-3.1.2-11 (3.1.1)] [MQTT-3.1.4-1 (3.1.1)]
  // [MQTT-3.2.2-6 (3.1.1)]
  for (const char* rest :
       {"02 0000 @ ('id') ('user')", "82 0000 @ ('id') ('user') ('password')", "02 0000 @ ('id') @ ('will') ('gone')",
        "82 0000 @ ('id')", "C2 0000 @ ('id') ('user')", "06 0000 @ ('id') @ ('will')", "02 0000 @"}) {
    Client bad = open();
    bad.send("10 [ ('MQTT') " + level() + " " + rest + " ]");
    const std::string answer = bad.take();
    EXPECT_EQ(hex(answer.substr(0, 1)), v5() ? "20" : "") << rest;  // no return code of 3.1.1 fits
    if (v5()) {                                                     // no session, malformed
      EXPECT_EQ(hex(answer.substr(3, 1)), "81") << rest;
    }
    bad.expect_closed();
  }
  EXPECT_EQ(world.broker.counters().sessions, 0U);
}

TEST_P(Connecting, RefusesFlagsThatContradictThemselves) {
  // [MQTT-3.1.2-11 (3.1.1)] [MQTT-3.1.2-13 (3.1.1)] [MQTT-3.1.2-14 (3.1.1)] [MQTT-3.1.2-15 (3.1.1)]
  // [MQTT-3.1.2-13] [MQTT-3.1.2-14] [MQTT-3.1.2-15] [MQTT-3.1.2-11]
  for (const char* flags : {"0A", "22", "1E"}) {  // Will QoS 1 or retain without a will; Will QoS 3
    Client bad = open();
    bad.send("10 [ ('MQTT') " + level() + " " + flags + " 0000 @ ('id') @ ('will') ('gone') ]");
    bad.take();
    bad.expect_closed();
  }
}

TEST_P(Connecting, AllowsEveryPlainIdentifier) {
  // [MQTT-3.1.3-5] [MQTT-3.1.3-5 (3.1.1)]
  for (const char* id : {"0123456789abcdefghijklm", "nopqrstuvwxyzABCDEFGHIJ", "KLMNOPQRSTUVWXYZ", "Z"}) client(id);
  EXPECT_EQ(world.broker.counters().clients_connected, 4U);
}

TEST_P(Connecting, GivesAnIdentifierToWhoHasNone) {
  // [MQTT-3.1.3-6] [MQTT-3.2.2-16] [MQTT-3.1.3-6 (3.1.1)]
  Client first = open(), second = open();
  const std::string connect = "10 [ ('MQTT') " + level() + " 02 0000 @ () ]";
  first.send(connect);
  second.send(connect);
  const std::string one = first.take(), other = second.take();
  EXPECT_EQ(world.broker.counters().clients_connected, 2U);  // nobody was taken over
  if (v5()) {
    EXPECT_NE(one.substr(one.find("auto-")), other.substr(other.find("auto-")));
  }
  first.send("82 [ 0001 @ ('t') 00 ]").expect("90 [ 0001 @ 00 ]");  // as any other client
}

TEST_P(Connecting, AnswersARejectedIdentifierAndCloses) {
  // [MQTT-3.1.3-8] [MQTT-3.1.3-9 (3.1.1)] [MQTT-3.2.2-4 (3.1.1)] [MQTT-3.2.2-5 (3.1.1)] [MQTT-3.2.2-7] [MQTT-4.13.2-1]
  Client bad = open();
  if (v5()) {  // every identifier that is UTF-8 will do
    bad.send("10 [ ('MQTT') 05 02 0000 [] (ff) ]").expect("20 [ 00 81 [ 1F ('client identifier is not UTF-8') ] ]");
  } else {
    bad.send("10 [ ('MQTT') 04 00 0000 () ]").expect("20 02 00 02");
  }
  bad.expect_closed();
}

TEST_P(Connecting, ProcessesNothingBehindARejectedConnect) {
  // [MQTT-3.1.4-6] [MQTT-3.1.4-5 (3.1.1)] [MQTT-3.1.4-2] [MQTT-3.14.0-1]
  Client watcher = subscriber("watcher", "t", 0);
  Client bad = open();
  bad.send("10 [ ('MQTT') " + level() + " 06 0000 @ ('id') @ ('$SYS/will') ('gone') ] 30 [ ('t') @ 'x' ] C0 00");
  const std::string answer = bad.take();
  EXPECT_EQ(hex(answer.substr(0, 1)), "20");
  EXPECT_EQ(hex(answer.substr(3, 1)), v5() ? "87" : "05");
  EXPECT_EQ(answer.size(), 2U + static_cast<unsigned char>(answer[1]));  // and nothing else: no DISCONNECT
  bad.expect_closed();
  watcher.expect_nothing();
}

TEST_P(Connecting, ProcessesNothingBeforeConnectNorASecondOne) {
  // [MQTT-3.1.0-1 (3.1.1)] [MQTT-3.1.0-2 (3.1.1)] [MQTT-4.8.0-1 (3.1.1)] [MQTT-3.2.0-1] [MQTT-3.2.0-1 (3.1.1)]
  // [MQTT-3.2.0-2]
  Client hasty = open();
  hasty.send("82 [ 0001 @ ('t') 00 ]").expect_closed();
  Client twice = client("a");
  twice.send("10 [ ('MQTT') " + level() + " 02 0000 @ ('a') ]");
  twice.expect_disconnect(Reason::ProtocolError);  // and no second CONNACK
}

TEST_P(Connecting, RefusesOtherProtocols) {
  // [MQTT-3.1.2-1 (3.1.1)] [MQTT-3.1.2-1] [MQTT-3.1.2-2]
  Client other = open();
  other.send("10 [ ('HTTP') " + level() + " 02 0000 @ ('a') ]").expect("20 02 00 01").expect_closed();
}

TEST_P(Connecting, UsesTheKeepAliveOfTheClient) {
  // [MQTT-3.2.2-22] [MQTT-3.1.2-24 (3.1.1)] [MQTT-3.1.2-24]
  Client quiet = open();
  quiet.send("10 [ ('MQTT') " + level() + " 02 0004 @ ('a') ]").expect(connack());
  world.advance(5999ms);
  quiet.expect_nothing();
  EXPECT_FALSE(quiet.peer().wire().over);
  world.advance(1ms);
  quiet.expect_disconnect(Reason::KeepAliveTimeout);
}

TEST_P(Connecting, AnswersPing) {
  // [MQTT-3.12.4-1] [MQTT-3.12.4-1 (3.1.1)]
  client("a").send("C0 00").expect("D0 00");
}

TEST_P(Connecting, ChecksTheReservedBitsOfDisconnect) {
  // [MQTT-3.14.1-1] [MQTT-3.14.1-1 (3.1.1)]
  Client bad = client("a");
  bad.send("E1 00");
  bad.expect_disconnect(Reason::MalformedPacket);
}

TEST_P(Connecting, SaysNothingAfterItsDisconnectAndCloses) {
  // [MQTT-3.14.4-1] [MQTT-3.14.4-2] [MQTT-4.13.2-1]
  Client sub = subscriber("a", "t", 0);
  sub.peer().feed("C1 00 C0 00");  // the second would have an answer
  world.publish("t", "x");
  sub.expect_disconnect(Reason::MalformedPacket);
}

TEST(ConnackReasonString, IsLeftOutWhereItWouldMakeThePacketTooLarge_MQTT_3_2_2_19) {
  World world;
  world.connect()
      .send("10 [ ('MQTT') 05 06 0000 [ 27 00000010 ] ('a') [] ('$SYS/x') () ]")
      .expect("20 [ 00 87 [] ]")
      .expect_closed();
}

class SessionState : public InBothVersions {};
FERRULE_IN_BOTH_VERSIONS(SessionState);

TEST_P(SessionState, IsCreatedKeptAndResumedByItsIdentifier) {
  // [MQTT-3.1.2-5] [MQTT-3.1.2-6] [MQTT-3.1.2-25] [MQTT-3.1.3-2] [MQTT-3.1.4-5] [MQTT-3.2.2-3] [MQTT-4.5.0-1]
  // [MQTT-3.1.2-4 (3.1.1)] [MQTT-3.1.2-5 (3.1.1)] [MQTT-3.1.3-2 (3.1.1)] [MQTT-3.1.4-4 (3.1.1)] [MQTT-3.2.2-2 (3.1.1)]
  // [MQTT-3.2.2-3 (3.1.1)] [MQTT-4.1.0-1 (3.1.1)] [MQTT-4.5.0-1 (3.1.1)]
  Client first = persistent("a", false);
  first.send("82 [ 0001 @ ('t') 02 ]").expect("90 [ 0001 @ 02 ]");
  first.drop();
  persistent("b", false).drop();  // another identifier, another session
  world.publish("t", "1", Qos::AtLeastOnce);
  world.publish("t", "2", Qos::ExactlyOnce);
  persistent("a", true).expect("32 [ ('t') 0001 @ '1' ] 34 [ ('t') 0002 @ '2' ]");
}

TEST_P(SessionState, IsDiscardedByACleanStart) {
  // [MQTT-3.1.4-4] [MQTT-3.2.2-2] [MQTT-3.1.2-4] [MQTT-3.1.2-6 (3.1.1)] [MQTT-3.1.4-3 (3.1.1)] [MQTT-3.2.2-1 (3.1.1)]
  Client first = persistent("a", false);
  first.send("82 [ 0001 @ ('t') 01 ]").expect("90 [ 0001 @ 01 ]");
  first.drop();
  world.publish("t", "old", Qos::AtLeastOnce);
  Client clean = client("a");  // which checks that the session is not present
  clean.expect_nothing();
  clean.drop();
  persistent("a", false).expect_nothing();  // nor does that one's state outlive its connection
}

TEST_P(SessionState, LastsAtLeastAsLongAsItsConnection) {
  // [MQTT-4.1.0-1] [MQTT-4.1.0-2 (3.1.1)]
  Client sub = subscriber("a", "t", 1);
  world.advance(30 * 24h);
  world.publish("t", "x", Qos::AtLeastOnce);
  sub.expect("32 [ ('t') 0001 @ 'x' ]");
}

TEST_P(SessionState, DoesNotIncludeRetainedPublications) {
  // [MQTT-3.1.2-7 (3.1.1)]
  Client pub = client("pub");
  pub.send("31 [ ('t') @ 'x' ]");
  pub.drop();
  client("sub").send("82 [ 0001 @ ('t') 00 ]").expect("90 [ 0001 @ 00 ] 31 [ ('t') @ 'x' ]");
}

TEST_P(SessionState, HasOneConnectionAtATime) {
  // [MQTT-3.1.4-3] [MQTT-3.1.4-2 (3.1.1)]
  Client first = persistent("a", false);
  persistent("a", true);
  first.expect_disconnect(Reason::SessionTakenOver);
}

class Wills : public InBothVersions {
 protected:
  Client with_will(const char* flags) {
    Client made = open();
    made.send("10 [ ('MQTT') " + level() + " " + flags + " 0000 @ ('a') @ ('w') ('gone') ]").expect(connack());
    return made;
  }
};
FERRULE_IN_BOTH_VERSIONS(Wills);

TEST_P(Wills, AreRetainedOnRequestOnly) {
  // [MQTT-3.1.2-16] [MQTT-3.1.2-17] [MQTT-3.1.2-16 (3.1.1)] [MQTT-3.1.2-17 (3.1.1)]
  with_will("06").drop();
  client("early").send("82 [ 0001 @ ('w') 00 ]").expect("90 [ 0001 @ 00 ]");
  with_will("26").drop();
  client("late").send("82 [ 0001 @ ('w') 00 ]").expect("90 [ 0001 @ 00 ] 31 [ ('w') @ 'gone' ]");
}

TEST_P(Wills, AreDiscardedByDisconnectAndPublishedOnce) {
  // [MQTT-3.14.4-3] [MQTT-3.1.2-10] [MQTT-3.14.4-3 (3.1.1)] [MQTT-3.1.2-10 (3.1.1)]
  Client watcher = subscriber("watcher", "w", 0);
  with_will("06").send("E0 00").expect_closed();
  watcher.expect_nothing();
  with_will("06").drop();
  watcher.expect("30 [ ('w') @ 'gone' ]");
  world.advance(24h);
  client("a").drop();
  watcher.expect_nothing();
}

TEST_P(Wills, AreNotInventedForWhoHasNone) {
  // [MQTT-3.1.2-12] [MQTT-3.1.2-12 (3.1.1)]
  Client watcher = subscriber("watcher", "#", 0);
  client("a").drop();
  persistent("b", false).drop();
  watcher.expect_nothing();
}

}  // namespace
}  // namespace ferrule::mqtt::testing

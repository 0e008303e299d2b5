// Shared subscriptions when their members come, go and fall behind: fair, and nothing is lost.
#include <gtest/gtest.h>

#include "broker_world.hpp"
#include "wire_text.hpp"

namespace ferrule::mqtt::testing {
namespace {

Peer member(World& world, const char* id, const char* connect_properties = "", const char* qos = "01") {
  Peer peer = world.connect();
  peer.send("10 [ ('MQTT') 05 02 0000 [ " + std::string(connect_properties) + " ] ('" + id + "') ]").expect(kConnack5);
  peer.send("82 [ 0001 [] ('$share/g/t') " + std::string(qos) + " ]").expect("90 [ 0001 [] " + std::string(qos) + " ]");
  return peer;
}

TEST(SharedSubscription, IsFairToItsMembers) {
  World world;
  Peer a = member(world, "a"), b = member(world, "b"), c = member(world, "c");
  for (int i = 0; i < 9; ++i) world.publish("t", std::to_string(i), Qos::AtLeastOnce);
  a.expect("32 [ ('t') 0001 [] '0' ] 32 [ ('t') 0002 [] '3' ] 32 [ ('t') 0003 [] '6' ]");
  b.expect("32 [ ('t') 0001 [] '1' ] 32 [ ('t') 0002 [] '4' ] 32 [ ('t') 0003 [] '7' ]");
  c.expect("32 [ ('t') 0001 [] '2' ] 32 [ ('t') 0002 [] '5' ] 32 [ ('t') 0003 [] '8' ]");
}

TEST(SharedSubscription, PassesOnWhatASessionThatEndsHasNotAcknowledged) {
  World world;
  Peer leaver = member(world, "leaver", "21 0002");
  for (const char* payload : {"1", "2", "3"}) world.publish("t", payload, Qos::AtLeastOnce);
  leaver.expect("32 [ ('t') 0001 [] '1' ] 32 [ ('t') 0002 [] '2' ]").send("40 [ 0001 ]");
  leaver.expect("32 [ ('t') 0003 [] '3' ]");
  Peer other = member(world, "other");
  leaver.drop();
  other.expect("32 [ ('t') 0001 [] '2' ] 32 [ ('t') 0002 [] '3' ]");
}

TEST(SharedSubscription, PassesOnWhenTheSessionIsTakenOverByACleanStart) {
  World world;
  Peer first = member(world, "a", "11 00000E10");
  world.publish("t", "1", Qos::AtLeastOnce);
  first.expect("32 [ ('t') 0001 [] '1' ]");
  Peer other = member(world, "other");
  Peer second = world.client5("a");
  other.expect("32 [ ('t') 0001 [] '1' ]");
  second.expect_nothing();
}

TEST(SharedSubscription, KeepsItForASessionThatGoesOn_MQTT_4_8_2_4) {
  World world;
  Peer first = member(world, "a", "11 00000E10", "02");
  world.publish("t", "1", Qos::ExactlyOnce);
  first.expect("34 [ ('t') 0001 [] '1' ]");
  Peer other = member(world, "other");
  Peer second = world.persistent5("a", true);  // takes over
  second.expect("3C [ ('t') 0001 [] '1' ]");
  other.expect_nothing();
}

TEST(SharedSubscription, NeverPassesOnAQos2PublicationThatWasSent_MQTT_4_8_2_5) {
  World world;
  Peer leaver = member(world, "leaver", "21 0001", "02");
  world.publish("t", "sent", Qos::ExactlyOnce);
  world.publish("t", "waiting", Qos::ExactlyOnce);
  leaver.expect("34 [ ('t') 0001 [] 'sent' ]");
  Peer other = member(world, "other", "", "02");
  leaver.drop();
  other.expect("34 [ ('t') 0001 [] 'waiting' ]");
}

TEST(SharedSubscription, GivesARefusedPublicationToNobodyElse_MQTT_4_8_2_6) {
  World world;
  Peer a = member(world, "a");
  world.publish("t", "1", Qos::AtLeastOnce);
  Peer b = member(world, "b");
  a.expect("32 [ ('t') 0001 [] '1' ]").send("40 [ 0001 80 ]").drop();
  b.expect_nothing();
}

TEST(SharedSubscription, LowersToWhatItsMemberWasGranted_MQTT_4_8_2_3) {
  World world;
  Peer a = member(world, "a", "", "00"), b = member(world, "b", "", "02");
  world.publish("t", "1", Qos::AtLeastOnce);
  world.publish("t", "2", Qos::AtLeastOnce);
  a.expect("30 [ ('t') [] '1' ]");
  b.expect("32 [ ('t') 0001 [] '2' ]");
}

TEST(SharedSubscription, SkipsAMemberThatDoesNotReadItsOutput) {
  BrokerSettings settings;
  settings.max_output_bytes = 10;
  World world(settings);
  Peer slow = member(world, "slow", "", "00"), quick = member(world, "quick", "", "00");
  slow.wire().room = 0;
  for (const char* payload : {"1", "2", "3", "4", "5", "6"}) world.publish("t", payload);
  quick.expect("30 [ ('t') [] '2' ] 30 [ ('t') [] '4' ] 30 [ ('t') [] '5' ] 30 [ ('t') [] '6' ]");
  slow.let_in(SIZE_MAX);
  slow.expect("30 [ ('t') [] '1' ] 30 [ ('t') [] '3' ]");
  EXPECT_EQ(world.broker.counters().dropped_slow, 0U);
  world.publish("t", "7");
  world.publish("t", "8");
  slow.expect("30 [ ('t') [] '7' ]");
}

TEST(SharedSubscription, LosesWhatExpiredBeforeItCouldBePassedOn) {
  World world;
  Peer leaver = member(world, "leaver");
  world.client5("pub").send("32 [ ('t') 0001 [ 02 00000005 ] 'x' ]");
  leaver.take();
  Peer other = member(world, "other");
  world.advance(std::chrono::seconds(5));
  leaver.drop();
  other.expect_nothing();
  EXPECT_EQ(world.broker.counters().publications_expired, 1U);
}

}  // namespace
}  // namespace ferrule::mqtt::testing

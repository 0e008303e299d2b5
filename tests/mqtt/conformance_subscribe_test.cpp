// SUBSCRIBE and UNSUBSCRIBE, statement by statement, in MQTT 3.1.1 and 5.0.
#include "both_versions.hpp"

namespace ferrule::mqtt::testing {
namespace {

class Subscribing : public InBothVersions {};
FERRULE_IN_BOTH_VERSIONS(Subscribing);

TEST_P(Subscribing, IsAnsweredWithACodeForEachFilterInOrder) {
  // [MQTT-3.8.4-1] [MQTT-3.8.4-2] [MQTT-3.8.4-5] [MQTT-3.8.4-7] [MQTT-3.8.4-6] [MQTT-2.2.1-6]
  // [MQTT-3.8.4-1 (3.1.1)] [MQTT-3.8.4-2 (3.1.1)] [MQTT-3.8.4-4 (3.1.1)] [MQTT-3.8.4-5 (3.1.1)] [MQTT-3.9.3-1 (3.1.1)]
  // [MQTT-2.3.1-7 (3.1.1)]
  Client sub = client("sub");
  sub.send("82 [ ABCD @ ('a') 02 ('b') 00 ('c/+') 01 ('a') 01 ]").expect("90 [ ABCD @ 02 00 01 01 ]");
  world.publish("a", "x", Qos::ExactlyOnce);
  sub.expect("32 [ ('a') 0001 @ 'x' ]");  // as if the last one had come in a packet of its own
}

TEST_P(Subscribing, BeyondItsLimitHasTheCodeForFailure) {
  // [MQTT-3.9.3-2 (3.1.1)] [MQTT-3.9.3-2] [MQTT-3.8.4-7]
  BrokerSettings settings;
  settings.max_subscriptions = 1;
  World small(settings);
  Client sub(v5() ? small.client5("sub") : small.client("sub"), GetParam());
  sub.send("82 [ 0001 @ ('a') 02 ('b') 00 ]");
  sub.expect(v5() ? "90 [ 0001 [ 1F ('the limit of subscriptions is reached') ] 02 97 ]" : "90 [ 0001 02 80 ]");
}

TEST_P(Subscribing, AgainReplacesAndSendsRetainedAgain) {
  // [MQTT-3.8.4-3] [MQTT-3.8.4-4] [MQTT-3.8.4-3 (3.1.1)] [MQTT-3.8.4-8] [MQTT-3.8.4-6 (3.1.1)]
  Client sub = client("sub");
  world.publish("t", "kept", Qos::ExactlyOnce, true);
  sub.send("82 [ 0001 @ ('t') 00 ]").expect("90 [ 0001 @ 00 ] 31 [ ('t') @ 'kept' ]");
  world.publish("t", "between", Qos::ExactlyOnce);
  sub.send("82 [ 0002 @ ('t') 01 ]");
  sub.expect("30 [ ('t') @ 'between' ] 90 [ 0002 @ 01 ] 33 [ ('t') 0001 @ 'kept' ]");  // nothing got lost
  world.publish("t", "after", Qos::ExactlyOnce);
  sub.expect("32 [ ('t') 0002 @ 'after' ]");
}

TEST_P(Subscribing, OverlappingDeliversAtTheHighestQos) {
  // [MQTT-3.3.4-2] [MQTT-3.3.5-1 (3.1.1)]
  Client sub = client("sub");
  sub.send("82 [ 0001 @ ('t/#') 00 ('t/a') 02 ('+/a') 01 ]").expect("90 [ 0001 @ 00 02 01 ]");
  world.publish("t/a", "x", Qos::ExactlyOnce);
  sub.expect("34 [ ('t/a') 0001 @ 'x' ]");
}

TEST_P(Subscribing, WithWildcardsAtTheFirstLevelLeavesOutDollarTopics) {
  // [MQTT-4.7.2-1] [MQTT-4.7.2-1 (3.1.1)]
  Client sub = client("sub");
  sub.send("82 [ 0001 @ ('#') 00 ('+/x') 00 ('$own/#') 00 ]").expect("90 [ 0001 @ 00 00 00 ]");
  world.publish("$own/x", "1");
  sub.expect("30 [ ('$own/x') @ '1' ]");
}

TEST_P(Subscribing, WithABrokenPacketEndsTheConnection) {
  // [MQTT-3.8.1-1] [MQTT-3.8.3-1] [MQTT-3.8.3-2] [MQTT-3.10.1-1] [MQTT-3.10.3-1] [MQTT-3.10.3-2] [MQTT-4.13.1-1]
  // [MQTT-3.10.1-1 (3.1.1)] [MQTT-3.10.3-1 (3.1.1)] [MQTT-3.10.3-2 (3.1.1)] [MQTT-4.8.0-1 (3.1.1)]
  const std::pair<const char*, Reason> packets[] = {
      {"80 [ 0001 @ ('t') 00 ]", Reason::MalformedPacket},
      {"82 [ 0001 @ (ff) 00 ]", Reason::MalformedPacket},
      {"82 [ 0001 @ ]", Reason::ProtocolError},
      {"82 [ 0001 @ ('t') ]", Reason::MalformedPacket},
      {"A0 [ 0001 @ ('t') ]", Reason::MalformedPacket},
      {"A2 [ 0001 @ (ff) ]", Reason::MalformedPacket},
      {"A2 [ 0001 @ ]", Reason::ProtocolError},
  };
  for (const auto& [packet, reason] : packets) {
    Client bad = client("bad");
    bad.send(packet);
    bad.expect_disconnect(reason);
  }
}

TEST_P(Subscribing, EndsWithTheSameFilterOnly) {
  // [MQTT-3.10.4-1] [MQTT-3.10.4-2] [MQTT-3.10.4-4] [MQTT-3.10.4-5] [MQTT-3.10.4-6] [MQTT-3.11.3-1]
  // [MQTT-3.10.4-1 (3.1.1)] [MQTT-3.10.4-2 (3.1.1)] [MQTT-3.10.4-4 (3.1.1)] [MQTT-3.10.4-5 (3.1.1)]
  // [MQTT-3.10.4-6 (3.1.1)]
  Client sub = client("sub");
  sub.send("82 [ 0001 @ ('t/+') 00 ('u') 00 ]").expect("90 [ 0001 @ 00 00 ]");
  sub.send("A2 [ ABCD @ ('t/#') ('t/a') ('T/+') ('u') ('u') ]").expect("B0 [ ABCD {[] 11 11 11 00 11} ]");
  world.publish("u", "1");
  world.publish("t/a", "2");
  sub.expect("30 [ ('t/a') @ '2' ]");
}

TEST_P(Subscribing, EndsAndYetWhatIsOnItsWayArrives) {
  // [MQTT-3.10.4-3] [MQTT-3.10.4-3 (3.1.1)]
  Client sub = persistent("sub", false);
  sub.send("82 [ 0001 @ ('t') 02 ]").expect("90 [ 0001 @ 02 ]");
  world.publish("t", "1", Qos::AtLeastOnce);
  world.publish("t", "2", Qos::ExactlyOnce);
  sub.expect("32 [ ('t') 0001 @ '1' ] 34 [ ('t') 0002 @ '2' ]");
  sub.send("A2 [ 0002 @ ('t') ]").expect("B0 [ 0002 {[] 00} ]");
  sub.drop();
  Client again = persistent("sub", true);
  again.expect("3A [ ('t') 0001 @ '1' ] 3C [ ('t') 0002 @ '2' ]");
  again.send("50 [ 0002 ]").expect("62 [ 0002 ]");
}

TEST(SubscriptionIdentifiers, AreThoseOfAllThatMatch_MQTT_3_3_4_3) {
  World world;
  Peer sub = world.client5("sub");
  sub.send("82 [ 0001 [ 0B 01 ] ('t/#') 00 ] 82 [ 0002 [] ('t/a') 00 ] 82 [ 0003 [ 0B FFFFFF7F ] ('+/a') 00 ]");
  sub.send("82 [ 0004 [ 0B 03 ] ('$share/g/t/a') 00 ]");
  sub.take();
  world.publish("t/a", "x");
  const std::string bytes = sub.take();
  // One copy for its own subscriptions with both identifiers in any order; one as a member of the group with its own.
  const std::string group = wire("30 [ ('t/a') [ 0B 03 ] 'x' ]");
  const std::string either = wire("30 [ ('t/a') [ 0B 01 0B FFFFFF7F ] 'x' ]");
  const std::string or_else = wire("30 [ ('t/a') [ 0B FFFFFF7F 0B 01 ] 'x' ]");
  EXPECT_TRUE(bytes == either + group || bytes == or_else + group || bytes == group + either ||
              bytes == group + or_else)
      << hex(bytes);
}

}  // namespace
}  // namespace ferrule::mqtt::testing

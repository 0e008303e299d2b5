// The classes of hostile bytes that have bitten other brokers, one by one.
#include "both_versions.hpp"
#include "mqtt/memory.hpp"

namespace ferrule::mqtt::testing {
namespace {

class Hostile : public InBothVersions {};
FERRULE_IN_BOTH_VERSIONS(Hostile);

TEST_P(Hostile, LengthOfFiveBytesEndsTheConnection) {
  Client bad = client("a");
  bad.send("30 FFFF");  // in two pieces
  bad.send("FFFF 01");
  bad.expect_disconnect(Reason::MalformedPacket);
  Client before = open();
  before.send("10 FFFFFFFF 01").expect_closed();
}

TEST(HostileProperties, OfFiveByteLengthsEndTheConnection) {
  World world;
  for (const char* packet : {"82 [ 0001 ffffffff01 ('t') 00 ]", "82 [ 0001 [ 0B ffffffff01 ] ('t') 00 ]",
                             "30 [ ('t') ffffffff7f 'x' ]", "40 [ 0001 00 8080808001 ]"}) {
    Client bad(world.client5("a"), Version::V5);
    bad.send(packet);
    bad.expect_disconnect(Reason::MalformedPacket);
  }
}

TEST_P(Hostile, SubscribeWithoutItsOptionsByteEndsTheConnectionAndSubscribesNothing) {
  for (const char* packet : {"82 [ 0001 @ ('t') ]", "82 [ 0001 @ ('t') 00 ('u') ]", "82 [ 0001 @ ('t') 00 0001 ]"}) {
    Client bad = persistent("a", false);
    bad.send(packet);
    bad.expect_disconnect(Reason::MalformedPacket);
    EXPECT_EQ(world.broker.counters().subscriptions, 0U) << packet;
    client("a").drop();  // ends the session
  }
}

TEST_P(Hostile, ShareWithoutAFilterEndsTheConnection) {
  for (const char* filter : {"$share/ab", "$share/", "$share//t", "$share/ab/", "$share/a+/t", "$share/#/t"}) {
    Client bad = client("a");
    bad.send("82 [ 0001 @ ('" + std::string(filter) + "') 00 ] A2 [ 0002 @ ('" + std::string(filter) + "') ]");
    bad.expect_disconnect(Reason::TopicFilterInvalid);
    Client asks = client("b");  // to unsubscribe from what nobody can have subscribed to is no offence
    asks.send("A2 [ 0002 @ ('" + std::string(filter) + "') ]").expect("B0 [ 0002 {[] 11} ]");
    asks.drop();
  }
}

TEST_P(Hostile, PublishThatEndsBeforeItsContentsEndsTheConnection) {
  for (const char* packet : {"32 [ ('t') ]", "34 [ ('t') 00 ]", "32 [ 0005 't' ]", "32 [ 00 ]", "34 [ ]"}) {
    Client bad = client("a");
    bad.send(packet);
    bad.expect_disconnect(Reason::MalformedPacket);
  }
}

TEST(HostileQos2, IsNeverReleasedAndYetBounded) {
  // Before MQTT 5 there is no Receive Maximum: a client may leave every identifier unreleased.
  World world;
  Peer sub = world.client("sub");
  sub.send("82 [ 0001 ('t') 00 ]").expect("90 [ 0001 00 ]");
  Peer pub = world.persistent("pub", false);
  for (int round = 0; round < 2; ++round) {
    for (int id = 1; id <= 65535; ++id) {
      const std::string number{static_cast<char>(id >> 8), static_cast<char>(id)};
      pub.wire().sink->on_data(wire("34 05 0001 't'") + number);
    }
    world.turn();
  }
  EXPECT_EQ(pub.take().size(), 2U * 65535 * 4);  // a PUBREC for each
  EXPECT_EQ(sub.take().size(), 65535U * 5);      // but each is delivered once
  pub.drop();
  Peer again = world.persistent("pub", true);
  again.send("3C [ ('t') FFFF ]").expect("50 [ FFFF ]");
  sub.expect_nothing();
  again.send("62 [ FFFF ] 34 [ ('t') FFFF ]").expect("70 [ FFFF ] 50 [ FFFF ]");
  sub.expect("30 [ ('t') ]");
}

TEST(HostileQos2, BeyondTheReceiveMaximumEndsTheConnection) {
  BrokerSettings settings;
  settings.receive_maximum = 10;
  World world(settings);
  Peer pub = world.connect();
  pub.send("10 [ ('MQTT') 05 00 0000 [ 11 00000E10 ] ('pub') ]");
  for (int id = 1; id <= 10; ++id) pub.send_bytes(wire("34 06 0001 't' 00") + static_cast<char>(id) + wire("00"));
  pub.take();
  Client(pub, Version::V5).send("34 [ ('t') 000B [] ]").expect_disconnect(Reason::ReceiveMaximumExceeded);
}

TEST(HostileConnections, HoldLittleBeforeTheirConnect) {
  World world;
  const std::size_t before = heap_in_use();  // 0 under sanitizers: then only the crash would show
  std::vector<Peer> peers;
  for (int i = 0; i < 1000; ++i) {
    peers.push_back(world.connect());
    peers.back().send_bytes(wire("10 FC1F") + std::string(4000, 'x'));  // announces 4,092 bytes and sends most
  }
  EXPECT_EQ(world.broker.counters().connections, 1000U);
  EXPECT_LE(heap_in_use() - before, 1000U * 8192);
  Peer greedy = world.connect();
  greedy.send("10 81 20").expect_closed();  // announces 4,097 bytes
}

TEST_P(Hostile, TakeoverInTheMiddleOfATurnLeavesNothingBehind) {
  // What the old connection still waits for, its will and its queue must not reach back to it.
  const std::string connect = "10 [ ('MQTT') " + level() + " 04 0000 {[ 11 00000E10 ]} ('a') @ ('t') ('gone') ]";
  Client watcher = subscriber("watcher", "t", 1);
  Client old = open();
  old.send(connect).take();
  old.send("82 [ 0001 @ ('t') 02 ]").expect("90 [ 0001 @ 02 ]");
  Client fresh = open();
  const std::string bytes = wire(in_version(connect, GetParam()));
  old.peer().feed(in_version("34 [ ('t') 0007 @ 'x' ] 32 [ ('t') 0008 @ 'y' ]", GetParam()));
  fresh.peer().wire().sink->on_data(bytes);  // takes over while the old one's output is not yet sent
  if (Sink* sink = old.peer().wire().sink) sink->on_data(wire("C0 00"));  // and what it sends now is not heard
  world.turn();
  EXPECT_EQ(world.broker.counters().takeovers, 1U);
  EXPECT_EQ(world.broker.counters().clients_connected, 2U);
  fresh.take();
  for (int i = 0; i < 20; ++i) {  // everybody takes over everybody within one turn
    Client next = open();
    next.peer().wire().sink->on_data(bytes);
    next.peer().wire().sink->on_data(wire(in_version("32 [ ('t') 0001 @ 'z' ]", GetParam())));
  }
  world.turn();
  EXPECT_EQ(world.broker.counters().takeovers, 21U);
  EXPECT_EQ(world.broker.counters().connections, 2U);
}

TEST(Mqtt31, HasItsOwnQuirks) {
  World world;
  Peer old = world.connect();
  old.send("10 [ ('MQIsdp') 03 00 0000 ('a') ]").expect("20 02 00 00");
  // DUP on a repeated SUBSCRIBE, UNSUBSCRIBE and PUBREL, and on a PUBLISH of QoS 0.
  old.send("8A [ 0001 ('t') 01 ]").expect("90 [ 0001 01 ]");
  old.send("38 [ ('t') 'x' ]").expect("30 [ ('t') 'x' ]");
  old.send("6A [ 0007 ]").expect("70 [ 0007 ]");
  old.send("AA [ 0002 ('t') ]").expect("B0 [ 0002 ]").drop();
  // The session is there, but its CONNACK has no bit for it.
  world.connect().send("10 [ ('MQIsdp') 03 00 0000 ('a') ]").expect("20 02 00 00");
  world.connect().send("10 [ ('MQIsdp') 03 02 0000 () ]").expect("20 02 00 02").expect_closed();
}

}  // namespace
}  // namespace ferrule::mqtt::testing

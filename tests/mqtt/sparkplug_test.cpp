// The broker as a Sparkplug Aware MQTT Server (Sparkplug 3.0 section 10.1.4).
#include "mqtt/sparkplug.hpp"

#include <gtest/gtest.h>

#include "broker_world.hpp"
#include "wire_text.hpp"

namespace ferrule::mqtt::testing {
namespace {

using sparkplug::Kind;

TEST(Sparkplug, KeepsNodeBirthsWhereHostsFindThem) {
  // [tck-id-conformance-mqtt-aware-store] [tck-id-conformance-mqtt-aware-nbirth-mqtt-topic]
  // [tck-id-conformance-mqtt-aware-nbirth-mqtt-retain] [tck-id-conformance-mqtt-aware-basic]
  World world;
  Peer host = world.client("host");
  host.send("82 [ 0001 ('spBv1.0/#') 00 ('$sparkplug/certificates/#') 00 ]").expect("90 [ 0001 00 00 ]");
  world.client("edge").send("30 [ ('spBv1.0/g/NBIRTH/e') 'born' ]");
  host.expect("30 [ ('spBv1.0/g/NBIRTH/e') 'born' ] 30 [ ('$sparkplug/certificates/spBv1.0/g/NBIRTH/e') 'born' ]");
  Peer late = world.client("late");
  late.send("82 [ 0001 ('spBv1.0/#') 00 ('$sparkplug/certificates/spBv1.0/+/NBIRTH/e') 00 ]");
  late.expect("90 [ 0001 00 00 ] 31 [ ('$sparkplug/certificates/spBv1.0/g/NBIRTH/e') 'born' ]");
}

TEST(Sparkplug, KeepsDeviceBirthsWhereHostsFindThem) {
  // [tck-id-conformance-mqtt-aware-store] [tck-id-conformance-mqtt-aware-dbirth-mqtt-topic]
  // [tck-id-conformance-mqtt-aware-dbirth-mqtt-retain]
  World world;
  Peer edge = world.client5("edge");
  edge.send("30 [ ('spBv1.0/g/DBIRTH/e/d') [ 03 ('type') ] 'one' ] 30 [ ('spBv1.0/g/DBIRTH/e/d') [] 'two' ]");
  edge.send("30 [ ('spBv1.0/g/DDATA/e/d') [] 'data' ] 30 [ ('spBv1.0/g/NBIRTH/e/d') [] 'not a birth' ]");
  world.client("host")
      .send("82 [ 0001 ('$sparkplug/#') 00 ]")
      .expect("90 [ 0001 00 ] 31 [ ('$sparkplug/certificates/spBv1.0/g/DBIRTH/e/d') 'two' ]");
}

TEST(Sparkplug, KeepsNothingWhenItIsTurnedOff) {
  BrokerSettings settings;
  settings.sparkplug_certificates = false;
  settings.sys_interval = std::chrono::seconds(0);
  World world(settings);
  world.client("edge").send("30 [ ('spBv1.0/g/NBIRTH/e') 'born' ]");
  EXPECT_EQ(world.broker.counters().retained, 0U);
}

TEST(Sparkplug, LetsNoClientForgeACertificate) {
  World world;
  world.client5("a").send("31 [ ('$sparkplug/certificates/spBv1.0/g/NBIRTH/e') [] 'x' ]");
  EXPECT_EQ(world.broker.counters().publications_refused, 1U);
}

TEST(Sparkplug, DatesADeathWhenItIsDelivered) {
  // [tck-id-conformance-mqtt-aware-ndeath-timestamp]
  BrokerSettings settings;
  settings.sparkplug_death_time = true;
  World world(settings);
  Peer host = world.client("host");
  host.send("82 [ 0001 ('spBv1.0/#') 00 ]").expect("90 [ 0001 00 ]");
  Peer edge = world.connect();
  edge.send("10 [ ('MQTT') 04 06 0000 ('edge') ('spBv1.0/g/NDEATH/e') (08 01 12 02 'bd') ]").expect("20 02 00 00");
  world.advance(std::chrono::hours(1));
  edge.drop();
  const std::string dated = *sparkplug::with_timestamp(wire("08 01 12 02 'bd'"), world.clock.utc());
  host.expect("30 [ ('spBv1.0/g/NDEATH/e') " + hex(dated) + " ]");
  // 500,001 hours are 1,800,003,600,000 ms: 7 bits at a time, lowest first.
  EXPECT_EQ(hex(dated), hex(wire("08 80 FD CC C4 B1 34 12 02 'bd'")));
}

TEST(Sparkplug, LeavesADeathAloneUnlessTold) {
  World world;
  Peer host = world.client("host");
  host.send("82 [ 0001 ('spBv1.0/#') 00 ]").expect("90 [ 0001 00 ]");
  world.client("edge").send("30 [ ('spBv1.0/g/NDEATH/e') 08 01 ]");
  host.expect("30 [ ('spBv1.0/g/NDEATH/e') 08 01 ]");
}

TEST(SparkplugTopic, TellsBirthsAndDeaths) {
  EXPECT_EQ(sparkplug::kind_of("spBv1.0/g/NBIRTH/e"), Kind::Birth);
  EXPECT_EQ(sparkplug::kind_of("spBv1.0/g/DBIRTH/e/d"), Kind::Birth);
  EXPECT_EQ(sparkplug::kind_of("spBv1.0/g/NDEATH/e"), Kind::NodeDeath);
  for (const char* other : {"spBv1.0/", "spBv1.0/g/NBIRTH", "spBv1.0/g/DBIRTH/e", "spBv1.0/g/DBIRTH/e/d/x", "spBv1.0",
                            "spAv1.0/g/NBIRTH/e", "spBv1.0/g/NDATA/e", "spBv1.0/g/NDEATH/e/d", "a", ""}) {
    EXPECT_EQ(sparkplug::kind_of(other), Kind::Other) << other;
  }
}

TEST(SparkplugDeath, IsLeftAloneWhenItIsNoProtobuf) {
  const std::chrono::system_clock::time_point epoch{};
  EXPECT_EQ(hex(*sparkplug::with_timestamp("", epoch)), "08 00");
  EXPECT_EQ(hex(*sparkplug::with_timestamp(wire("18 05 08 FF01 0D 01020304 11 0102030405060708 12 01 'x'"), epoch)),
            hex(wire("08 00 18 05 11 0102030405060708 12 01 'x'")));
  for (const char* bad : {"08", "08 FF", "12 05 'x'", "0F", "11 01", "15 01", "00 00", "12 FFFFFFFFFFFFFFFFFF01",
                          "08 FFFFFFFFFFFFFFFFFFFFFF"}) {
    EXPECT_FALSE(sparkplug::with_timestamp(wire(bad), epoch)) << bad;
  }
}

}  // namespace
}  // namespace ferrule::mqtt::testing

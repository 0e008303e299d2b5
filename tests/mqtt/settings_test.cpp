// The `broker` section, given as YAML.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mqtt/settings.hpp"

namespace ferrule::mqtt {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

BrokerSettings read(const std::string& yaml) {
  const auto document = config::Document::parse(yaml, "ferrule.yaml");
  auto settings = read_broker(document.root()["broker"]);
  document.finish();
  return settings;
}

std::string mistakes_of(const std::string& yaml) {
  try {
    read(yaml);
  } catch (const config::Error& error) {
    return error.what();
  }
  return "none";
}

TEST(BrokerSettings, ListenOnLoopbackByDefault) {
  const auto settings = read("broker: {}\n");
  ASSERT_EQ(settings.listen.size(), 1U);
  EXPECT_EQ(settings.listen[0].bind, "127.0.0.1");
  EXPECT_EQ(settings.listen[0].port, 1883);
}

TEST(BrokerSettings, ReadListenersAndLimits) {
  const auto settings = read(R"(broker:
  listen: [{port: 1884}, {port: 1885, bind: "::1"}, {port: 0, bind: localhost}, {port: 0, bind: 127.9.9.9}]
  limits: {connections: 5, packet_size: 64KiB, connect_timeout: 3s, receive_maximum: 7, inflight: 8, queued: 9,
           queued_size: 1MB, output_size: 128KiB, retained: 10, subscriptions: 11, session_expiry: 1h, keep_alive: 60s,
           topic_aliases: 0}
  when_full: drop-oldest
)");
  ASSERT_EQ(settings.listen.size(), 4U);
  EXPECT_EQ(settings.listen[1].bind, "::1");
  EXPECT_EQ(settings.listen[1].port, 1885);
  EXPECT_EQ(settings.listen[0].where.line, 2);
  EXPECT_EQ(settings.max_connections, 5U);
  EXPECT_EQ(settings.max_packet_size, 65536U);
  EXPECT_EQ(settings.connect_timeout, 3s);
  EXPECT_EQ(settings.receive_maximum, 7);
  EXPECT_EQ(settings.max_inflight, 8);
  EXPECT_EQ(settings.max_queued, 9U);
  EXPECT_EQ(settings.max_queued_bytes, 1'000'000U);
  EXPECT_EQ(settings.max_output_bytes, 131072U);
  EXPECT_EQ(settings.max_retained, 10U);
  EXPECT_EQ(settings.max_subscriptions, 11U);
  EXPECT_EQ(settings.max_session_expiry, 1h);
  EXPECT_EQ(settings.max_keep_alive, 60s);
  EXPECT_EQ(settings.topic_alias_maximum, 0);
  EXPECT_EQ(settings.when_full, WhenFull::DropOldest);
}

TEST(BrokerSettings, ReadWhatElseIsBounded) {
  const auto settings = read(R"(broker:
  limits: {sessions: 14, half_open: 12, retained_size: 1KiB, publish_rate: 13, memory: 1GiB, topic_aliases_sent: 0}
  when_full: disconnect
  server_reference: "standby:1883"
  check_payload_format: true
  sys_interval: 0s
  sparkplug: {certificates: false, death_time: true}
)");
  EXPECT_EQ(settings.max_sessions, 14U);
  EXPECT_EQ(settings.max_half_open, 12U);
  EXPECT_EQ(settings.max_retained_bytes, 1024U);
  EXPECT_EQ(settings.publish_rate, 13U);
  EXPECT_EQ(settings.max_memory, std::size_t{1} << 30);
  EXPECT_EQ(settings.topic_aliases_sent, 0);
  EXPECT_EQ(settings.when_full, WhenFull::Disconnect);
  EXPECT_EQ(settings.server_reference, "standby:1883");
  EXPECT_TRUE(settings.check_payload_format);
  EXPECT_EQ(settings.sys_interval, 0s);
  EXPECT_FALSE(settings.sparkplug_certificates);
  EXPECT_TRUE(settings.sparkplug_death_time);
}

TEST(BrokerSettings, KeepSessionsUnlessToldOtherwise) {
  EXPECT_TRUE(read("broker: {}\n").persistence.on);
  EXPECT_FALSE(read("broker: {}\n").persistence.asked);
  EXPECT_FALSE(read("broker: {persistence: false}\n").persistence.on);
  const auto named = read("broker: {persistence: {path: sessions.db, sync: 100ms}}\n").persistence;
  EXPECT_TRUE(named.on && named.asked);
  EXPECT_EQ(named.path, "sessions.db");
  EXPECT_EQ(named.sync, 100ms);
  EXPECT_THAT(mistakes_of("broker: {persistence: {path: ''}}\n"), HasSubstr("file name"));
  EXPECT_THAT(mistakes_of("broker: {persistence: yes}\n"), HasSubstr("true"));
}

TEST(BrokerSettings, RefuseAddressesThatOthersReachWithoutUsers) {
  for (const char* bind : {"0.0.0.0", "192.168.1.5", "\"::\"", "plc.example"}) {
    const auto text = mistakes_of(std::string("broker: {listen: [{port: 1883, bind: ") + bind + "}]}\n");
    EXPECT_THAT(text, HasSubstr("is not a loopback address")) << bind;
    EXPECT_THAT(text, HasSubstr("use 127.0.0.1, add broker.users")) << bind;
  }
}

TEST(BrokerSettings, RefuseWrongPortsAndDoubles) {
  EXPECT_THAT(mistakes_of("broker: {listen: [{port: 65536}]}\n"), HasSubstr("broker.listen[0].port"));
  EXPECT_THAT(mistakes_of("broker:\n  listen:\n    - {port: 1883}\n    - {port: 1883}\n"),
              HasSubstr("127.0.0.1:1883 is listed twice; first at line 3"));
  EXPECT_EQ(mistakes_of("broker: {listen: [{port: 0}, {port: 0}]}\n"), "none");
  EXPECT_THAT(mistakes_of("broker: {listen: [{port: 1883}, {port: x}]}\n"), testing::Not(HasSubstr("listed twice")));
}

TEST(BrokerSettings, RefuseUnknownKeys) {
  EXPECT_THAT(mistakes_of("broker: {limits: {conections: 5}}\n"), HasSubstr("connections"));
}

}  // namespace
}  // namespace ferrule::mqtt

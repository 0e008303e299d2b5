// `$SYS`: the topics of mosquitto 2.0.11, the form of their texts, and the figures.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <regex>
#include <set>
#include <string>

#include "broker_world.hpp"
#include "mqtt/codec.hpp"
#include "mqtt/framer.hpp"
#include "mqtt/load_average.hpp"
#include "wire_text.hpp"

namespace ferrule::mqtt::testing {
namespace {

using namespace std::chrono_literals;

/// Reads everything below a filter of `$SYS` as a subscriber does.
class SysReader {
 public:
  explicit SysReader(World& world, const std::string& filter = "$SYS/broker/#") : peer_(world.client("sys")) {
    peer_.send("82 [ 0001 ('" + filter + "') 00 ]");
    read();
  }

  void read() {
    const std::string bytes = peer_.take();
    Framer framer(1 << 20);
    framer.feed(bytes);
    for (auto frame = framer.next(); frame && *frame; frame = framer.next()) {
      if ((*frame)->type() != PacketType::Publish) continue;
      const auto packet = decode_publish(**frame, Version::V311, Sender::Server);
      values[std::string(packet->topic)] = packet->payload;
    }
  }

  std::string operator[](const std::string& name) { return values["$SYS/broker/" + name]; }

  std::map<std::string, std::string> values;

 private:
  Peer peer_;
};

TEST(Sys, HasExactlyTheTopicsAndTextsOfMosquitto) {
  const std::map<std::string, std::string> forms{{"version", R"(\w+ version \d+\.\d+\.\d+)"},
                                                 {"uptime", R"(\d+ seconds)"}};
  std::set<std::string> expected;
  for (const char* plain : {"bytes/received",
                            "bytes/sent",
                            "clients/active",
                            "clients/connected",
                            "clients/disconnected",
                            "clients/expired",
                            "clients/inactive",
                            "clients/maximum",
                            "clients/total",
                            "heap/current",
                            "heap/maximum",
                            "messages/received",
                            "messages/sent",
                            "messages/stored",
                            "publish/bytes/received",
                            "publish/bytes/sent",
                            "publish/messages/dropped",
                            "publish/messages/received",
                            "publish/messages/sent",
                            "retained messages/count",
                            "shared_subscriptions/count",
                            "store/messages/bytes",
                            "store/messages/count",
                            "subscriptions/count",
                            "uptime",
                            "version"}) {
    expected.insert("$SYS/broker/" + std::string(plain));
  }
  for (const char* load : {"bytes/received", "bytes/sent", "connections", "messages/received", "messages/sent",
                           "publish/dropped", "publish/received", "publish/sent", "sockets"}) {
    for (const char* period : {"1min", "5min", "15min"}) {
      expected.insert("$SYS/broker/load/" + std::string(load) + "/" + period);
    }
  }
  World world;
  SysReader sys(world);
  std::set<std::string> topics;
  for (const auto& [topic, text] : sys.values) {
    topics.insert(topic);
    const auto form = forms.find(topic.substr(12));
    const std::string pattern = form != forms.end()                         ? form->second
                                : topic.find("/load/") != std::string::npos ? R"(\d+\.\d\d)"
                                                                            : R"(\d+)";
    EXPECT_TRUE(std::regex_match(text, std::regex(pattern))) << topic << " = " << text;
  }
  EXPECT_EQ(topics, expected);
  EXPECT_EQ(topics.size(), 53U);
}

TEST(Sys, TellsVersionAndFigures) {
  World world;
  SysReader sys(world);
  EXPECT_EQ(sys["version"], "ferrule version " FERRULE_VERSION);
  EXPECT_EQ(sys["clients/connected"], "0");
  const std::size_t at_first = 53 + own_counters().size();
  EXPECT_EQ(sys["retained messages/count"], std::to_string(at_first));
  Peer pub = world.client("pub");
  pub.send("33 [ ('kept') 0001 'four' ]").expect("40 [ 0001 ]");
  Peer away = world.persistent("away", false);
  away.send("82 [ 0001 ('t') 01 ]").expect("90 [ 0001 01 ]").drop();
  world.publish("t", "x", Qos::AtLeastOnce);
  world.advance(10s);
  sys.read();
  EXPECT_EQ(sys["uptime"], "10 seconds");
  EXPECT_EQ(sys["clients/connected"], "2");
  EXPECT_EQ(sys["clients/active"], "2");
  EXPECT_EQ(sys["clients/disconnected"], "1");
  EXPECT_EQ(sys["clients/inactive"], "1");
  EXPECT_EQ(sys["clients/total"], "3");
  EXPECT_EQ(sys["clients/maximum"], "3");
  EXPECT_EQ(sys["subscriptions/count"], "2");
  EXPECT_EQ(sys["retained messages/count"], std::to_string(at_first + 1));
  EXPECT_EQ(sys["messages/stored"], std::to_string(at_first + 2));  // the one that waits too
  EXPECT_EQ(sys["publish/messages/received"], "1");
  EXPECT_EQ(sys["publish/bytes/received"], "4");
  EXPECT_EQ(sys["messages/received"], "6");  // three CONNECT, two SUBSCRIBE, one PUBLISH
}

TEST(Sys, TellsLoadsAsMosquittoDoes) {
  World world;
  SysReader sys(world);
  EXPECT_EQ(sys["load/publish/received/1min"], "0.00");
  Peer pub = world.client("pub");
  for (int i = 0; i < 100; ++i) pub.feed("30 [ ('t') 'x' ]");
  world.advance(10s);
  sys.read();
  // 600 a minute for ten seconds, after nothing for ever.
  EXPECT_EQ(sys["load/publish/received/1min"], "92.11");
  EXPECT_EQ(sys["load/publish/received/5min"], "19.67");
  EXPECT_EQ(sys["load/publish/received/15min"], "6.63");
  EXPECT_EQ(sys["load/connections/1min"], "1.84");
  world.advance(10s);
  sys.read();
  EXPECT_EQ(sys["load/publish/received/1min"], "77.97");
}

TEST(Sys, TellsItsOwnCountersApartFromMosquittos) {
  World world;
  world.broker.also_tell([](const Broker::Show& show) { show("store/commits", 7); });
  SysReader own(world, "$SYS/ferrule/#");
  world.client("clumsy").send("31 [ ('') ]").take();
  world.advance(10s);
  own.read();
  EXPECT_EQ(own.values["$SYS/ferrule/broker/protocol_errors"], "1");
  EXPECT_EQ(own.values["$SYS/ferrule/store/commits"], "7");
  EXPECT_EQ(own.values.size(), own_counters().size() + 1);
}

TEST(Sys, DoesNotCountAgainstTheLimitOfRetainedTopics) {
  BrokerSettings settings;
  settings.max_retained = 1;
  World world(settings);
  Peer pub = world.client5("pub");
  pub.send("33 [ ('a') 0001 [] 'x' ]").expect("40 [ 0001 10 ]");
  pub.send("33 [ ('b') 0002 [] 'x' ]");
  EXPECT_EQ(world.broker.counters().retained_dropped, 1U);
}

TEST(Sys, IsSilentWhenTurnedOff) {
  BrokerSettings settings;
  settings.sys_interval = 0s;
  World world(settings);
  world.advance(60s);
  EXPECT_EQ(world.broker.counters().retained, 0U);
}

TEST(Sys, HidesFromWildcardsAtTheFirstLevel_MQTT_4_7_2_1) {
  World world;
  world.client("a").send("82 [ 0003 ('#') 00 ('+/broker/uptime') 00 ]").expect("90 [ 0003 00 00 ]");
}

TEST(LoadAverage, ApproachesASteadyRate) {
  LoadAverage load;
  for (std::uint64_t second = 10; second <= 7200; second += 10) load.update(second * 5, 10s);
  EXPECT_NEAR(load.average(0), 300, 0.01);
  EXPECT_NEAR(load.average(1), 300, 0.01);
  EXPECT_NEAR(load.average(2), 300, 0.2);
}

}  // namespace
}  // namespace ferrule::mqtt::testing

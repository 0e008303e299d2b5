#include "bridge/settings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ferrule::bridge {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

std::vector<UplinkSettings> read(const std::string& text) {
  const auto document = config::Document::parse(text, "test.yaml");
  auto uplinks = read_uplinks(document.root(), "plant1");
  document.finish();
  return uplinks;
}

std::string mistakes(const std::string& text) {
  try {
    read(text);
  } catch (const config::Error& error) {
    return error.what();
  }
  return {};
}

/// An uplink whose other keys are as they should be.
std::string uplink(const std::string& keys) {
  return "uplinks:\n  hq:\n    url: mqtt://hq\n    out: [{from: \"#\"}]\n    " + keys + "\n";
}

TEST(BridgeSettings, NeedNothingButAnAddressAndARoute) {
  const auto uplinks = read("uplinks: {hq: {url: mqtt://hq.example, out: [{from: \"plant1/#\"}]}}");
  ASSERT_EQ(uplinks.size(), 1U);
  const auto& hq = uplinks.front();
  EXPECT_EQ(hq.name, "hq");
  EXPECT_EQ(hq.client_id, "plant1");
  EXPECT_EQ(hq.client, Client::Ferrule);
  EXPECT_EQ(hq.mqtt_version, 5);
  EXPECT_EQ(hq.window, 100U);
  EXPECT_EQ(hq.out.front().to, "{topic}");
  EXPECT_FALSE(hq.out.front().qos);
  EXPECT_EQ(hq.queue.max_size, 512'000'000U);
  EXPECT_EQ(hq.queue.when_full, WhenFull::DropOldest);
  EXPECT_EQ(hq.where.line, 1);
}

TEST(BridgeSettings, ReadEveryKey) {
  const auto uplinks = read(R"(
queue: {max_size: 64MB, when_full: reject, sync: 200ms}
uplinks:
  hq:
    url: mqtt://[2001:db8::1]:1884
    client_id: gw-7
    username: me
    password: secret
    client: paho
    mqtt: 3.1.1
    keep_alive: 1m
    session_expiry: 2d
    window: 20
    ack_timeout: 90s
    reconnect: 2s..5m
    out:
      - {from: "plant1/#", to: "sites/{topic}/x", qos: 2}
      - {from: "+/alarm", to: alarms}
)");
  ASSERT_EQ(uplinks.size(), 1U);
  const auto& hq = uplinks.front();
  EXPECT_EQ(parse_url(hq.urls.at(0)), (Endpoint{"2001:db8::1", 1884}));
  EXPECT_EQ(hq.client_id, "gw-7");
  EXPECT_EQ(hq.username, "me");
  EXPECT_EQ(hq.password, "secret");
  EXPECT_EQ(hq.client, Client::Paho);
  EXPECT_EQ(hq.mqtt_version, 4);
  EXPECT_EQ(hq.keep_alive, 60s);
  EXPECT_EQ(hq.session_expiry, 48h);
  EXPECT_EQ(hq.window, 20U);
  EXPECT_EQ(hq.ack_timeout, 90s);
  EXPECT_EQ(hq.reconnect, std::pair(2000ms, 300000ms));
  ASSERT_EQ(hq.out.size(), 2U);
  EXPECT_EQ(hq.out[0].qos, mqtt::Qos::ExactlyOnce);
  EXPECT_EQ(hq.out[1].to, "alarms");
  EXPECT_EQ(hq.queue.max_size, 64'000'000U);
  EXPECT_EQ(hq.queue.when_full, WhenFull::Reject);
  EXPECT_EQ(hq.queue.commit_interval, 200ms);
}

TEST(BridgeSettings, TakeAPolicyForEachPriorityAndWhatToKeepOfOldTelemetry) {
  const auto hq = read(uplink("queue: {when_full: {low: drop-newest, high: reject}, keep: 1/15m after 12h}")).front();
  EXPECT_EQ(hq.queue.when_full[Priority::Low], WhenFull::DropNewest);
  EXPECT_EQ(hq.queue.when_full[Priority::Normal], WhenFull::DropOldest);
  EXPECT_EQ(hq.queue.when_full[Priority::High], WhenFull::Reject);
  EXPECT_EQ(hq.queue.keep.interval, 15min);
  EXPECT_EQ(hq.queue.keep.after, 12h);
  EXPECT_EQ(read(uplink("queue: {keep: 1/min after 1d}")).front().queue.keep.interval, 1min);
  const auto routes = read(uplink("").replace(uplink("").find("\"#\""), 3, "\"a/#\", priority: high")).front().out;
  EXPECT_EQ(routes.front().priority, Priority::High);
}

TEST(BridgeSettings, TakeSeveralServersAndTheFilesForTls) {
  const auto hq = read(uplink("").replace(uplink("").find("mqtt://hq"), 9, "[mqtts://a, \"mqtts://b:8884\"]") +
                       "    tls: {ca: ca.pem, cert: /etc/gw.pem, key: /etc/gw.key, alpn: [mqtt]}\n")
                      .front();
  EXPECT_EQ(parse_url(hq.urls.at(0)), (Endpoint{"a", 8883, true}));
  EXPECT_EQ(parse_url(hq.urls.at(1)), (Endpoint{"b", 8884, true}));
  EXPECT_EQ(hq.tls.ca, std::filesystem::path("test.yaml").parent_path() / "ca.pem");
  EXPECT_EQ(hq.tls.cert, "/etc/gw.pem");
  EXPECT_EQ(hq.tls.key, "/etc/gw.key");
  EXPECT_EQ(hq.tls.alpn, std::vector<std::string>{"mqtt"});
}

TEST(BridgeSettings, TakeWebSocketsAndTheirPaths) {
  EXPECT_EQ(parse_url("ws://a"), (Endpoint{"a", 80, false, "/mqtt"}));
  EXPECT_EQ(parse_url("wss://[::1]:8443/x/y?z=1"), (Endpoint{"::1", 8443, true, "/x/y?z=1"}));
  EXPECT_EQ(parse_url("mqtt://a/"), (Endpoint{"a", 1883}));
  for (const auto* wrong : {"mqtt://a/mqtt", "mqtt://a:80x", "mqtt://a:0", "mqtt://a:", "mqtt://", "ws://a/ b",
                            "ws://a/#b", "http://a", "wss://", "mqtt://a:65536", "mqtt://[::1", "mqtt://a\r\nb"}) {
    EXPECT_FALSE(parse_url(wrong)) << wrong;
  }
}

TEST(BridgeSettings, TakeAProxyAsAnAddressOrWithALogin) {
  const auto web = read(uplink("proxy: http://proxy")).front().proxy;
  ASSERT_TRUE(web);
  EXPECT_EQ(web->server, (Endpoint{"proxy", 3128}));
  const auto socks =
      read(uplink("proxy: {url: \"socks5://proxy:1081\", username: me, password: secret}")).front().proxy;
  ASSERT_TRUE(socks);
  EXPECT_EQ(socks->server, (Endpoint{"proxy", 1081, false, {}, true}));
  EXPECT_EQ(socks->username, "me");
  EXPECT_EQ(socks->password, "secret");
}

TEST(BridgeSettings, TakeRoutesInWithWhatIsLeftOfTheTopic) {
  const auto hq = read(uplink("in: [{from: \"sites/p/+/set\", to: \"{topic:2..}/x\", qos: 2, max_age: 5s}]")).front();
  ASSERT_EQ(hq.in.size(), 1U);
  EXPECT_EQ(hq.in[0].qos, mqtt::Qos::ExactlyOnce);
  EXPECT_EQ(hq.in[0].max_age, 5s);
  EXPECT_EQ(rewrite(hq.in[0].to, "sites/p/pump/set"), "pump/set/x");
  EXPECT_EQ(rewrite("a/{topic}/b/{topic:1..}", "x/y"), "a/x/y/b/y");
  EXPECT_EQ(rewrite("{topic:3..}", "x/y"), "");
}

TEST(BridgeSettings, TakeWhatTheCloudTakes) {
  const auto hq =
      read(uplink("max_qos: 1\n    retain: false\n    max_packet: 64KiB\n    rate: 50\n    byte_rate: 8KiB\n    "
                  "status_topic: plant1/status"))
          .front();
  EXPECT_EQ(hq.max_qos, mqtt::Qos::AtLeastOnce);
  EXPECT_FALSE(hq.retain);
  EXPECT_EQ(hq.max_packet, 65'536U);
  EXPECT_EQ(hq.rate, 50);
  EXPECT_EQ(hq.byte_rate, 8'192U);
  EXPECT_EQ(hq.status_topic, "plant1/status");
}

TEST(BridgeSettings, GoBackToTheFirstServerUnlessToldOtherwise) {
  const auto two = [](const std::string& keys) {
    return "uplinks: {hq: {url: [mqtt://a, mqtt://b], out: [{from: a}]" + keys + "}}";
  };
  EXPECT_EQ(read(two("")).front().failback, 5min);
  EXPECT_EQ(read(two(", failback: 30s")).front().failback, 30s);
  EXPECT_EQ(read(two(", failback: never")).front().failback, 0s);
  EXPECT_THAT(mistakes(two(", failback: 10ms")), HasSubstr("failback"));
  EXPECT_THAT(mistakes(uplink("failback: 1m")), HasSubstr("has nowhere to go"));
}

TEST(BridgeSettings, TakeBatchesToOneTopic) {
  const auto route = [](const std::string& keys) {
    return "uplinks:\n  hq:\n    url: mqtt://hq\n    out: [{from: \"a/#\", " + keys + "}]\n";
  };
  const auto hq = read(route("to: b, batch: {max_size: 2KB, wait: 5s}")).front();
  ASSERT_TRUE(hq.out.front().batch);
  EXPECT_EQ(hq.out.front().batch->max_size, 2'000U);
  EXPECT_EQ(hq.out.front().batch->wait, 5s);
  EXPECT_THAT(mistakes(route("batch: {wait: 1s}")), HasSubstr("a batch goes to one topic"));
}

TEST(BridgeSettings, AnUplinksQueueIsAsTheSectionQueueWhereItSaysNothingElse) {
  const auto uplinks = read(R"(
queue: {max_size: 64MB, max_age: 30d, durability: process-crash}
uplinks:
  hq:
    url: mqtt://a
    out: [{from: "#"}]
    queue: {max_size: 1GB, durability: power-loss, backfill: {rate: 500}}
  other: {url: "mqtt://b", out: [{from: "#"}]}
)");
  ASSERT_EQ(uplinks.size(), 2U);
  const auto& hq = uplinks.front().queue;
  EXPECT_EQ(hq.max_size, 1'000'000'000U);
  EXPECT_EQ(hq.max_age, 30 * 24h);
  EXPECT_EQ(hq.durability, Durability::PowerLoss);
  EXPECT_EQ(hq.backfill, Backfill::LiveFirst);
  EXPECT_EQ(hq.backfill_rate, 500);
  const auto& other = uplinks.back().queue;
  EXPECT_EQ(other.max_size, 64'000'000U);
  EXPECT_EQ(other.durability, Durability::ProcessCrash);
  EXPECT_EQ(other.backfill, Backfill::InOrder);
}

TEST(BridgeSettings, SyncAlwaysCommitsEachMessageAtOnce) {
  EXPECT_EQ(read("queue: {sync: always}\n" + uplink("")).front().queue.commit_interval, 0ms);
}

TEST(BridgeSettings, WithoutUplinksThereAreNone) { EXPECT_TRUE(read("queue: {max_size: 1GB}").empty()); }

struct Wrong {
  const char* keys;
  const char* message;
};

class BridgeMistakes : public ::testing::TestWithParam<Wrong> {};

TEST_P(BridgeMistakes, AreNamedWithTheirLine) {
  const auto text = mistakes(uplink(GetParam().keys));
  EXPECT_THAT(text, HasSubstr(GetParam().message));
  EXPECT_THAT(text, HasSubstr("test.yaml:5:"));
}

INSTANTIATE_TEST_SUITE_P(
    All, BridgeMistakes,
    ::testing::Values(Wrong{"window: 0", "window"}, Wrong{"proxy: socks4://p", "is not the address of a proxy"},
                      Wrong{"proxy: {url: \"http://p\", password: x}", "needs a user name"},
                      Wrong{"proxy: {url: \"http://p\", username: \"a:b\"}", "cannot stand in it"},
                      Wrong{"in: [{from: \"a/+\", to: \"{topic:2..}\"}]", "may have no level 2"},
                      Wrong{"in: [{from: \"a/#\", to: \"{topic:x..}\"}]", "is no placeholder"},
                      Wrong{"in: [{from: \"a/#/b\"}]", "is not a topic filter"},
                      Wrong{"in: [{from: a, max_age: 1ms}]", "max_age"},
                      Wrong{"in: [{from: a, compress: gzip}]", "compress"}, Wrong{"max_qos: 3", "max_qos"},
                      Wrong{"ack_timeout: 1s", "ack_timeout"}, Wrong{"rate: 0", "rate"},
                      Wrong{"byte_rate: 1B", "byte_rate"}, Wrong{"max_packet: 10B", "max_packet"},
                      Wrong{"status_topic: a/+", "is not a topic"}, Wrong{"sas: {key: \"???\"}", "not base64"},
                      Wrong{"sas: {}", "key"}, Wrong{"mqtt: 4", "mqtt"}, Wrong{"keep_alive: 1s", "keep_alive"},
                      Wrong{"reconnect: 10ms..1s", "hammer"}, Wrong{"reconnect: 9s..1s", "reconnect"},
                      Wrong{"session_expiry: 1s", "session_expiry"}, Wrong{"queue: {backfill: {rate: 0}}", "rate"},
                      Wrong{"queue: {max_age: 1s}", "max_age"}, Wrong{"cleint_id: x", "client_id"},
                      Wrong{"passwort: x", "password"}));

class WrongUrls : public ::testing::TestWithParam<Wrong> {};

TEST_P(WrongUrls, AreExplained) {
  EXPECT_THAT(mistakes(std::string("uplinks: {hq: {out: [{from: \"#\"}], url: ") + GetParam().keys + "}}"),
              HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    All, WrongUrls,
    ::testing::Values(Wrong{"[]", "needs an address"}, Wrong{"mqtts://hq, client: paho", "speaks TLS"},
                      Wrong{"mqtt://hq, tls: {ca: system}", "asks for TLS"},
                      Wrong{"mqtts://hq, tls: {cert: a.pem}", "needs its key"},
                      Wrong{"[mqtt://hq, http://hq]", "mqtt://host"}, Wrong{"\"mqtt://me:pw@hq\"", "username"},
                      Wrong{"hq:1883", "mqtt://host"}, Wrong{"mqtt://", "mqtt://host"},
                      Wrong{"mqtt://hq:0", "mqtt://host"}, Wrong{"mqtt://hq:99999", "mqtt://host"},
                      Wrong{"mqtt://hq:18x", "mqtt://host"}, Wrong{"mqtt://hq/path", "mqtt://host"},
                      Wrong{"\"mqtt://[::1\"", "mqtt://host"}, Wrong{"~", "url"}));

class WrongRoutes : public ::testing::TestWithParam<Wrong> {};

TEST_P(WrongRoutes, AreExplained) {
  EXPECT_THAT(mistakes(std::string("uplinks: {hq: {url: mqtt://hq, out: ") + GetParam().keys + "}}"),
              HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(All, WrongRoutes,
                         ::testing::Values(Wrong{"[]", "needs a route"}, Wrong{"[{to: x}]", "from"},
                                           Wrong{"[{from: \"a/#/b\"}]", "not a topic filter"},
                                           Wrong{"[{from: \"#\", to: \"a/+\"}]", "publish to"},
                                           Wrong{"[{from: \"#\", to: \"{tpoic}\"}]", "{tpoic}"},
                                           Wrong{"[{from: \"#\", to: \"a}\"}]", "no placeholder"},
                                           Wrong{"[{from: \"#\", qos: 3}]", "qos"},
                                           Wrong{"[{from: \"#\"}, {from: \"#\", to: x}]", "stands above"}));

TEST(BridgeSettings, AWrongRouteIsOneMistake) {
  for (const auto* out : {"[{from: \"a/#/b\"}]", "{from: x}", "x"}) {
    const auto text = mistakes(std::string("uplinks: {hq: {url: mqtt://hq, out: ") + out + "}}");
    EXPECT_EQ(text.find("error:"), text.rfind("error:")) << text;
  }
  EXPECT_THAT(mistakes("uplinks: {hq: {url: mqtt://hq}}"), HasSubstr("needs a route"));
}

TEST(BridgeSettings, TwoUplinksToOneBrokerNeedTwoClientIds) {
  const auto text = mistakes(R"(uplinks:
  a: {url: mqtt://hq, out: [{from: "#"}]}
  b: {url: "mqtt://hq:1883", out: [{from: "#"}]}
)");
  EXPECT_THAT(text, HasSubstr("test.yaml:3:"));
  EXPECT_THAT(text, HasSubstr("same client id"));
  EXPECT_EQ(mistakes(R"(uplinks:
  a: {url: mqtt://hq, out: [{from: "#"}]}
  b: {url: mqtt://hq, client_id: other, out: [{from: "#"}]}
)"),
            "");
}

TEST(BridgeSettings, ANameThatIsNoFileNameIsAMistake) {
  EXPECT_THAT(mistakes("uplinks: {\"../hq\": {url: mqtt://hq, out: [{from: \"#\"}]}}"), HasSubstr("file name"));
}

TEST(BridgeSettings, AWrongPasswordNeverShowsInAMistake) {
  EXPECT_THAT(mistakes(uplink("password: [geheim]")), ::testing::Not(HasSubstr("geheim")));
}

TEST(Rewrite, PutsTheTopicWhereThePlaceholderStands) {
  EXPECT_EQ(rewrite("{topic}", "a/b"), "a/b");
  EXPECT_EQ(rewrite("sites/{topic}/x", "a/b"), "sites/a/b/x");
  EXPECT_EQ(rewrite("{topic}/{topic}", "a"), "a/a");
  EXPECT_EQ(rewrite("fixed", "a"), "fixed");
}

}  // namespace
}  // namespace ferrule::bridge

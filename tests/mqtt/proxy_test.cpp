// PROXY protocol: the header byte by byte, then a listener behind a proxy.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mqtt/proxy_header.hpp"
#include "tls_client.hpp"
#include "wire_text.hpp"

namespace ferrule::mqtt::testing {
namespace {

using ::testing::HasSubstr;

const std::string kSignature("\r\n\r\n\0\r\nQUIT\n", 12);

/// `rest` begins with version and command.
std::string header(const std::string& rest) { return kSignature + wire(rest); }

const char* const kFromV4 = "21 11 000C C0000209 0A000001 C350 075B";

/// What the header says, taken in exactly the pieces it asks for; `text` gets what stays.
std::string source_of(std::string text, std::size_t piece = SIZE_MAX) {
  ProxyHeader proxy;
  while (proxy.wanted() > 0) {
    const auto n = std::min({proxy.wanted(), piece, text.size()});
    if (n == 0) return "incomplete";
    const auto fed = proxy.feed(std::string_view(text).substr(0, n));
    text.erase(0, n);
    if (!fed) return fed.error();
  }
  return (proxy.source() ? proxy.source()->text() : "none") + (text.empty() ? "" : ", then " + text);
}

TEST(ProxyHeader, GivesTheAddressOfTheClientAndLeavesWhatFollows) {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{5}, SIZE_MAX}) {
    EXPECT_EQ(source_of(header(kFromV4) + "MQTT", piece), "192.0.2.9:50000, then MQTT");
    EXPECT_EQ(
        source_of(header("21 21 0024 FD000000000000000000000000000001 FD000000000000000000000000000002 C350 075B"),
                  piece),
        "[fd00::1]:50000");
  }
}

TEST(ProxyHeader, PassesOverExtensions) {
  EXPECT_EQ(source_of(header("21 11 0012 C0000209 0A000001 C350 075B 04 0003 000000")), "192.0.2.9:50000");
}

TEST(ProxyHeader, KnowsNoSourceWhenTheProxySpeaksForItself) {
  EXPECT_EQ(source_of(header("20 00 0000")), "none");
  EXPECT_EQ(source_of(header("20 11 000C C0000209 0A000001 C350 075B")), "none");
  EXPECT_EQ(source_of(header("21 00 0000")), "none");
}

TEST(ProxyHeader, RefusesWhatIsNone) {
  EXPECT_THAT(source_of("PROXY TCP4 192.0.2.9 10.0.0.1 50000 1883\r\n"), HasSubstr("version 1 instead of 2"));
  EXPECT_THAT(source_of(wire(kConnect)), HasSubstr("no PROXY header"));
  EXPECT_THAT(source_of(header("11 11 000C")), HasSubstr("version 1 instead of 2"));
  EXPECT_THAT(source_of(header("2F 11 0000")), HasSubstr("command 15"));
  EXPECT_THAT(source_of(header("21 12 000C C0000209 0A000001 C350 075B")), HasSubstr("transport 2"));
  EXPECT_THAT(source_of(header("21 11 0004 C0000209")), HasSubstr("too short"));
  EXPECT_THAT(source_of(header("21 11 FFFF")), HasSubstr("of 65551 bytes"));
}

TEST(ProxyHeader, ToldOnTheFirstByteThatIsWrong) {
  EXPECT_EQ(source_of(kSignature.substr(0, 11)), "incomplete");
  EXPECT_THAT(source_of(kSignature.substr(0, 11) + "x"), HasSubstr("no PROXY header"));
  EXPECT_EQ(source_of("PRO"), "incomplete");
}

ListenSettings behind(const std::string& proxies) {
  auto settings = on("127.0.0.1");
  settings.proxies.push_back(Network::parse(proxies).value());
  return settings;
}

TEST(Proxy, TellsWhoTheClientIs) {
  LiveBroker broker(behind("127.0.0.0/8"));
  SocketClient client(broker.port());
  client.send_bytes(header(kFromV4).substr(0, 20));
  client.send_bytes(header(kFromV4).substr(20) + wire(kConnect));
  client.expect("20 02 00 00");
  EXPECT_EQ(broker.last_identity().address, "192.0.2.9");
  EXPECT_EQ(broker.last_identity().proxy, "127.0.0.1");
}

TEST(Proxy, HeadersMayStandBeforeTls) {
  auto settings = behind("127.0.0.1");
  settings.protocol = Protocol::WebSocket;
  LiveBroker broker(settings);
  SocketClient client(broker.port());
  client.send_bytes(header(kFromV4) + "GET / HTTP/1.1\r\n\r\n");
  EXPECT_THAT(client.receive_all(), HasSubstr("426"));
}

TEST(Proxy, ClientsWithoutAHeaderAndStrangersAreRefusedAndCounted) {
  LiveBroker broker(behind("127.0.0.1"));
  SocketClient client(broker.port());
  client.send(kConnect);
  EXPECT_EQ(client.receive_all(), "");
  EXPECT_EQ(broker.counters().refused_proxy, 1U);
  LiveBroker others(behind("10.0.0.0/8"));
  SocketClient stranger(others.port());
  EXPECT_EQ(stranger.receive_all(), "");
  EXPECT_EQ(others.counters().refused_proxy, 1U);
  EXPECT_EQ(others.counters().accepted, 0U);
}

TEST(Proxy, AHeaderThatNeverEndsIsCutOffByTheTimeForConnect) {
  BrokerSettings settings;
  settings.connect_timeout = std::chrono::milliseconds(100);
  LiveBroker broker(behind("127.0.0.1"), settings);
  SocketClient client(broker.port());
  client.send_bytes(kSignature);
  EXPECT_EQ(client.receive_all(), "");
  EXPECT_EQ(broker.ask([](Broker& one) { return one.counters().connect_timeouts; }), 1U);
}

TEST(Network, ContainsWhatItsPrefixSays) {
  const auto address = [](std::uint8_t last) { return Address::v4({10, 0, 0, last}, 1); };
  EXPECT_TRUE(Network::parse("10.0.0.0/30")->contains(address(3)));
  EXPECT_FALSE(Network::parse("10.0.0.0/30")->contains(address(4)));
  EXPECT_TRUE(Network::parse("0.0.0.0/0")->contains(address(4)));
  EXPECT_TRUE(Network::parse("10.0.0.4")->contains(address(4)));
  EXPECT_FALSE(Network::parse("::/0")->contains(address(4)));
  EXPECT_FALSE(Network::parse("10.0.0.0/33"));
  EXPECT_FALSE(Network::parse("10.0.0.0/"));
  EXPECT_FALSE(Network::parse("plant"));
}

}  // namespace
}  // namespace ferrule::mqtt::testing

#include "bridge/presets.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ferrule::bridge {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<UplinkSettings> read(const std::string& text) {
  const auto document = config::Document::parse(text, "test.yaml");
  auto uplinks = read_uplinks(document.root(), "plant1");
  document.finish();
  return uplinks;
}

std::string mistakes(const std::string& keys) {
  try {
    read("uplinks:\n  hq:\n    " + keys + "\n");
  } catch (const config::Error& error) {
    return error.what();
  }
  return {};
}

TEST(Presets, AwsTakesQos1AHundredTimesASecond) {
  const auto aws = read(R"(
uplinks:
  aws:
    preset: aws-iot
    url: mqtts://a1.iot.eu-west-1.amazonaws.com:443
    tls: {cert: gw.pem, key: gw.key}
    out: [{from: "plant1/#"}]
)")
                       .front();
  EXPECT_EQ(aws.max_qos, mqtt::Qos::AtLeastOnce);
  EXPECT_EQ(aws.rate, 100);
  EXPECT_EQ(aws.byte_rate, 524'288U);
  EXPECT_EQ(aws.max_packet, 131'072U);
  EXPECT_EQ(aws.keep_alive, 30s);
  EXPECT_EQ(aws.session_expiry, 1h);
  EXPECT_THAT(aws.tls.alpn, ElementsAre("x-amzn-mqtt-ca"));
}

TEST(Presets, AnIotHubKnowsItsDeviceByItsClientId) {
  const auto hub = read(R"(
uplinks:
  azure:
    preset: azure-iot-hub
    url: mqtts://hub1.azure-devices.net
    client_id: dev1
    sas: {key: "MDEyMzQ1Njc4OWFiY2RlZg=="}
    out: [{from: "plant1/#", to: "devices/dev1/messages/events/$.ct=application%2Fjson"}]
    in: [{from: "devices/dev1/messages/devicebound/#", to: "{topic:4..}"}]
)")
                       .front();
  EXPECT_EQ(hub.mqtt_version, 4);
  EXPECT_EQ(hub.username, "hub1.azure-devices.net/dev1/?api-version=2021-04-12");
  EXPECT_EQ(hub.sas->resource, "hub1.azure-devices.net/devices/dev1");
  EXPECT_EQ(hub.max_qos, mqtt::Qos::AtLeastOnce);
}

TEST(Presets, CanBeOverriddenButForWhatTheCloudForbids) {
  const auto aws = read(R"(
uplinks: {aws: {preset: aws-iot, url: "mqtts://a", rate: 500, max_packet: 1MiB, keep_alive: 20m, max_qos: 0, out: [{from: "#"}]}}
)")
                       .front();
  EXPECT_EQ(aws.rate, 500);
  EXPECT_EQ(aws.max_packet, 1'048'576U);
  EXPECT_EQ(aws.keep_alive, 20min);
  EXPECT_EQ(aws.max_qos, mqtt::Qos::AtMostOnce);
}

struct Forbidden {
  const char* name;
  const char* keys;
  const char* message;
};

class PresetsForbid : public ::testing::TestWithParam<Forbidden> {};

TEST_P(PresetsForbid, WithAHint) { EXPECT_THAT(mistakes(GetParam().keys), HasSubstr(GetParam().message)); }

INSTANTIATE_TEST_SUITE_P(
    All, PresetsForbid,
    ::testing::Values(
        Forbidden{"OtherNames", "{preset: aws, url: \"mqtts://a\", out: [{from: \"#\"}]}", "aws-iot"},
        Forbidden{"NoTls", "{preset: hivemq, url: \"mqtt://a\", out: [{from: \"#\"}]}", "hivemq wants TLS"},
        Forbidden{"Qos2", "{preset: aws-iot, url: \"mqtts://a\", out: [{from: \"#\", qos: 2}]}", "takes no QoS 2"},
        Forbidden{"Qos2OfAll", "{preset: azure-event-grid, url: \"mqtts://a\", max_qos: 2, out: [{from: \"#\"}]}",
                  "takes no QoS 2"},
        Forbidden{"KeepAlive", "{preset: aws-iot, url: \"mqtts://a\", keep_alive: 10s, out: [{from: \"#\"}]}",
                  "takes 30 s to 1200 s"},
        Forbidden{"Version", "{preset: azure-iot-hub, url: \"mqtts://a\", mqtt: 5, out: []}", "does not know MQTT 5"},
        Forbidden{"Topic", "{preset: azure-iot-hub, url: \"mqtts://a\", out: [{from: \"#\"}]}",
                  "devices/plant1/messages/events/"},
        Forbidden{"Dollar", "{preset: aws-iot, url: \"mqtts://a\", out: [{from: \"#\", to: \"$x/{topic}\"}]}",
                  "begins with \"$\""},
        Forbidden{"Levels", "{preset: aws-iot, url: \"mqtts://a\", out: [{from: \"#\", to: \"1/2/3/4/5/6/7/8/9\"}]}",
                  "more than 8 levels"},
        Forbidden{"TwoSecrets", "{url: \"mqtts://a\", password: xyz, password_file: f, out: [{from: \"#\"}]}",
                  "takes one of"}),
    [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace ferrule::bridge

#include "mapping/homeassistant.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/mapping/plant.hpp"

namespace ferrule::mapping {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr auto kOn = "{homeassistant: {discovery: homeassistant}}";

/// What is announced of one point `p`.
json component(const std::string& point, const std::string& publish = kOn) {
  const auto plant = Plant::with_points("{p: " + point + "}", publish);
  return json::parse(plant.announcements().at(0)->payload).at("components").at("p");
}

TEST(HomeAssistant, IsToldOfADeviceInOneRetainedMessage) {
  const auto plant = Plant::with_points("{u: {register: input, address: 0, type: float32, unit: V}}", kOn);
  ASSERT_EQ(plant.announcements().size(), 2U);
  EXPECT_EQ(plant.announcements()[1]->topic, "plant/status");
  EXPECT_EQ(plant.announcements()[1]->payload, R"({"state":"online"})");
  EXPECT_TRUE(plant.announcements()[1]->retain);
  const auto& announcement = *plant.announcements()[0];
  EXPECT_EQ(announcement.topic, "homeassistant/device/plant_m/config");
  EXPECT_TRUE(announcement.retain);
  EXPECT_EQ(json::parse(announcement.payload), json::parse(R"({
    "device": {"identifiers": ["ferrule/plant/m"], "name": "m"},
    "origin": {"name": "Ferrule", "sw_version": ")" FERRULE_VERSION R"("},
    "qos": 1,
    "components": {"u": {
      "platform": "sensor", "unique_id": "ferrule/plant/m/u", "name": "u",
      "state_topic": "plant/m/u", "value_template": "{{ value_json.v }}",
      "availability": [
        {"topic": "plant/m/u", "value_template": "{{ 'offline' if value_json.q == 'bad' else 'online' }}"},
        {"topic": "plant/status", "value_template": "{{ value_json.state }}"}],
      "availability_mode": "all",
      "unit_of_measurement": "V", "device_class": "voltage", "state_class": "measurement"}}})"));
}

TEST(HomeAssistant, IsToldOfNothingUnlessItIsAskedFor) {
  const std::string points = "{p: {register: holding, address: 0}}";
  EXPECT_THAT(Plant::with_points(points).announcements(), IsEmpty());
  EXPECT_THAT(Plant::with_points("{p: {register: holding, address: 0, homeassistant: false}}", kOn).announcements(),
              IsEmpty());
}

TEST(HomeAssistant, GetsThePlatformThatFitsThePoint) {
  EXPECT_EQ(component("{register: coil, address: 0, type: bool}")["platform"], "binary_sensor");
  EXPECT_EQ(component("{register: coil, address: 0, type: bool, write: true}")["platform"], "switch");
  EXPECT_EQ(component("{register: holding, address: 0, write: true}")["platform"], "number");
  EXPECT_EQ(component("{register: holding, address: 0, enum: {0: a, 1: b}}")["device_class"], "enum");
  EXPECT_EQ(component("{register: holding, address: 0, type: string, length: 4}").contains("state_class"), false);
  const auto select = component("{register: holding, address: 0, enum: {0: a, 1: b}, write: true}");
  EXPECT_EQ(select["platform"], "select");
  EXPECT_EQ(select["options"], (json{"a", "b"}));
  EXPECT_EQ(select["command_topic"], "plant/m/p/set");
}

TEST(HomeAssistant, GetsTheLimitsOfANumber) {
  const auto scaled = component("{register: holding, address: 0, type: int16, scale: 0.1, write: true}");
  EXPECT_DOUBLE_EQ(scaled["min"], -3276.8);
  EXPECT_DOUBLE_EQ(scaled["max"], 3276.7);
  EXPECT_DOUBLE_EQ(scaled["step"], 0.1);
  const auto limited = component("{register: holding, address: 0, write: {min: 5, max: 30, step: 5}}");
  EXPECT_EQ(limited["min"], 5);
  EXPECT_EQ(limited["max"], 30);
  EXPECT_EQ(limited["step"], 5);
  EXPECT_FALSE(limited.contains("state_class")) << "only a sensor has one";
}

TEST(HomeAssistant, GetsTheClassOfAUnitAndOfACounter) {
  EXPECT_EQ(component("{register: input, address: 0, unit: kWh, counter: true}")["state_class"], "total_increasing");
  EXPECT_EQ(component("{register: input, address: 0, unit: kWh}")["state_class"], "total");
  EXPECT_FALSE(component("{register: input, address: 0, unit: \"%\"}").contains("device_class")) << "of what?";
  const auto own =
      component("{register: input, address: 0, unit: \"%\", homeassistant: {name: Air, device_class: humidity}}");
  EXPECT_EQ(own["device_class"], "humidity");
  EXPECT_EQ(own["name"], "Air");
}

TEST(HomeAssistant, ReadsEveryFormatThatItCan) {
  const std::string number = "{register: holding, address: 0}", coil = "{register: coil, address: 0, type: bool}";
  const std::string raw = "{format: raw, homeassistant: {discovery: ha}}";
  EXPECT_EQ(component(number, raw)["value_template"], "{{ value }}");
  EXPECT_EQ(component(coil, raw)["value_template"], "{{ 'on' if value == 'true' else 'off' }}");
  EXPECT_EQ(component(coil)["value_template"], "{{ 'on' if value_json.v else 'off' }}");
  const auto shared = component(number, "{format: json-device, homeassistant: {discovery: ha}}");
  EXPECT_EQ(shared["value_template"], R"({% if "p" in value_json.v %}{{ value_json.v["p"] }}{% endif %})");
  EXPECT_EQ(shared["availability"][0]["value_template"],
            R"({{ 'offline' if "p" in value_json.err|default({}) else 'online' if "p" in value_json.v else '' }})");
  EXPECT_EQ(component("{register: holding, address: 0, window: {every: 1m, values: [mean, max]}}")["value_template"],
            "{{ value_json.mean }}");
  EXPECT_THAT(
      Plant::with_points("{p: " + number + "}", "{format: influx, homeassistant: {discovery: ha}}").announcements(),
      IsEmpty());
}

TEST(HomeAssistant, HasOneCommandTopicForEachPointOfASharedMessage) {
  const auto shared = component("{register: holding, address: 0, write: true}",
                                "{format: json-device, homeassistant: {discovery: ha}}");
  EXPECT_EQ(shared["command_topic"], "plant/m/p/set");
}

TEST(HomeAssistant, KeepsNamesApartThatItsTopicsCannotHold) {
  const auto plant = Plant(
      "devices: {Kühler: {bus: plc, unit_id: 1, points: {p: {register: holding, address: 0}}},"
      " K_hler: {bus: plc, unit_id: 2, points: {p: {register: holding, address: 0}}}}\n"
      "publish: {homeassistant: {discovery: ha}}\n");
  ASSERT_EQ(plant.announcements().size(), 3U);  // the second is the status, once
  EXPECT_THAT(plant.announcements()[0]->topic, ::testing::MatchesRegex("ha/device/plant_K__hler_[0-9a-f]+/config"));
  EXPECT_EQ(plant.announcements()[2]->topic, "ha/device/plant_K_hler/config");
}

TEST(HomeAssistant, MistakesHaveTheirPlace) {
  EXPECT_THAT(point_mistakes("{register: holding, address: 0, homeassistant: {discovery: \"a/#\"}}"),
              ElementsAre(::testing::HasSubstr("must be the beginning of a topic")));
  EXPECT_THAT(point_mistakes("{register: holding, address: 0, homeassistant: true}"),
              ElementsAre(::testing::HasSubstr("must be false, or a map")));
  EXPECT_THAT(point_mistakes("{register: holding, address: 0, homeassistant: {discover: a}}"),
              ElementsAre(::testing::HasSubstr("discover")));
}

}  // namespace
}  // namespace ferrule::mapping

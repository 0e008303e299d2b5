#include "mapping/place.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/mapping/plant.hpp"

namespace ferrule::mapping {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr auto kDevices =
    "devices:\n"
    "  press: {bus: plc, unit_id: 7, area: hall2, points: {force: {register: input, address: 0}}}\n";

std::string topic_of(const std::string& yaml) {
  Plant plant(yaml);
  plant.poll(0s, {{"force", std::uint64_t{1}}});
  return plant.published().front()->topic;
}

TEST(Topic, HasADefault) { EXPECT_EQ(topic_of(kDevices), "plant/press/force"); }

TEST(Topic, MayNameEveryLevelOfThePlant) {
  EXPECT_EQ(topic_of(std::string(kDevices) +
                     "gateway: {site: berlin, area: hall1, line: \"3\"}\n"
                     "publish: {topic: \"{site}/{area}/{line}/{gateway}/{bus}/{unit}/{device}/{point}\"}\n"),
            "berlin/hall2/3/plant/plc/7/press/force");
}

TEST(Topic, TheTemplateOfADeviceMaySayItsArea) {
  EXPECT_EQ(topic_of("templates: {p: {area: yard, points: {force: {register: input, address: 0}}}}\n"
                     "devices: {press: {bus: plc, unit_id: 7, template: p}}\n"
                     "publish: {topic: \"{area}/{device}/{point}\"}\n"),
            "yard/press/force");
}

std::vector<std::string> publish_mistakes(const std::string& topic) {
  return mistakes(std::string(kDevices) + "publish: {topic: \"" + topic + "\"}\n");
}

TEST(Topic, MistakesInATemplateStandWhereItDoes) {
  EXPECT_THAT(
      publish_mistakes("{gateway}/{devise}/{point}"),
      ElementsAre("3:18 publish.topic: unknown placeholder \"{devise}\" (placeholders are {gateway} {site} {area} "
                  "{line} {bus} {device} {unit} {point})"));
  EXPECT_THAT(publish_mistakes("{device}/+/{point}"),
              ElementsAre("3:18 publish.topic: a topic to publish to has no wildcards + and #"));
  EXPECT_THAT(publish_mistakes("$SYS/{device}/{point}"),
              ElementsAre("3:18 publish.topic: topics that begin with $ are the broker's own"));
  for (const auto* topic : {"/{device}/{point}", "{device}//{point}", "{device}/{point}/"}) {
    EXPECT_THAT(
        publish_mistakes(topic),
        ElementsAre("3:18 publish.topic: has an empty level: a / at the beginning, at the end or next to another"));
  }
}

TEST(Topic, ALevelThatNobodyNamedIsAMistakeOfTheDevice) {
  EXPECT_THAT(publish_mistakes("{site}/{area}/{device}/{point}"),
              ElementsAre("2:10 devices.press: its topics have {site}, but neither it nor the gateway has a site (e.g. "
                          "site: north)"));
}

TEST(Topic, ALevelIsOneLevel) {
  EXPECT_THAT(
      mistakes(std::string(kDevices) + "gateway: {site: a/b}\n"),
      ElementsAre("3:17 gateway.site: this name becomes a level of a topic: it must not be empty nor contain / + # "
                  "or control characters"));
}

TEST(Topic, TwoPointsWithOneTopicAreAMistake) {
  EXPECT_THAT(
      mistakes("devices: {m: {bus: plc, unit_id: 1, topic: \"{device}\", points: {a: {register: input, address: 0}, "
               "b: {register: input, address: 1}}}}\n"),
      ElementsAre("1:102 devices.m.points.b: topic \"m\" is already used by another point (a topic template needs "
                  "{device} and {point})"));
}

TEST(Topic, MessagesOfADeviceMayShareOneButNotWithOthers) {
  const std::string one =
      "{bus: plc, unit_id: 1, format: json-device, points: {a: {register: input, address: 0}, "
      "b: {register: input, address: 1}}}";
  EXPECT_THAT(mistakes("devices: {m: " + one + "}\n"), IsEmpty());
  EXPECT_THAT(
      mistakes("publish: {topic: all}\ndevices:\n  m: " + one +
               "\n  n: {bus: plc, unit_id: 2, format: json-device, points: {a: {register: input, address: 0}}}\n"),
      ElementsAre("4:62 devices.n.points.a: topic \"all\" is already used by another point (a topic template needs "
                  "{device} and {point})"));
  EXPECT_THAT(
      mistakes("publish: {topic: \"{device}/{point}\"}\ndevices:\n  n: {bus: plc, unit_id: 2, format: json-device, "
               "points: {a: {register: input, address: 0}}}\n"),
      ElementsAre("3:62 devices.n.points.a: one message holds all points of a device: its topic cannot have {point} "
                  "(e.g. topic: \"{gateway}/{device}\")"));
  EXPECT_THAT(
      mistakes("devices:\n  n: {bus: plc, unit_id: 2, format: json-device, points: {a: {register: input, address: 0}, "
               "b: {register: input, address: 1, format: sparkplug}}}\n"),
      ElementsAre(testing::HasSubstr("topic \"plant/n\" is already used by another point")));
}

TEST(Topic, OfTheGatewaysOwnStatusIsAMistakeWhereItTellsHomeAssistant) {
  const std::string status =
      "devices: {status: {bus: plc, unit_id: 1, topic: \"{gateway}/{device}\", points: {a: {register: "
      "input, address: 0}}}}\n";
  EXPECT_THAT(mistakes(status), IsEmpty());
  EXPECT_THAT(
      mistakes(status + "publish: {homeassistant: {discovery: ha}}\n"),
      ElementsAre("1:83 devices.status.points.a: topic \"plant/status\" is where the gateway tells Home Assistant "
                  "that it is there (choose another topic, or name the device or point otherwise)"));
}

TEST(Topic, ThatIsTooLongIsAMistake) {
  std::string deep = "x";
  for (int i = 0; i < 127; ++i) deep += "/x";
  EXPECT_THAT(publish_mistakes(deep), IsEmpty());
  EXPECT_THAT(
      publish_mistakes(deep + "/x"),
      ElementsAre(testing::EndsWith("is not a valid topic to publish to (at most 65535 bytes and 128 levels)")));
}

}  // namespace
}  // namespace ferrule::mapping

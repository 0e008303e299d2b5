#include "mapping/wirenboard.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/mapping/plant.hpp"

namespace ferrule::mapping {
namespace {

using namespace std::chrono_literals;
using drivers::Failure;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr auto kPoints =
    "{t: {register: input, address: 0, type: int16, scale: 0.1, unit: \"°C\"}, "
    "relay: {register: coil, address: 0, write: true}, "
    "level: {register: holding, address: 1, unit: m, write: {min: 1, max: 5}}, "
    "mode: {register: input, address: 2, enum: {0: \"off\"}}, "
    "flow: {register: input, address: 3, unit: l/s}}";

Plant plant() { return Plant::with_points(kPoints, "{format: wirenboard, topic: \"{device}/{point}\"}"); }

TEST(WirenBoard, DescribesADeviceAndItsControls) {
  Plant::Lines lines;
  const auto device = plant();
  for (const auto& one : device.announcements()) {
    EXPECT_TRUE(one->retain);
    lines.push_back(one->topic + ' ' + one->payload);
  }
  EXPECT_THAT(
      lines,
      ElementsAre(
          R"(/devices/m/meta {"driver":"ferrule","title":{"en":"m"}})",
          R"(/devices/m/controls/t/meta {"type":"temperature","readonly":true,"order":1})",
          R"(/devices/m/controls/relay/meta {"type":"switch","readonly":false,"order":2})",
          R"(/devices/m/controls/level/meta {"type":"range","units":"m","min":1.0,"max":5.0,"readonly":false,"order":3})",
          R"(/devices/m/controls/mode/meta {"type":"text","readonly":true,"order":4})",
          R"(/devices/m/controls/flow/meta {"type":"value","units":"l/s","readonly":true,"order":5})"));
}

TEST(WirenBoard, ValuesAreTextAndSwitchesOneAndZero) {
  auto device = plant();
  EXPECT_THAT(device.poll(0s, {{"t", 21.5}, {"relay", true}, {"mode", std::uint64_t{0}}}),
              ElementsAre("/devices/m/controls/t 21.5", "/devices/m/controls/t/meta/error ",
                          "/devices/m/controls/relay 1", "/devices/m/controls/relay/meta/error ",
                          "/devices/m/controls/mode off", "/devices/m/controls/mode/meta/error "));
  for (const auto& one : device.published()) EXPECT_TRUE(one->retain) << one->topic;
  EXPECT_THAT(device.poll(1s, {{"t", 21.5}, {"relay", false}}), ElementsAre("/devices/m/controls/relay 0"));
}

TEST(WirenBoard, AControlThatCannotBeReadKeepsItsValueAndHasAnError) {
  auto device = plant();
  device.poll(0s, {{"t", 21.5}});
  EXPECT_THAT(device.poll(1s, {{"t", {}, Failure::Timeout}}), ElementsAre("/devices/m/controls/t/meta/error r"));
  EXPECT_THAT(device.poll(2s, {{"t", {}, Failure::PortLost}}), IsEmpty());
  EXPECT_THAT(device.poll(3s, {{"t", 21.5}}),
              ElementsAre("/devices/m/controls/t 21.5", "/devices/m/controls/t/meta/error "));
}

TEST(WirenBoard, TakesValuesWhereTheConventionsSay) {
  PointRule rule;
  rule.point = "relay";
  rule.publish.format = Format::WirenBoard;
  const std::string device = "m";
  EXPECT_EQ(command_topic({"/devices/m/controls/relay", &device, &rule}), "/devices/m/controls/relay/on");
}

}  // namespace
}  // namespace ferrule::mapping

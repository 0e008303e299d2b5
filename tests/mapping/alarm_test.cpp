#include "mapping/alarm.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/mapping/plant.hpp"

namespace ferrule::mapping {
namespace {

using namespace std::chrono_literals;
using drivers::Failure;
using testing::ElementsAre;
using testing::IsEmpty;

Plant plant(const std::string& alarms, const std::string& keys = "type: int16, unit: V") {
  return Plant::with_points("{p: {register: holding, address: 0, " + keys + ", alarms: " + alarms + "}}");
}

/// The states of all alarms that a poll published, such as "high active unacknowledged".
std::vector<std::string> news(const Plant::Lines& lines) {
  std::vector<std::string> found;
  for (const auto& line : lines) {
    const auto at = line.find("/alarm/");
    if (at == std::string::npos) continue;
    found.push_back(line.substr(at + 7, line.find(' ') - at - 7) +
                    (line.find(R"("state":"active")") != std::string::npos ? " active" : " normal") +
                    (line.find(R"("acknowledged":true)") != std::string::npos ? "" : " unacknowledged"));
  }
  return found;
}

std::vector<std::string> news(Plant& plant, drivers::Value value, std::chrono::milliseconds at) {
  return news(plant.poll(at, {{"p", std::move(value)}}));
}

TEST(Alarm, IsPublishedRetainedBehindTheValueItIsAbout) {
  auto p = plant("{high: {above: 250, priority: critical, text: \"Too \\\"high\\\"\"}}");
  EXPECT_THAT(p.poll(0s, {{"p", std::int64_t{230}}}),
              ElementsAre(R"(plant/m/p {"ts":1700000000000,"v":230,"q":"good","unit":"V"})",
                          R"(plant/m/p/alarm/high {"ts":1700000000000,"state":"normal","acknowledged":true,"v":230,)"
                          R"("unit":"V","priority":"critical","text":"Too \"high\""})"));
  EXPECT_THAT(p.poll(1s, {{"p", std::int64_t{251}}}),
              ElementsAre(R"(plant/m/p {"ts":1700000001000,"v":251,"q":"good","unit":"V"})",
                          R"(plant/m/p/alarm/high {"ts":1700000001000,"state":"active","acknowledged":false,"v":251,)"
                          R"("unit":"V","priority":"critical","text":"Too \"high\""})"));
  EXPECT_TRUE(p.published().back()->retain);
  EXPECT_EQ(p.published().back()->qos, mqtt::Qos::AtLeastOnce);
}

TEST(Alarm, ThatWasRaisedBeforeTheClockWasSetSaysSoUntilItChanges) {
  auto p = plant("{high: {above: 90}}", "type: int16, format: raw");
  bool set = false;
  p.check_clock([&](auto) { return set; });
  const auto alarm = [](Plant::Lines lines) { return lines.back().substr(lines.back().find(' ') + 1); };
  EXPECT_EQ(
      alarm(p.poll(0s, {{"p", 91.0}})),
      R"({"ts":1700000000000,"state":"active","acknowledged":false,"v":91,"priority":"medium","err":"clock-not-set"})");
  set = true;
  p.poll(1s, {{"p", 92.0}});
  EXPECT_EQ(
      p.acknowledge("hmi"),
      R"(plant/m/p/alarm/high {"ts":1700000000000,"state":"active","acknowledged":true,"v":92,"priority":"medium",)"
      R"("err":"clock-not-set","by":"hmi"})");
  EXPECT_EQ(alarm(p.poll(2s, {{"p", 1.0}})),
            R"({"ts":1700000002000,"state":"normal","acknowledged":true,"v":1,"priority":"medium","by":"hmi"})");
}

TEST(Alarm, StaysUntilTheValueIsBackByItsHysteresis) {
  auto p = plant("{high: {above: 90, hysteresis: 5}, low: {below: 10, hysteresis: 5}}");
  EXPECT_THAT(news(p, 50.0, 0s), ElementsAre("high normal", "low normal"));
  EXPECT_THAT(news(p, 90.0, 1s), IsEmpty());
  EXPECT_THAT(news(p, 90.1, 2s), ElementsAre("high active unacknowledged"));
  EXPECT_THAT(news(p, 85.1, 3s), IsEmpty());
  EXPECT_THAT(news(p, 85.0, 4s), ElementsAre("high normal unacknowledged"));
  EXPECT_THAT(news(p, 10.0, 5s), IsEmpty());
  EXPECT_THAT(news(p, 9.9, 6s), ElementsAre("low active unacknowledged"));
  EXPECT_THAT(news(p, 14.9, 7s), IsEmpty());
  EXPECT_THAT(news(p, 15.0, 8s), ElementsAre("low normal unacknowledged"));
}

TEST(Alarm, WaitsForItsDelayFromTheFirstValueBeyondTheLimit) {
  auto p = plant("{high: {above: 90, delay: 10s}}");
  news(p, 0.0, 0s);
  EXPECT_THAT(news(p, 91.0, 1s), IsEmpty());
  EXPECT_THAT(news(p, 91.0, 10999ms), IsEmpty());
  EXPECT_THAT(news(p, 89.0, 11s), IsEmpty()) << "the delay begins anew";
  EXPECT_THAT(news(p, 91.0, 12s), IsEmpty());
  EXPECT_THAT(news(p, 92.0, 22s), ElementsAre("high active unacknowledged"));
  EXPECT_THAT(news(p, 89.0, 23s), ElementsAre("high normal unacknowledged"));
}

TEST(Alarm, IsAcknowledgedOnceByWhoeverDoes) {
  auto p = plant("{high: {above: 90}}");
  news(p, 0.0, 0s);
  EXPECT_EQ(p.acknowledge("hmi"), "") << "there is nothing to take notice of";
  news(p, 95.0, 1s);
  EXPECT_EQ(p.acknowledge("hm\"i"), R"(plant/m/p/alarm/high {"ts":1700000001000,"state":"active","acknowledged":true,)"
                                    R"("v":95,"unit":"V","priority":"medium","by":"hm\"i"})");
  EXPECT_EQ(p.acknowledge("hmi"), "");
  EXPECT_THAT(news(p, 50.0, 2s), ElementsAre("high normal"));
  EXPECT_THAT(news(p, 95.0, 3s), ElementsAre("high active unacknowledged")) << "another time is another alarm";
}

TEST(Alarm, HoldsItsStateWhileThereIsNoValue) {
  auto p = plant("{high: {above: 90, delay: 5s}}");
  EXPECT_THAT(news(p.poll(0s, {{"p", {}, Failure::Timeout}})), IsEmpty()) << "nothing is known";
  news(p, 95.0, 1s);
  EXPECT_THAT(news(p.poll(7s, {{"p", {}, Failure::Timeout}})), IsEmpty());
  EXPECT_THAT(news(p, 95.0, 8s), ElementsAre("high active unacknowledged"));
  EXPECT_THAT(news(p.poll(9s, {{"p", {}, Failure::Timeout}})), IsEmpty());
  ASSERT_EQ(p.alarms().size(), 1u);
  EXPECT_TRUE(p.alarms()[0].active);
}

TEST(Alarm, WatchesStatesAndWords) {
  auto door = plant("{open: {is: true}}", "type: bool");
  EXPECT_THAT(news(door, false, 0s), ElementsAre("open normal"));
  EXPECT_THAT(news(door, true, 1s), ElementsAre("open active unacknowledged"));
  auto mode = plant("{fault: {is: fault}}", "enum: {0: ok, 7: fault}");
  EXPECT_THAT(news(mode, std::uint64_t{0}, 0s), ElementsAre("fault normal"));
  EXPECT_THAT(mode.poll(1s, {{"p", std::uint64_t{7}}}),
              ElementsAre(R"(plant/m/p {"ts":1700000001000,"v":"fault","q":"good"})",
                          R"(plant/m/p/alarm/fault {"ts":1700000001000,"state":"active","acknowledged":false,)"
                          R"("v":"fault","priority":"medium"})"));
}

TEST(Alarm, ComesFromCalculatedValuesAndWindowsAndDeviceMessagesToo) {
  auto calculated = plant("{high: {above: 10}}", "expression: value * 2");
  EXPECT_THAT(news(calculated, 6.0, 0s), ElementsAre("high active unacknowledged"));
  auto window = plant("{high: {above: 10}}", "window: {every: 1m}");
  EXPECT_THAT(news(window, 11.0, 0s), ElementsAre("high active unacknowledged"));
  auto device = plant("{high: {above: 10}}", "format: json-device");
  const auto lines = device.poll(0s, {{"p", 11.0}});
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[1].substr(0, lines[1].find(' ')), "plant/m/p/alarm/high");
}

TEST(Alarm, TellsWhatIsActiveOrNotAcknowledged) {
  auto p = plant("{high: {above: 90}, low: {below: 10}}");
  news(p, 50.0, 0s);
  EXPECT_THAT(p.alarms(), IsEmpty());
  news(p, 95.5, 1s);
  news(p, 50.0, 2s);
  ASSERT_EQ(p.alarms().size(), 1u);
  EXPECT_EQ(p.alarms()[0].rule->name, "high");
  EXPECT_EQ(p.alarms()[0].value, "50 V");
  EXPECT_FALSE(p.alarms()[0].active);
  p.acknowledge("hmi");
  EXPECT_THAT(p.alarms(), IsEmpty());
}

TEST(AlarmSettings, OfAPointOverrideThoseOfItsTemplateKeyByKey) {
  Plant p(R"(
templates:
  t: {points: {p: {register: holding, address: 0, alarms: {high: {above: 90, delay: 5s}, low: {below: 10}}}}}
devices:
  m: {bus: plc, unit_id: 1, template: t, points: {p: {alarms: {high: {below: 3}}}}}
)");
  EXPECT_THAT(news(p, 1.0, 0s), ElementsAre("high normal", "low active unacknowledged"));
  EXPECT_THAT(news(p, 1.0, 5s), ElementsAre("high active unacknowledged"));
}

TEST(AlarmSettings, MustMakeSense) {
  const auto wrong = [](const std::string& alarms, const std::string& keys = "") {
    return point_mistakes("{register: holding, address: 0, " + keys + "alarms: " + alarms + "}");
  };
  EXPECT_THAT(
      wrong("{a: {delay: 1s}}"),
      ElementsAre("devices.m.points.p.alarms.a: needs one of above, below and is (e.g. {above: 90, hysteresis: 2, "
                  "delay: 10s})"));
  EXPECT_THAT(wrong("{a: {above: 1, below: 2}}").size(), 1u);
  EXPECT_THAT(wrong("{a: {is: 1, hysteresis: 2}}"),
              ElementsAre("devices.m.points.p.alarms.a.hysteresis: belongs to above and below (remove it)"));
  EXPECT_THAT(wrong("{a: {is: on}}", "enum: {0: ok, 1: fault}, "),
              ElementsAre("devices.m.points.p.alarms.a.is: must be a word of the enum, is \"on\" (ok, fault)"));
  EXPECT_THAT(wrong("{a/b: {above: 1}}"),
              ElementsAre("devices.m.points.p.alarms: \"plant/m/p/alarm/a/b\" is not a valid topic to publish to (an "
                          "alarm's name is one topic level without + and #)"));
  EXPECT_THAT(wrong("{a: {above: 1, prioriti: high}}").size(), 1u);
  EXPECT_THAT(wrong("{a: {above: 1}}", "type: string, length: 4, "),
              ElementsAre("devices.m.points.p.alarms: an alarm watches a number or a state, and this is text"));
}

}  // namespace
}  // namespace ferrule::mapping

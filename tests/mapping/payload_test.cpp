#include "mapping/payload.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/mapping/plant.hpp"

namespace ferrule::mapping {
namespace {

using namespace std::chrono_literals;
using drivers::Failure;
using testing::ElementsAre;
using testing::IsEmpty;

using Lines = Plant::Lines;

/// A float of 23.4 °C in the format, then a time-out.
Lines temperature(const std::string& publish) {
  auto plant = Plant::with_points("{t: {register: input, address: 0, type: int16, scale: 0.1, unit: \"°C\"}}",
                                  "{" + publish + "}");
  auto lines = plant.registers(7ms, "t", {234});
  for (auto& line : plant.poll(1s, {{"t", {}, Failure::Timeout}})) lines.push_back(line);
  return lines;
}

TEST(Payload, JsonHasTimeValueQualityUnitAndCause) {
  EXPECT_THAT(temperature("format: json"),
              ElementsAre(R"(plant/m/t {"ts":1700000000007,"v":23.4,"q":"good","unit":"°C"})",
                          R"(plant/m/t {"ts":1700000000007,"v":23.4,"q":"bad","unit":"°C","err":"timeout"})"));
}

TEST(Payload, RawIsTheValueAloneAndNothingWhenItIsBad) {
  EXPECT_THAT(temperature("format: raw"), ElementsAre("plant/m/t 23.4", "plant/m/t "));
}

TEST(Payload, RawWritesEveryKindOfValue) {
  auto plant = Plant::with_points(
      "{u: {register: holding, address: 0, type: uint64}, b: {register: coil, address: 0}, "
      "s: {register: holding, address: 4, type: string, length: 4}, e: {register: holding, address: 9, enum: {1: "
      "auto}}}",
      "{format: raw}");
  EXPECT_THAT(plant.poll(0s, {{"u", std::numeric_limits<std::uint64_t>::max()},
                              {"b", true},
                              {"s", std::string("a\"b")},
                              {"e", std::uint64_t{1}}}),
              ElementsAre("plant/m/u 18446744073709551615", "plant/m/b true", "plant/m/s a\"b", "plant/m/e auto"));
}

TEST(Payload, InfluxIsLineProtocolAndABadPointHasTheTimeOfTheReading) {
  EXPECT_THAT(temperature("format: influx"),
              ElementsAre(R"(plant/m/t m,point=t,unit=°C value=23.4,quality="good" 1700000000007000000)",
                          R"(plant/m/t m,point=t,unit=°C quality="bad",error="timeout" 1700000001000000000)"));
}

TEST(Payload, InfluxMarksIntegersQuotesTextAndEscapesNames) {
  Plant plant(
      "devices: {\"m 1,a\": {bus: plc, unit_id: 1, format: influx, points: {i: {register: holding, address: 0, type: "
      "int16}, "
      "u: {register: holding, address: 1}, \"b=c\": {register: coil, address: 0}, "
      "s: {register: holding, address: 4, type: string, length: 4}, e: {register: holding, address: 9, enum: {1: "
      "auto}}}}}\n");
  EXPECT_THAT(
      plant.poll(0s, {{"i", std::int64_t{-5}},
                      {"u", std::numeric_limits<std::uint64_t>::max()},
                      {"b=c", false},
                      {"s", std::string("a\"b\\")},
                      {"e", std::uint64_t{7}}}),
      ElementsAre(
          R"(plant/m 1,a/i m\ 1\,a,point=i value=-5i,quality="good" 1700000000000000000)",
          R"(plant/m 1,a/u m\ 1\,a,point=u value=18446744073709551615u,quality="good" 1700000000000000000)",
          R"(plant/m 1,a/b=c m\ 1\,a,point=b\=c value=false,quality="good" 1700000000000000000)",
          R"(plant/m 1,a/s m\ 1\,a,point=s value="a\"b\\",quality="good" 1700000000000000000)",
          R"(plant/m 1,a/e m\ 1\,a,point=e value="7",quality="uncertain",error="unknown-code" 1700000000000000000)"));
}

TEST(Payload, ATextOfTheUsersOwnHasPlaceholdersAndPlainBraces) {
  EXPECT_THAT(temperature(R"(payload: '{"name":"{device}.{point}","value":{json},"time":"{time}","n":{}}')"),
              ElementsAre(R"(plant/m/t {"name":"m.t","value":23.4,"time":"2023-11-14T22:13:20.007Z","n":{}})",
                          R"(plant/m/t {"name":"m.t","value":23.4,"time":"2023-11-14T22:13:20.007Z","n":{}})"));
  EXPECT_THAT(
      temperature("payload: '{value} {unit} at {ts}: {quality} {error}'"),
      ElementsAre("plant/m/t 23.4 °C at 1700000000007: good ", "plant/m/t 23.4 °C at 1700000000007: bad timeout"));
}

TEST(Payload, TimesGoOnAfter2038) {
  auto plant = Plant::with_points("{t: {register: holding, address: 0}}", "{payload: '{ts} {time}'}");
  EXPECT_THAT(plant.poll(508'988'800s, {{"t", std::uint64_t{1}}}),
              ElementsAre("plant/m/t 2208988800000 2040-01-01T00:00:00.000Z"));
}

constexpr auto kThree =
    "{a: {register: input, address: 0, type: int16, scale: 0.1}, b: {register: input, address: 1, enum: {0: \"off\"}}, "
    "c: {register: input, address: 2}}";

TEST(Payload, JsonDeviceIsOneMessageForAPoll) {
  auto plant = Plant::with_points(kThree, "{format: json-device}");
  EXPECT_THAT(plant.poll(5ms, {{"a", 1.5}, {"b", std::uint64_t{0}}, {"c", std::uint64_t{3}}}),
              ElementsAre(R"(plant/m {"ts":1700000000005,"q":"good","v":{"a":1.5,"b":"off","c":3}})"));
  EXPECT_THAT(plant.poll(1s, {{"a", 1.5}, {"b", std::uint64_t{0}}, {"c", std::uint64_t{3}}}), IsEmpty());
  EXPECT_THAT(
      plant.poll(2s, {{"a", 1.5}, {"b", std::uint64_t{9}}, {"c", std::uint64_t{4}}}),
      ElementsAre(
          R"(plant/m {"ts":1700000002000,"q":"uncertain","v":{"a":1.5,"b":9,"c":4},"err":{"b":"unknown-code"}})"));
}

TEST(Payload, JsonDeviceNamesTheCauseOfEachPointWithoutAValue) {
  auto plant = Plant::with_points(kThree, "{format: json-device}");
  plant.poll(0s, {{"a", 1.5}, {"b", std::uint64_t{0}}, {"c", std::uint64_t{3}}});
  EXPECT_THAT(
      plant.poll(1s, {{"a", 1.5}, {"b", {}, Failure::PointRejected}, {"c", std::uint64_t{3}}}),
      ElementsAre(R"(plant/m {"ts":1700000001000,"q":"uncertain","v":{"a":1.5,"c":3},"err":{"b":"point-rejected"}})"));
  EXPECT_THAT(
      plant.poll(2s, {{"a", {}, Failure::Timeout}, {"b", {}, Failure::Timeout}, {"c", {}, Failure::Timeout}}),
      ElementsAre(
          R"(plant/m {"ts":1700000002000,"q":"bad","v":{},"err":{"a":"timeout","b":"timeout","c":"timeout"}})"));
}

TEST(Payload, ARetainedJsonDeviceHasAllThatWasReadOfTheDevice) {
  auto plant = Plant::with_points(
      "{a: {register: input, address: 0}, x: {register: input, address: 1, format: raw}, "
      "b: {register: input, address: 2, unit: V}, c: {register: holding, address: 0}}",
      "{format: json-device, retain: true}");
  EXPECT_THAT(plant.poll(0s, {{"b", std::uint64_t{2}}}),
              ElementsAre(R"(plant/m {"ts":1700000000000,"q":"good","v":{"b":2}})"));
  EXPECT_THAT(plant.poll(1s, {{"a", std::uint64_t{1}}, {"x", std::uint64_t{9}}}),
              ElementsAre("plant/m/x 9", R"(plant/m {"ts":1700000001000,"q":"good","v":{"a":1,"b":2}})"));
  EXPECT_THAT(plant.poll(2s, {{"c", {}, Failure::Timeout}}),
              ElementsAre(R"(plant/m {"ts":1700000002000,"q":"uncertain","v":{"a":1,"b":2},"err":{"c":"timeout"}})"));
}

TEST(Payload, OneThatIsNotRetainedHasTheAnswerOnly) {
  auto plant = Plant::with_points("{a: {register: input, address: 0}, b: {register: holding, address: 2}}",
                                  "{format: json-device, retain: false}");
  plant.poll(0s, {{"a", std::uint64_t{1}}});
  EXPECT_THAT(plant.poll(1s, {{"b", std::uint64_t{2}}}),
              ElementsAre(R"(plant/m {"ts":1700000001000,"q":"good","v":{"b":2}})"));
}

TEST(Payload, SparkplugHasTheMetricsOfADeviceThatAreDue) {
  auto plant = Plant::with_points(
      "{f: {register: input, address: 0, type: float32}, i: {register: input, address: 2, type: int16}, "
      "u: {register: input, address: 3}, b: {register: coil, address: 0}, "
      "s: {register: input, address: 4, type: string, length: 4}, e: {register: input, address: 9, enum: {1: auto}}}",
      "{format: sparkplug}");
  auto lines = plant.poll(5ms, {{"f", 1.5},
                                {"i", std::int64_t{-5}},
                                {"u", std::uint64_t{5}},
                                {"b", true},
                                {"s", std::string("x")},
                                {"e", std::uint64_t{1}}});
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(sparkplug_text(lines[0]),
            "plant/m 1700000000005; f 1700000000005 10 1.5; i 1700000000005 4 18446744073709551611; "
            "u 1700000000005 8 5; b 1700000000005 11 true; s 1700000000005 12 x; e 1700000000005 12 auto");
  EXPECT_FALSE(plant.published().front()->retain);
  lines = plant.poll(1s, {{"f", 1.5}, {"i", std::int64_t{-6}}, {"u", std::uint64_t{5}}});
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(sparkplug_text(lines[0]), "plant/m 1700000001000; i 1700000001000 4 18446744073709551610");
  EXPECT_THAT(plant.poll(2s, {{"f", 1.5}, {"i", std::int64_t{-6}}}), IsEmpty());
}

TEST(Payload, SparkplugHasScaledValuesAsTheyAreShownElsewhere) {
  auto plant = Plant::with_points("{t: {register: input, address: 0, type: int16, scale: 0.1}}", "{format: sparkplug}");
  EXPECT_EQ(sparkplug_text(plant.registers(0s, "t", {234}).at(0)), "plant/m 1700000000000; t 1700000000000 10 23.4");
}

TEST(Payload, SparkplugHasTheQualityAndTheCauseOfWhatIsNotGood) {
  auto plant =
      Plant::with_points("{a: {register: input, address: 0}, b: {register: input, address: 1, enum: {0: \"off\"}}}",
                         "{format: sparkplug}");
  plant.poll(0s, {{"a", std::uint64_t{7}}});
  EXPECT_EQ(sparkplug_text(plant.poll(1s, {{"a", {}, Failure::Timeout}, {"b", {}, Failure::PointRejected}}).at(0)),
            "plant/m 1700000001000; a 1700000000000 8 7 500 timeout; b 1700000001000 0 null 0 point-rejected");
  EXPECT_EQ(sparkplug_text(plant.poll(2s, {{"b", std::uint64_t{4}}}).at(0)),
            "plant/m 1700000002000; b 1700000002000 12 4 0 unknown-code");
}

TEST(Payload, PointsOfADeviceMayHaveMessagesOfTheirOwnBesideIt) {
  auto plant = Plant::with_points("{a: {register: input, address: 0}, b: {register: input, address: 1, format: raw}}",
                                  "{format: json-device}");
  EXPECT_THAT(plant.poll(0s, {{"a", std::uint64_t{1}}, {"b", std::uint64_t{2}}}),
              ElementsAre("plant/m/b 2", R"(plant/m {"ts":1700000000000,"q":"good","v":{"a":1}})"));
}

TEST(Payload, ValuesReadBeforeTheClockIsSetAreUncertain) {
  bool set = false;
  auto plant = Plant::with_points("{t: {register: input, address: 0}}");
  plant.check_clock([&](auto) { return set; });
  EXPECT_THAT(plant.poll(0s, {{"t", std::uint64_t{1}}}),
              ElementsAre(R"(plant/m/t {"ts":1700000000000,"v":1,"q":"uncertain","err":"clock-not-set"})"));
  set = true;
  EXPECT_THAT(plant.poll(1s, {{"t", std::uint64_t{1}}}),
              ElementsAre(R"(plant/m/t {"ts":1700000001000,"v":1,"q":"good"})"));
  set = false;
  EXPECT_THAT(plant.poll(2s, {{"t", std::uint64_t{1}}}), IsEmpty()) << "a clock that was right once is kept right";
}

/// What each format says of a value that was read before the clock was set, and of the next.
Lines before_and_after(const std::string& publish, const std::string& keys = "") {
  bool set = false;
  auto plant = Plant::with_points("{t: {register: input, address: 0" + keys + "}}", "{" + publish + "}");
  plant.check_clock([&](auto) { return set; });
  auto lines = plant.poll(0s, {{"t", std::uint64_t{7}}});
  set = true;
  for (auto& line : plant.poll(1s, {{"t", std::uint64_t{7}}})) lines.push_back(line);
  return lines;
}

TEST(Payload, EveryFormatWithRoomForItSaysThatTheClockWasNotSet) {
  EXPECT_THAT(before_and_after("format: json-device"),
              ElementsAre(R"(plant/m {"ts":1700000000000,"q":"uncertain","v":{"t":7},"err":{"t":"clock-not-set"}})",
                          R"(plant/m {"ts":1700000001000,"q":"good","v":{"t":7}})"));
  EXPECT_THAT(
      before_and_after("format: influx"),
      ElementsAre(R"(plant/m/t m,point=t value=7i,quality="uncertain",error="clock-not-set" 1700000000000000000)",
                  R"(plant/m/t m,point=t value=7i,quality="good" 1700000001000000000)"));
  EXPECT_THAT(before_and_after("payload: '{value} {quality} {error}'"),
              ElementsAre("plant/m/t 7 uncertain clock-not-set", "plant/m/t 7 good "));
  const auto metrics = before_and_after("format: sparkplug");
  ASSERT_EQ(metrics.size(), 2U);
  EXPECT_EQ(sparkplug_text(metrics[0]), "plant/m 1700000000000; t 1700000000000 8 7 0 clock-not-set");
  EXPECT_EQ(sparkplug_text(metrics[1]), "plant/m 1700000001000; t 1700000001000 8 7");
}

TEST(Payload, AWrongTimeIsSaidBeforeAnythingElseOfAValue) {
  EXPECT_THAT(before_and_after("format: json", ", clamp: {max: 5}"),
              ElementsAre(R"(plant/m/t {"ts":1700000000000,"v":5,"q":"uncertain","err":"clock-not-set"})",
                          R"(plant/m/t {"ts":1700000001000,"v":5,"q":"uncertain","err":"clamped"})"));
}

TEST(Payload, MistakesSayWhatIsWrong) {
  const auto of = [](const std::string& keys) {
    return point_mistakes("{register: holding, address: 0, " + keys + "}");
  };
  EXPECT_THAT(of("format: xml"), ElementsAre("devices.m.points.p.format: must be one of json, raw, json-device, "
                                             "influx, sparkplug, wirenboard; is \"xml\""));
  EXPECT_THAT(of("format: raw, payload: x"),
              ElementsAre("devices.m.points.p.payload: is a format of its own (remove the other)"));
  EXPECT_THAT(
      of("payload: \"{valeu}\""),
      ElementsAre("devices.m.points.p.payload: unknown placeholder \"{valeu}\" (placeholders are {value} {json} "
                  "{quality} {error} {unit} {ts} {time} {device} {point})"));
}

}  // namespace
}  // namespace ferrule::mapping

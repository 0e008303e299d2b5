#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/mapping/plant.hpp"

namespace ferrule::mapping {
namespace {

using namespace std::chrono_literals;
using drivers::Failure;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using Lines = Plant::Lines;

std::string good(const std::string& value) {
  return "plant/m/p {\"ts\":1700000000000,\"v\":" + value + ",\"q\":\"good\"}";
}

/// What a point of one register publishes first.
Lines first(const std::string& keys, std::uint16_t raw) {
  auto plant = Plant::with_points("{p: {register: holding, address: 0, " + keys + "}}");
  return plant.registers(0s, "p", {raw});
}

TEST(Conversion, ScalesThenCalculatesThenRounds) {
  EXPECT_EQ(first("type: int16, scale: 0.1", 234), Lines{good("23.4")});
  EXPECT_EQ(first("type: int16, scale: 0.1, offset: -40", 234), Lines{good("-16.6")});
  EXPECT_EQ(first("type: int16, scale: 0.1, expression: value * 9 / 5 + 32", 234), Lines{good("74.12")});
  EXPECT_EQ(first("type: int16, scale: 0.1, expression: value * 9 / 5 + 32, round: 0.5", 234), Lines{good("74")});
  EXPECT_EQ(first("type: uint16, round: 100", 1250), Lines{good("1300")});
  EXPECT_EQ(first("type: int16, scale: 0.01, round: 0.1", 31), Lines{good("0.3")});
}

TEST(Conversion, WhatLiesBeyondTheLimitsIsShownAtTheLimitAsUncertain) {
  EXPECT_EQ(first("type: int16, clamp: {min: 0}", 0xFFFF),
            Lines{R"(plant/m/p {"ts":1700000000000,"v":0,"q":"uncertain","err":"clamped"})"});
  EXPECT_EQ(first("type: int16, scale: 0.1, clamp: {min: 0, max: 10.5}", 999),
            Lines{R"(plant/m/p {"ts":1700000000000,"v":10.5,"q":"uncertain","err":"clamped"})"});
  EXPECT_EQ(first("type: int16, clamp: {min: 0, max: 10}", 10), Lines{good("10")});
}

TEST(Conversion, IntegersWithinTheLimitsStayExact) {
  auto plant = Plant::with_points("{p: {register: holding, address: 0, type: uint64, clamp: {min: 0}}}");
  EXPECT_EQ(plant.registers(0s, "p", {0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF}), Lines{good("18446744073709551615")});
}

TEST(Conversion, AnEnumPublishesTheWordOfANumber) {
  const auto keys = R"(enum: {0: "off", 1: auto, -1: "say \"no\""}, type: int16)";
  EXPECT_EQ(first(keys, 1), Lines{good(R"("auto")")});
  EXPECT_EQ(first(keys, 0xFFFF), Lines{good(R"("say \"no\"")")});
}

TEST(Conversion, ANumberWithoutAWordIsShownItselfAsUncertain) {
  EXPECT_EQ(first(R"(enum: {0: "off"})", 7),
            Lines{R"(plant/m/p {"ts":1700000000000,"v":7,"q":"uncertain","err":"unknown-code"})"});
}

TEST(Conversion, ABitMayHaveWords) {
  auto plant = Plant::with_points("{p: {register: coil, address: 0, enum: {0: closed, 1: open}}}");
  EXPECT_EQ(plant.poll(0s, {{"p", true}}), Lines{good(R"("open")")});
}

TEST(Conversion, NamedBitsTakeNothingOfWhatTheirRegisterHas) {
  auto plant = Plant::with_points("{p: {register: holding, address: 0, bits: {3: alarm}, expression: value + 1}}");
  EXPECT_THAT(plant.poll(0s, {{"p", std::uint64_t{8}}, {"alarm", true}}),
              ElementsAre(good("9"), R"(plant/m/alarm {"ts":1700000000000,"v":true,"q":"good"})"));
}

constexpr auto kCalculated =
    "{power: {register: input, address: 4, expression: value * voltage * current / 1000}, "
    "voltage: {register: input, address: 0, type: float32}, current: {register: input, address: 2, type: float32}}";

std::string power_of(const Lines& lines) {
  for (const auto& line : lines) {
    if (line.starts_with("plant/m/power ")) return line.substr(14);
  }
  return "";
}

TEST(Expression, UsesTheOtherPointsOfTheSamePollWhateverTheirOrder) {
  auto plant = Plant::with_points(kCalculated);
  EXPECT_EQ(power_of(plant.poll(0s, {{"power", std::uint64_t{1}}, {"voltage", 230.0}, {"current", 10.0}})),
            R"({"ts":1700000000000,"v":2.3,"q":"good"})");
}

TEST(Expression, HasNoValueBeforeItsInputsWereRead) {
  auto plant = Plant::with_points(kCalculated);
  EXPECT_EQ(power_of(plant.poll(0s, {{"power", std::uint64_t{1}}, {"voltage", 230.0}})),
            R"({"ts":1700000000000,"v":null,"q":"bad","err":"invalid"})");
}

TEST(Expression, IsNoBetterThanItsInputs) {
  auto plant = Plant::with_points(
      "{sum: {register: input, address: 0, expression: value + level + mode, clamp: {max: 100}}, "
      "level: {register: input, address: 1, clamp: {max: 50}}, mode: {register: input, address: 2, enum: {0: a, 1: "
      "b}}}");
  const auto sum = [&](std::chrono::seconds at, std::uint64_t value, std::uint64_t level, std::uint64_t mode) {
    const auto lines = plant.poll(at, {{"sum", value}, {"level", level}, {"mode", mode}});
    return lines.front();
  };
  const std::string head = R"(plant/m/sum {"ts":17000000)";
  EXPECT_EQ(sum(0s, 1, 2, 0), head + R"(00000,"v":3,"q":"good"})");
  EXPECT_EQ(sum(1s, 1, 51, 0), head + R"(01000,"v":51,"q":"uncertain","err":"clamped"})");
  EXPECT_EQ(sum(2s, 1, 2, 7), head + R"(02000,"v":10,"q":"uncertain","err":"unknown-code"})");
  EXPECT_EQ(sum(3s, 1, 51, 7), head + R"(03000,"v":58,"q":"uncertain","err":"clamped"})") << "the first's";
  EXPECT_EQ(sum(4s, 98, 2, 7), head + R"(04000,"v":100,"q":"uncertain","err":"clamped"})") << "its own comes last";
  EXPECT_EQ(sum(5s, 1, 2, 1), head + R"(05000,"v":4,"q":"good"})");
  const auto lines =
      plant.poll(6s, {{"sum", std::uint64_t{1}}, {"level", std::uint64_t{51}}, {"mode", {}, Failure::Timeout}});
  EXPECT_EQ(lines.front(), head + R"(05000,"v":4,"q":"bad","err":"timeout"})") << "a bad one before an uncertain one";
}

TEST(Expression, IsBadForTheCauseOfItsInput) {
  auto plant = Plant::with_points(kCalculated);
  plant.poll(0s, {{"power", std::uint64_t{1}}, {"voltage", 230.0}, {"current", 10.0}});
  EXPECT_EQ(
      power_of(plant.poll(1s, {{"power", std::uint64_t{1}}, {"voltage", 230.0}, {"current", {}, Failure::Timeout}})),
      R"({"ts":1700000000000,"v":2.3,"q":"bad","err":"timeout"})");
}

TEST(Expression, AResultThatIsNoNumberIsBad) {
  auto plant = Plant::with_points("{p: {register: holding, address: 0, expression: 1 / (value - 1)}}");
  EXPECT_EQ(plant.poll(0s, {{"p", std::uint64_t{2}}}), Lines{good("1")});
  EXPECT_EQ(plant.poll(1s, {{"p", std::uint64_t{1}}}),
            Lines{R"(plant/m/p {"ts":1700000000000,"v":1,"q":"bad","err":"invalid"})"});
}

TEST(Expression, DecidesAndCompares) {
  EXPECT_EQ(first("expression: 'value > 10 ? 1 : 0'", 11), Lines{good("1")});
  EXPECT_EQ(first("expression: 'max(value, 5) == 5 && value < 3'", 2), Lines{good("1")});
}

TEST(Expression, MistakesSayWhatIsWrong) {
  const auto of = [](const std::string& expression) {
    return point_mistakes("{register: holding, address: 0, expression: '" + expression + "'}");
  };
  const std::string at = "devices.m.points.p.expression: ";
  EXPECT_THAT(of("value = 1"), ElementsAre(at + "assigns with = where == compares"));
  EXPECT_THAT(of("value, 1"), ElementsAre(at + "has several results, separated by commas"));
  EXPECT_THAT(of("value * ambient"),
              ElementsAre(at + "device m has no point \"ambient\" (the point's own value is \"value\")"));
  EXPECT_THAT(of("\"a\""), ElementsAre(at + "has text in it: expressions are about numbers"));
  EXPECT_THAT(of("value * (2"), ElementsAre(HasSubstr("parenthesis")));
  EXPECT_THAT(of("frobnicate(value)"), ElementsAre(HasSubstr("Unexpected parenthesis")));
  EXPECT_THAT(of("other + value >= 3 || value != 2"), IsEmpty());
}

TEST(Expression, AnInputMayNotBeCalculatedItself) {
  EXPECT_THAT(
      mistakes("devices: {m: {bus: plc, unit_id: 1, points: {a: {register: input, address: 0, expression: value + 1}, "
               "b: {register: input, address: 1, expression: a * 2}}}}\n"),
      ElementsAre("1:148 devices.m.points.b.expression: uses a, which is calculated itself (use what that one is "
                  "calculated from)"));
}

TEST(Conversion, MistakesSayWhatIsWrong) {
  const auto of = [](const std::string& keys) {
    return point_mistakes("{register: holding, address: 0, " + keys + "}");
  };
  EXPECT_THAT(of("clamp: {}"), ElementsAre("devices.m.points.p.clamp: needs a min, a max or both"));
  EXPECT_THAT(of("clamp: {min: 5, max: 4}"), ElementsAre("devices.m.points.p.clamp.max: must be at least 5, is 4"));
  EXPECT_THAT(of("round: 0"),
              ElementsAre("devices.m.points.p.round: must be more than 0 (round: 0.1 is to one decimal)"));
  EXPECT_THAT(of("enum: {one: x}"), ElementsAre("devices.m.points.p.enum.one: an enum is numbers and their words, "
                                                "\"one\" is no number (e.g. {0: off, 1: on})"));
  EXPECT_THAT(of("enum: {1: x}, round: 2"),
              ElementsAre("devices.m.points.p.enum: a value with words is neither clamped nor rounded"));
  EXPECT_THAT(of("type: string, length: 4, round: 2"), ElementsAre("devices.m.points.p.round: a string has none"));
  EXPECT_THAT(of("deadband: 200%"), ElementsAre("devices.m.points.p.deadband: must be a number or a percentage from 0% "
                                                "to 100%, is \"200%\" (e.g. 0.5 or 2%)"));
}

}  // namespace
}  // namespace ferrule::mapping

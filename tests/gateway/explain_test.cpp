// The whole way of one point, as far as it needs no process: what its payload would be.
#include "gateway/explain.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/settings.hpp"

namespace ferrule::gateway {
namespace {

constexpr auto kTcp = "{type: modbus-tcp, host: h}";

/// Of a point of holding register 1 with those keys.
std::string of_point(const std::string& keys, const std::string& publish = "{}", const std::string& bus = kTcp) {
  const auto settings = parse_settings(
      "version: 1\n"
      "gateway: {id: g}\n"
      "publish: " +
          publish + "\nbuses: {plc: " + bus +
          "}\n"
          "devices: {m: {bus: plc, unit_id: 17, points: {p: {register: holding, address: 1" +
          keys + "}, q: {register: coil, address: 7}}}}\n",
      "plant.yaml");
  return explanation(settings, "m/p");
}

std::string payload_line(const std::string& keys, const std::string& publish = "{}") {
  const auto text = of_point(keys, publish);
  const auto begin = text.find("payload    ");
  return text.substr(begin + 11, text.find('\n', begin) - begin - 11);
}

TEST(ExplanationTest, HasALineForEachStep) {
  EXPECT_EQ(
      of_point(", type: int32, byte_order: CDAB, scale: 0.1, offset: -40, invalid: [-1], expression: value * 2 + q, "
               "round: 0.5, clamp: {min: 0, max: 99}, unit: kW, min_interval: 2s, write: true"),
      "bus        plc: h:502\n"
      "request    every 1 s: unit 17, function 3, 2 holding registers from 1\n"
      "           00 01 00 00 00 06 11 03 00 01 00 02\n"
      "decode     register 0 to 1 of the answer\n"
      "           int32, CDAB, times 0.1, plus -40, 0xFFFFFFFF means none\n"
      "           00 2A 00 00 is -35.8\n"
      "calculate  value * 2 + q\n"
      "round      to 0.5\n"
      "limit      not below 0\n"
      "           not above 99\n"
      "unit       kW\n"
      "publish    when quality changes, or the value, at most every 2 s; again after 5 min\n"
      "           as json, QoS 1, retained\n"
      "payload    of -35.8: {\"ts\":1700000000000,\"v\":0,\"q\":\"uncertain\",\"unit\":\"kW\",\"err\":\"clamped\"}\n"
      "topic      g/m/p\n"
      "commands   g/m/p/set, by function 16\n");
  EXPECT_THAT(of_point(", scale_factor: 3, byte_order: BADC"),
              testing::HasSubstr("uint16, BADC, times ten to the power of register 3\n"
                                 "           2A 00 00 00 00 00 is 42\n"));
  EXPECT_THAT(of_point(", type: bcd16, enum: {10: \"off\", 11: auto}"),
              testing::HasSubstr("bcd16\n"
                                 "           00 10 is 10\n"
                                 "name       10 is \"off\"\n"
                                 "           11 is \"auto\"\n"));
}

TEST(ExplanationTest, ShowsTheRequestAsItGoesOverTheWire) {
  EXPECT_THAT(of_point("", "{}", "{type: modbus-rtu, port: /dev/ttyS0, line: {baud: 9600}}"),
              testing::HasSubstr("\n           11 03 00 01 00 01 D7 5A\n"));
  EXPECT_THAT(of_point("", "{}", "{type: modbus-ascii, port: /dev/ttyS0, line: {baud: 9600}}"),
              testing::HasSubstr("\n           :110300010001EA CR LF\n"));
}

TEST(ExplanationTest, ShowsThePayloadOfAnExample) {
  const std::string head = R"({"ts":1700000000000,)";
  EXPECT_EQ(payload_line(""), "of 42: " + head + R"("v":42,"q":"good"})");
  EXPECT_EQ(payload_line(", scale: 0.1, unit: kW"), "of 4.2: " + head + R"("v":4.2,"q":"good","unit":"kW"})");
  EXPECT_EQ(payload_line(", enum: {3: off, 4: on}"), "of 3: " + head + R"("v":"off","q":"good"})");
  EXPECT_EQ(payload_line(", type: string, length: 8"), "of \"text\": " + head + R"("v":"text","q":"good"})");
  EXPECT_EQ(payload_line(", bit: 3, bit_count: 3"), "of 1: " + head + R"("v":1,"q":"good"})");
  EXPECT_EQ(payload_line(", clamp: {max: 10}"), "of 42: " + head + R"("v":10,"q":"uncertain","err":"clamped"})");
  EXPECT_EQ(payload_line(", expression: value + q"), "of 42: " + head + R"("v":43,"q":"good"})");
}

TEST(ExplanationTest, ShowsItInEveryFormat) {
  EXPECT_EQ(payload_line("", "{format: raw}"), "of 42: 42");
  EXPECT_EQ(payload_line("", "{format: influx}"), R"(of 42: m,point=p value=42i,quality="good" 1700000000000000000)");
  EXPECT_EQ(payload_line("", "{format: json-device}"), R"(of 42: {"ts":1700000000000,"q":"good","v":{"p":42}})");
  EXPECT_EQ(payload_line("", "{payload: \"{device} {point} {value}\"}"), "of 42: m p 42");
  EXPECT_EQ(payload_line("", "{window: {every: 1m, values: [mean, count]}}"),
            R"(of 42: {"ts":1700000040000,"from":1699999980000,"mean":42,"count":1,"q":"good"})");
  EXPECT_EQ(payload_line("", "{format: wirenboard}"), "of 42: 42");
  EXPECT_THAT(payload_line("", "{format: sparkplug}"),
              testing::AllOf(testing::StartsWith("of 42: "), testing::HasSubstr(" bytes: 08 80 D0 95 FF BC 31 12 ")));
}

}  // namespace
}  // namespace ferrule::gateway

// Golden tables: YAML text and the bytes of a device in, published bytes out, for every type in every byte order and
// format, for every format in every quality, and for every rule of publishing.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <sstream>

#include "tests/mapping/plant.hpp"

namespace ferrule::mapping {
namespace {

using namespace std::chrono_literals;
using drivers::Failure;

using Lines = Plant::Lines;

/// "01 02 03 04" as registers, which come with their high byte first.
std::vector<std::uint16_t> registers_of(std::string_view bytes) {
  std::vector<std::uint16_t> registers;
  for (std::size_t at = 0; at + 4 < bytes.size(); at += 6) {
    const auto word = std::string{bytes[at], bytes[at + 1], bytes[at + 3], bytes[at + 4]};
    registers.push_back(static_cast<std::uint16_t>(std::stoul(word, nullptr, 16)));
  }
  return registers;
}

// Types

struct TypeRow {
  std::string keys;                      ///< of a point at address 0
  std::array<std::string_view, 4> wire;  ///< its bytes in the orders ABCD, BADC, CDAB, DCBA
  std::string json;
  std::string influx;
  std::string metric;  ///< Sparkplug's datatype and value
};

const std::array kOrders{"ABCD", "BADC", "CDAB", "DCBA"};

// clang-format off
const TypeRow kTypes[]{
    {"type: bool",                       {"00 00", "00 00", "00 00", "00 00"}, "false", "false", "11 false"},
    {"type: bool",                       {"00 01", "01 00", "00 01", "01 00"}, "true", "true", "11 true"},
    {"bit: 9",                           {"02 00", "00 02", "02 00", "00 02"}, "true", "true", "11 true"},
    {"bit: 4, bit_count: 3",             {"00 50", "50 00", "00 50", "50 00"}, "5", "5i", "8 5"},
    {"type: int16, bit: 4, bit_count: 3", {"00 50", "50 00", "00 50", "50 00"}, "-3", "-3i", "4 18446744073709551613"},
    {"type: int8",                       {"7F FE", "FE 7F", "7F FE", "FE 7F"}, "-2", "-2i", "4 18446744073709551614"},
    {"type: int8, byte: high",           {"7F FE", "FE 7F", "7F FE", "FE 7F"}, "127", "127i", "4 127"},
    {"type: uint8",                      {"7F FE", "FE 7F", "7F FE", "FE 7F"}, "254", "254i", "8 254"},
    {"type: uint8, byte: high",          {"FE 7F", "7F FE", "FE 7F", "7F FE"}, "254", "254i", "8 254"},
    {"type: int16",                      {"80 01", "01 80", "80 01", "01 80"}, "-32767", "-32767i", "4 18446744073709518849"},
    {"type: uint16",                     {"80 01", "01 80", "80 01", "01 80"}, "32769", "32769i", "8 32769"},
    {"type: int32",                      {"FE DC BA 98", "DC FE 98 BA", "BA 98 FE DC", "98 BA DC FE"}, "-19088744", "-19088744i", "4 18446744073690462872"},
    {"type: uint32",                     {"FE DC BA 98", "DC FE 98 BA", "BA 98 FE DC", "98 BA DC FE"}, "4275878552", "4275878552i", "8 4275878552"},
    {"type: int64",                      {"FE DC BA 98 76 54 32 10", "DC FE 98 BA 54 76 10 32", "32 10 76 54 BA 98 FE DC", "10 32 54 76 98 BA DC FE"}, "-81985529216486896", "-81985529216486896i", "4 18364758544493064720"},
    {"type: uint64",                     {"FE DC BA 98 76 54 32 10", "DC FE 98 BA 54 76 10 32", "32 10 76 54 BA 98 FE DC", "10 32 54 76 98 BA DC FE"}, "18364758544493064720", "18364758544493064720u", "8 18364758544493064720"},
    {"type: float16",                    {"C5 80", "80 C5", "C5 80", "80 C5"}, "-5.5", "-5.5", "10 -5.5"},
    {"type: float32",                    {"43 66 19 9A", "66 43 9A 19", "19 9A 43 66", "9A 19 66 43"}, "230.1", "230.1", "10 230.1"},
    {"type: float64",                    {"C0 5E DD 2F 1A 9F BE 77", "5E C0 2F DD 9F 1A 77 BE", "BE 77 1A 9F DD 2F C0 5E", "77 BE 9F 1A 2F DD 5E C0"}, "-123.456", "-123.456", "10 -123.456"},
    {"type: bcd16",                      {"12 34", "34 12", "12 34", "34 12"}, "1234", "1234i", "8 1234"},
    {"type: bcd32",                      {"12 34 56 78", "34 12 78 56", "56 78 12 34", "78 56 34 12"}, "12345678", "12345678i", "8 12345678"},
    // Of text the order within a register counts, and nothing else.
    {"type: string, length: 4",          {"46 C2 B0 43", "C2 46 43 B0", "46 C2 B0 43", "C2 46 43 B0"}, "\"F°C\"", "\"F°C\"", "12 F°C"},
    {"type: string, length: 4",          {"20 22 B0 00", "22 20 00 B0", "20 22 B0 00", "22 20 00 B0"}, R"(" \"°")", R"(" \"°")", "12  \"°"},
    {"type: string, length: 2, characters_per_register: 1", {"00 41 00 42", "41 00 42 00", "00 41 00 42", "41 00 42 00"}, "\"AB\"", "\"AB\"", "12 AB"},
    // A scale factor is a register of its own: here of -1.
    {"type: int16, scale_factor: 1",     {"09 25 FF FF", "25 09 FF FF", "09 25 FF FF", "25 09 FF FF"}, "234.1", "234.1", "10 234.1"},
    {"type: int16, scale: 0.1, offset: -40", {"00 EA", "EA 00", "00 EA", "EA 00"}, "-16.6", "-16.6", "10 -16.6"},
    {"type: uint64, scale: 0.001",       {"00 00 00 00 00 BC 61 4F", "00 00 00 00 BC 00 4F 61", "61 4F 00 BC 00 00 00 00", "4F 61 BC 00 00 00 00 00"}, "12345.679", "12345.679", "10 12345.679"},
    {"type: float32, scale: 0.1",        {"43 66 19 9A", "66 43 9A 19", "19 9A 43 66", "9A 19 66 43"}, "23.01", "23.01", "10 23.01"},
    {"type: bcd16, scale: 0.01",         {"12 34", "34 12", "12 34", "34 12"}, "12.34", "12.34", "10 12.34"},
    {"type: int16, expression: value * 9 / 5 + 32", {"00 EA", "EA 00", "00 EA", "EA 00"}, "453.2", "453.2", "10 453.2"},
    {"type: uint16, round: 100",         {"04 E2", "E2 04", "04 E2", "E2 04"}, "1300", "1300", "10 1300"},
    {"type: int16, enum: {-2: \"off\", 3: auto}", {"FF FE", "FE FF", "FF FE", "FE FF"}, "\"off\"", "\"off\"", "12 off"},
};
// clang-format on

/// The value as text: without JSON's quotes.
std::string raw_text(const TypeRow& row) {
  if (row.json.front() != '"') return row.json;
  return row.metric.substr(row.metric.find(' ') + 1);
}

std::string published(const TypeRow& row, std::size_t order, const std::string& publish) {
  auto plant = Plant::with_points(
      fmt::format("{{p: {{register: holding, address: 0, {}, byte_order: {}}}}}", row.keys, kOrders[order]), publish);
  return plant.registers(0s, "p", registers_of(row.wire[order])).front();
}

TEST(Golden, EveryTypeInEveryByteOrderAndFormat) {
  for (const auto& row : kTypes) {
    for (std::size_t order = 0; order < kOrders.size(); ++order) {
      SCOPED_TRACE(fmt::format("{}, {}: {}", row.keys, kOrders[order], row.wire[order]));
      const auto raw = raw_text(row);
      const auto control = raw == "true" ? "1" : raw == "false" ? "0" : raw;
      EXPECT_EQ(published(row, order, "{format: raw}"), "plant/m/p " + raw);
      EXPECT_EQ(published(row, order, "{format: json}"),
                "plant/m/p {\"ts\":1700000000000,\"v\":" + row.json + ",\"q\":\"good\"}");
      EXPECT_EQ(published(row, order, "{format: json-device}"),
                "plant/m {\"ts\":1700000000000,\"q\":\"good\",\"v\":{\"p\":" + row.json + "}}");
      EXPECT_EQ(published(row, order, "{format: influx}"),
                "plant/m/p m,point=p value=" + row.influx + ",quality=\"good\" 1700000000000000000");
      EXPECT_EQ(published(row, order, "{payload: '{value} {json}'}"), "plant/m/p " + raw + ' ' + row.json);
      EXPECT_EQ(published(row, order, "{format: wirenboard}"), "/devices/m/controls/p " + control);
      EXPECT_EQ(sparkplug_text(published(row, order, "{format: sparkplug}")),
                "plant/m 1700000000000; p 1700000000000 " + row.metric);
    }
  }
}

TEST(Golden, BitsOfTheirOwnTables) {
  for (const std::string table : {"coil", "discrete"}) {
    for (const bool on : {false, true}) {
      auto plant = Plant::with_points("{p: {register: " + table + ", address: 0}}", "{format: raw}");
      EXPECT_EQ(plant.registers(0s, "p", {static_cast<std::uint16_t>(on)}),
                Lines{on ? "plant/m/p true" : "plant/m/p false"});
    }
  }
}

// Formats: of a point before its first value, with one, with one beyond its limit, and without an answer

struct FormatRow {
  std::string publish;
  Lines lines;
};

// clang-format off
const FormatRow kFormats[]{
    {"format: json",
     {R"(plant/m/t {"ts":1700000000000,"v":null,"q":"bad","unit":"°C","err":"timeout"})",
      R"(plant/m/t {"ts":1700000001000,"v":23.4,"q":"good","unit":"°C"})",
      R"(plant/m/t {"ts":1700000002000,"v":30,"q":"uncertain","unit":"°C","err":"clamped"})",
      R"(plant/m/t {"ts":1700000002000,"v":30,"q":"bad","unit":"°C","err":"timeout"})"}},
    {"format: raw",
     {"plant/m/t ",
      "plant/m/t 23.4",
      "plant/m/t 30",
      "plant/m/t "}},
    {"format: json-device",
     {R"(plant/m {"ts":1700000000000,"q":"bad","v":{},"err":{"t":"timeout"}})",
      R"(plant/m {"ts":1700000001000,"q":"good","v":{"t":23.4}})",
      R"(plant/m {"ts":1700000002000,"q":"uncertain","v":{"t":30},"err":{"t":"clamped"}})",
      R"(plant/m {"ts":1700000003000,"q":"bad","v":{},"err":{"t":"timeout"}})"}},
    {"format: influx",
     {R"(plant/m/t m,point=t,unit=°C quality="bad",error="timeout" 1700000000000000000)",
      R"(plant/m/t m,point=t,unit=°C value=23.4,quality="good" 1700000001000000000)",
      R"(plant/m/t m,point=t,unit=°C value=30,quality="uncertain",error="clamped" 1700000002000000000)",
      R"(plant/m/t m,point=t,unit=°C quality="bad",error="timeout" 1700000003000000000)"}},
    {"payload: '{device}/{point} {value}, {json} {unit} {quality} {error} {ts} {time}'",
     {"plant/m/t m/t , null °C bad timeout 1700000000000 2023-11-14T22:13:20.000Z",
      "plant/m/t m/t 23.4, 23.4 °C good  1700000001000 2023-11-14T22:13:21.000Z",
      "plant/m/t m/t 30, 30 °C uncertain clamped 1700000002000 2023-11-14T22:13:22.000Z",
      "plant/m/t m/t 30, 30 °C bad timeout 1700000002000 2023-11-14T22:13:22.000Z"}},
    {"format: wirenboard",
     {"/devices/m/controls/t/meta/error r",
      "/devices/m/controls/t 23.4", "/devices/m/controls/t/meta/error ",
      "/devices/m/controls/t 30",
      "/devices/m/controls/t/meta/error r"}},
    {"format: sparkplug",
     {"plant/m 1700000000000; t 1700000000000 0 null 500 timeout",
      "plant/m 1700000001000; t 1700000001000 10 23.4",
      "plant/m 1700000002000; t 1700000002000 10 30 0 clamped",
      "plant/m 1700000003000; t 1700000002000 10 30 500 timeout"}},
};
// clang-format on

TEST(Golden, EveryFormatInEveryQuality) {
  for (const auto& [publish, expected] : kFormats) {
    auto plant = Plant::with_points(
        "{t: {register: input, address: 0, type: int16, scale: 0.1, unit: \"°C\", clamp: {max: 30}}}",
        "{" + publish + "}");
    Lines lines;
    const auto take = [&lines](const Lines& more) { lines.insert(lines.end(), more.begin(), more.end()); };
    take(plant.poll(0s, {{"t", {}, Failure::Timeout}}));
    take(plant.registers(1s, "t", {234}));
    take(plant.registers(2s, "t", {456}));
    take(plant.poll(3s, {{"t", {}, Failure::Timeout}}));
    if (publish == "format: sparkplug") std::ranges::transform(lines, lines.begin(), sparkplug_text);
    EXPECT_EQ(lines, expected) << publish;
  }
}

// Rules: readings as SECOND:VALUE or SECOND:CAUSE, and which of them are published, with the cause behind the value

struct RuleRow {
  std::string keys;
  std::string readings;
  std::string published;
};

// clang-format off
const RuleRow kRules[]{
    {"when: change",                     "0:1 1:1 2:2 3:2",                       "0:1 2:2"},
    {"when: change",                     "0:1 299:1 300:1",                       "0:1 300:1"},
    {"when: poll",                       "0:1 1:1 2:timeout 3:timeout",           "0:1 1:1 2:1/timeout 3:1/timeout"},
    {"heartbeat: 10s",                   "0:1 9:1 10:1 15:2 24:2 25:2",           "0:1 10:1 15:2 25:2"},
    {"heartbeat: 2s",                    "0:timeout 1:timeout 2:timeout",         "0:/timeout 2:/timeout"},
    {"heartbeat: 0",                     "0:1 100000:1",                          "0:1"},
    {"deadband: 2, heartbeat: 0",        "0:10 1:11 2:11.9 3:12 4:13 5:10",       "0:10 3:12 5:10"},
    {"deadband: 10%, heartbeat: 0",      "0:100 1:109 2:110 3:120 4:121",         "0:100 2:110 4:121"},
    {"deadband: 2, heartbeat: 3s",       "0:10 2:11 3:11 4:12.5 5:13",            "0:10 3:11 5:13"},
    {"min_interval: 2s",                 "0:1 1:2 2:2 3:3 3.5:2 4:3",             "0:1 2:2 4:3"},
    {"min_interval: 1h, deadband: 100",  "0:5 1:timeout 2:timeout 3:port-lost 4:5", "0:5 1:5/timeout 3:5/port-lost 4:5"},
    {"clamp: {max: 9}",                  "0:9 1:10 2:11 3:8",                     "0:9 1:9/clamped 3:8"},
    {"when: poll, min_interval: 1h",     "0:1 1:2",                               "0:1 1:2"},
};
// clang-format on

std::string run(const RuleRow& row) {
  auto plant =
      Plant::with_points("{p: {register: input, address: 0, " + row.keys + "}}", "{payload: '{value}/{error}'}");
  std::string published;
  std::istringstream readings(row.readings);
  for (std::string reading; readings >> reading;) {
    const auto colon = reading.find(':');
    const std::chrono::milliseconds at(static_cast<int>(std::stod(reading) * 1000));
    const auto said = reading.substr(colon + 1);
    const auto failure = said == "timeout" ? Failure::Timeout : said == "port-lost" ? Failure::PortLost : Failure::None;
    const drivers::Value value = failure == Failure::None ? std::stod(said) : 0.0;
    for (auto line : plant.poll(at, {{"p", value, failure}})) {
      line = line.substr(line.find(' ') + 1);
      if (line.ends_with('/')) line.pop_back();
      published += fmt::format("{}{}:{}", published.empty() ? "" : " ", reading.substr(0, colon), line);
    }
  }
  return published;
}

TEST(Golden, EveryRuleOfPublishing) {
  for (const auto& row : kRules) EXPECT_EQ(run(row), row.published) << row.keys << ": " << row.readings;
}

}  // namespace
}  // namespace ferrule::mapping

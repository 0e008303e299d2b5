#include "gateway/edge_devices.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ferrule::gateway {
namespace {

using mqtt::sparkplug::Datatype;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Settings plant(const std::string& points, const std::string& more = "", const std::string& device = "m") {
  return parse_settings(
      "version: 1\ngateway: {id: gw, state_dir: s}\nbuses: {plc: {type: modbus-tcp, host: h}}\n"
      "devices: {\"" +
          device + "\": {bus: plc, unit_id: 1, format: sparkplug, points: " + points +
          "}}\nuplinks: {scada: {url: \"mqtt://h\", sparkplug: {group: site1}" + more + "}}\n",
      "test.yaml");
}

std::string mistakes_of(const std::string& more, const std::string& device = "m") {
  try {
    plant("{a: {register: input, address: 0}}", more, device);
  } catch (const config::Error& error) {
    return error.what();
  }
  return "";
}

Datatype type_of(const std::string& point) {
  return plant("{p: {register: input, address: 0, " + point + "}, q: {register: input, address: 90}}")
      .uplinks[0]
      .sparkplug->devices->at(0)
      .metrics.at(0)
      .type;
}

TEST(EdgeDevices, AreThoseWithPointsInTheFormat) {
  const auto settings = plant(
      "{a: {register: input, address: 0, unit: V}, b: {register: coil, address: 1, write: true}, "
      "c: {register: input, address: 2, format: json}}");
  const auto& node = *settings.uplinks[0].sparkplug;
  EXPECT_EQ(node.group, "site1");
  EXPECT_EQ(node.node, "gw");
  EXPECT_EQ(node.primary_host, "");
  EXPECT_EQ(settings.uplinks[0].session_expiry.count(), 0);
  ASSERT_EQ(node.devices->size(), 1U);
  const auto& device = node.devices->front();
  EXPECT_EQ(device.name, "m");
  EXPECT_EQ(device.topic, "gw/m");
  ASSERT_EQ(device.metrics.size(), 2U);
  EXPECT_EQ(device.metrics[0].name, "a");
  EXPECT_EQ(device.metrics[0].unit, "V");
  EXPECT_EQ(device.metrics[0].command_topic, "");
  EXPECT_EQ(device.metrics[1].command_topic, "gw/m/b/set");
  EXPECT_THAT(settings.warnings, IsEmpty());
}

TEST(EdgeDevices, MetricsHaveTheTypeThatHoldsEveryValueOfThePoint) {
  const std::vector<std::pair<std::string, Datatype>> types{{"type: bool, bit: 3", Datatype::Boolean},
                                                            {"type: int8", Datatype::Int8},
                                                            {"type: uint8", Datatype::UInt8},
                                                            {"type: int16", Datatype::Int16},
                                                            {"type: uint16", Datatype::UInt16},
                                                            {"type: int32", Datatype::Int32},
                                                            {"type: uint32", Datatype::UInt64},
                                                            {"type: int64", Datatype::Int64},
                                                            {"type: uint64", Datatype::UInt64},
                                                            {"type: float16", Datatype::Float},
                                                            {"type: float32", Datatype::Float},
                                                            {"type: float64", Datatype::Double},
                                                            {"type: bcd16", Datatype::UInt16},
                                                            {"type: bcd32", Datatype::UInt64},
                                                            {"type: string, length: 4", Datatype::String}};
  for (const auto& [point, type] : types) EXPECT_EQ(type_of(point), type) << point;
  for (const auto* calculated :
       {"scale: 0.1", "offset: 1", "scale_factor: 7", "expression: value + q", "clamp: {max: 9}", "round: 0.5"}) {
    EXPECT_EQ(type_of(calculated), Datatype::Double) << calculated;
  }
  EXPECT_EQ(type_of("enum: {0: \"off\", 1: auto}"), Datatype::String);
}

TEST(EdgeDevices, MetricsThatDifferOnlyByCapitalLettersAreWarnedOf) {
  // tck-id-case-sensitivity-metric-names
  const auto warnings = plant("{ab: {register: input, address: 0}, aB: {register: input, address: 1}}").warnings;
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_THAT(warnings[0].message, HasSubstr("\"aB\" differs from another metric only by capital letters"));
}

TEST(EdgeDevices, TheSessionHasNothingElseInIt) {
  EXPECT_THAT(mistakes_of(", out: [{from: \"gw/#\"}]"), HasSubstr("uplinks.scada.out: the session of an edge node"));
  EXPECT_THAT(mistakes_of(", session_expiry: 1h"), HasSubstr("uplinks.scada.session_expiry"));
  EXPECT_THAT(mistakes_of(", status_topic: x"), HasSubstr("uplinks.scada.status_topic"));
  EXPECT_THAT(mistakes_of(", client: paho"), HasSubstr("only \"client: ferrule\" is an edge node"));
}

TEST(EdgeDevices, NamesAreLevelsOfTopics) {
  EXPECT_THAT(mistakes_of("", "a+b"), HasSubstr("cannot be"));
  const auto node = [](const std::string& keys) {
    try {
      parse_settings("version: 1\nuplinks: {scada: {url: \"mqtt://h\", sparkplug: {" + keys + "}}}\n", "test.yaml");
    } catch (const config::Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_THAT(node("node: x"), HasSubstr("uplinks.scada.sparkplug.group"));
  EXPECT_THAT(node("group: a/b"), HasSubstr("\"a/b\" cannot be a level of a topic"));
  EXPECT_THAT(node("group: a, node: \"#\""), HasSubstr("\"#\" cannot be a level of a topic"));
  EXPECT_THAT(node("group: a, primary_host: \"\""), HasSubstr("\"\" cannot be a level of a topic"));
}

TEST(EdgeDevices, AnEdgeNodeWithoutMetricsAndMetricsWithoutAnEdgeNodeAreWarnedOf) {
  const auto alone =
      parse_settings("version: 1\nuplinks: {scada: {url: \"mqtt://h\", sparkplug: {group: a}}}\n", "test.yaml");
  ASSERT_EQ(alone.warnings.size(), 1U);
  EXPECT_THAT(alone.warnings[0].message, HasSubstr("no point has the format sparkplug"));
  const auto local = parse_settings(
      "version: 1\nbuses: {plc: {type: modbus-tcp, host: h}}\n"
      "devices: {m: {bus: plc, unit_id: 1, format: sparkplug, points: {a: {register: input, address: 0}}}}\n",
      "test.yaml");
  ASSERT_EQ(local.warnings.size(), 1U);
  EXPECT_THAT(local.warnings[0].message, HasSubstr("no uplink is a Sparkplug edge node"));
}

TEST(EdgeDevices, AReloadKnowsThatTheBirthsHaveChanged) {
  const auto fingerprint = [](const std::string& points) { return plant(points).fingerprints.uplinks; };
  const auto one = fingerprint("{a: {register: input, address: 0}}");
  EXPECT_EQ(fingerprint("{a: {register: input, address: 7}}"), one);
  EXPECT_NE(fingerprint("{a: {register: input, address: 0, type: int16}}"), one);
  EXPECT_NE(fingerprint("{a: {register: input, address: 0}, b: {register: input, address: 1}}"), one);
}

}  // namespace
}  // namespace ferrule::gateway

// The bytes of Sparkplug B payloads (Sparkplug 3.0 section 6.4.1).
#include "mqtt/sparkplug_payload.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/mqtt/wire_text.hpp"

namespace ferrule::mqtt::sparkplug {
namespace {

using mqtt::testing::hex;
using mqtt::testing::wire;

Metric metric(Value value) {
  Metric made;
  made.value = std::move(value);
  return made;
}

TEST(SparkplugPayload, HasEachFieldAtItsNumber) {
  // tck-id-payloads-metric-datatype-value-type tck-id-payloads-metric-datatype-value
  Metric made = metric(std::uint32_t{300});
  made.name = "n";
  made.alias = 5;
  made.timestamp = 300;
  made.datatype = Datatype::Int32;
  made.historical = true;
  EXPECT_EQ(hex(encode(Payload{1, {made}, 255})),
            hex(wire("08 01 12 [ 0A 01 'n' 10 05 18 AC02 20 03 28 01 50 AC02 ] 18 FF01")));
}

TEST(SparkplugPayload, HasEachKindOfValueInItsOwnField) {
  const auto value = [](Value of) { return hex(encode(Payload{{}, {metric(std::move(of))}, {}})); };
  EXPECT_EQ(value({}), hex(wire("12 [ 38 01 ]")));
  EXPECT_EQ(value(std::uint32_t{1}), hex(wire("12 [ 50 01 ]")));
  EXPECT_EQ(value(std::uint64_t{1}), hex(wire("12 [ 58 01 ]")));
  EXPECT_EQ(value(1.0F), hex(wire("12 [ 65 0000803F ]")));
  EXPECT_EQ(value(1.0), hex(wire("12 [ 69 000000000000F03F ]")));
  EXPECT_EQ(value(true), hex(wire("12 [ 70 01 ]")));
  EXPECT_EQ(value(std::string("x")), hex(wire("12 [ 7A 01 'x' ]")));
}

TEST(SparkplugPayload, HasAsManyKeysOfPropertiesAsValuesEachWithItsType) {
  // tck-id-payloads-propertyset-keys-array-size tck-id-payloads-propertyset-values-array-size
  // tck-id-payloads-metric-propertyvalue-type-req tck-id-payloads-metric-propertyvalue-type-type
  // tck-id-payloads-metric-propertyvalue-type-value tck-id-payloads-propertyset-quality-value-type
  // tck-id-payloads-propertyset-quality-value-value
  Metric made = metric({});
  made.quality = Quality::Stale;
  made.cause = "timeout";
  made.unit = "V";
  made.read_only = true;
  EXPECT_EQ(
      hex(encode(Payload{{}, {made}, {}})),
      hex(wire("12 [ 38 01 4A [ 0A [ 'Quality' ] 0A [ 'Cause' ] 0A [ 'engUnit' ] 0A [ 'readOnly' ] "
               "12 [ 08 03 18 F403 ] 12 [ 08 0C 42 [ 'timeout' ] ] 12 [ 08 0C 42 [ 'V' ] ] 12 [ 08 0B 38 01 ] ] ]")));
}

TEST(SparkplugPayload, IsReadAsItWasWritten) {
  Metric made = metric(std::string("auto"));
  made.name = "mode", made.alias = 9, made.timestamp = 77, made.datatype = Datatype::String, made.historical = true;
  made.quality = Quality::Bad, made.cause = "invalid", made.unit = "x", made.read_only = false;
  const auto bytes = encode(Payload{1, {made, metric({}), metric(2.5)}, 3});
  const auto read = decode(bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(hex(encode(*read)), hex(bytes));
  EXPECT_EQ(read->metrics[0].value, Value(std::string("auto")));
  EXPECT_EQ(read->metrics[0].quality, Quality::Bad);
  EXPECT_EQ(read->metrics[1].value, Value());
}

TEST(SparkplugPayload, WhatAPeerSendsBesidesIsSkipped) {
  // A metric with a template, a data set, bytes, metadata, a type and a quality that there are not.
  const auto read =
      decode(wire("12 [ 0A 01 'a' 20 13 92 01 [ 0A 01 '1' ] ] 12 [ 20 10 8A 01 [ 08 01 ] ] 12 [ 20 11 82 01 [ 'xy' ] "
                  "42 [ 10 05 ] ] "
                  "12 [ 20 0C 4A [ 0A [ 'Quality' ] 12 [ 08 03 18 07 ] 0A [ 'more' ] ] ] 22 [ 'uuid' ] 2A [ 'body' ] "
                  "FA 01 [ 'x' ]"));
  ASSERT_TRUE(read);
  ASSERT_EQ(read->metrics.size(), 4U);
  for (const auto& one : read->metrics) {
    EXPECT_EQ(one.value, Value());
    EXPECT_FALSE(one.quality);
  }
  EXPECT_FALSE(read->metrics[0].datatype);
  EXPECT_EQ(read->metrics[3].datatype, Datatype::String);
}

TEST(SparkplugPayload, WhatIsNoProtobufIsNone) {
  EXPECT_TRUE(decode(""));
  for (const auto* bad : {"08", "12 05 'x'", "FF", "12 [ 50 ]", "12 [ 0A 05 'x' ]", "0B"}) {
    EXPECT_FALSE(decode(wire(bad))) << bad;
  }
}

TEST(SparkplugPayload, TimesAreMillisecondsSince1970InUtc) {
  // tck-id-payloads-metric-timestamp-in-utc
  EXPECT_EQ(milliseconds(std::chrono::system_clock::time_point(std::chrono::hours(1))), 3'600'000U);
  EXPECT_EQ(milliseconds(std::chrono::system_clock::time_point(-std::chrono::hours(1))), 0U);
}

// Points are plain values: no metric can have the type of a template or of a data set, and none of a template's or a
// data set's fields is ever written.
TEST(SparkplugPayload, KnowsNoTemplatesAndNoDataSets) {
  // tck-id-payloads-template-definition-nbirth-only tck-id-payloads-template-definition-nbirth
  // tck-id-payloads-template-definition-members tck-id-payloads-template-definition-ref
  // tck-id-payloads-template-definition-is-definition tck-id-payloads-template-definition-parameters
  // tck-id-payloads-template-definition-parameters-default tck-id-payloads-template-instance-ref
  // tck-id-payloads-template-instance-is-definition tck-id-payloads-template-instance-members
  // tck-id-payloads-template-instance-members-birth tck-id-payloads-template-instance-members-data
  // tck-id-payloads-template-instance-parameters tck-id-payloads-template-is-definition
  // tck-id-payloads-template-is-definition-definition tck-id-payloads-template-is-definition-instance
  // tck-id-payloads-template-ref-definition tck-id-payloads-template-ref-instance tck-id-payloads-template-version
  // tck-id-payloads-template-parameter-name-required tck-id-payloads-template-parameter-name-type
  // tck-id-payloads-template-parameter-type-req tck-id-payloads-template-parameter-type-value
  // tck-id-payloads-template-parameter-value tck-id-payloads-template-parameter-value-type
  // tck-id-payloads-dataset-column-num-headers tck-id-payloads-dataset-column-size
  // tck-id-payloads-dataset-parameter-type-req tck-id-payloads-dataset-types-def tck-id-payloads-dataset-types-num
  // tck-id-payloads-dataset-types-type tck-id-payloads-dataset-types-value tck-id-payloads-template-dataset-value
  constexpr std::uint32_t kDataSet = 16, kTemplate = 19;
  for (const auto type : {kDataSet, kTemplate}) {
    const auto bytes = wire("12 [ 0A 01 'a' 20 " + hex(std::string(1, static_cast<char>(type))) +
                            " 92 01 [ 0A 01 '1' ] 8A 01 [ 08 01 ] ]");
    const auto read = decode(bytes);
    ASSERT_TRUE(read);
    EXPECT_EQ(hex(encode(*read)), hex(wire("12 [ 0A 01 'a' 38 01 ]")));
  }
}

}  // namespace
}  // namespace ferrule::mqtt::sparkplug

// What a point's keys say about the form of its value.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "drivers/modbus/decode.hpp"
#include "loaded_settings.hpp"

namespace ferrule::drivers {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<PointSettings> points(const std::string& yaml) {
  Loaded loaded(std::string(kGoodBus) + "devices: {m: {bus: plc, address_base: 1, points: {" + yaml + "}}}\n");
  loaded.document.finish();
  return loaded.buses.at(0).devices.at(0).points;
}

PointSettings one(const std::string& keys) {
  return points("p: {register: holding, address: 101, " + keys + "}").at(0);
}

// The mistakes of a holding register's keys, without their places.
std::vector<std::string> about(const std::string& keys) {
  std::vector<std::string> texts;
  for (const auto& text : point_mistakes("{register: holding, address: 0, " + keys + "}")) {
    texts.push_back(text.substr(text.find("points.p") + 9));
  }
  return texts;
}

TEST(TypeSettings, ReadEveryType) {
  EXPECT_EQ(one("type: int8").type, Type::Int8);
  EXPECT_EQ(one("type: uint64").type, Type::Uint64);
  EXPECT_EQ(one("type: float16").type, Type::Float16);
  EXPECT_EQ(one("type: bcd32").type, Type::Bcd32);
  EXPECT_TRUE(one("type: uint8, byte: high").high_byte);
  EXPECT_FALSE(one("type: uint8").high_byte);
}

TEST(TypeSettings, TakeASingleBitForABool) {
  const auto bit = one("bit: 15");
  EXPECT_EQ(bit.type, Type::Bool);
  EXPECT_EQ(bit.bit, 15);
  EXPECT_EQ(bit.bit_count, 1);
  const auto field = one("bit: 4, bit_count: 3");
  EXPECT_EQ(field.type, Type::Uint16);
  EXPECT_EQ(field.bit_count, 3);
  EXPECT_EQ(one("type: uint32, bit: 31").bit_count, 1);
}

TEST(TypeSettings, ReadStringsByTheirCharacters) {
  const auto two = one("type: string, length: 15");
  EXPECT_EQ(two.packing, Packing::Two);
  EXPECT_EQ(modbus::registers_of(two), 8);
  const auto alone = one("type: string, length: 15, characters_per_register: 1");
  EXPECT_EQ(alone.packing, Packing::One);
  EXPECT_EQ(modbus::registers_of(alone), 15);
}

TEST(TypeSettings, CountAScaleFactorsAddressLikeAnyOther) {
  const auto point = one("scale_factor: 111");
  EXPECT_EQ(point.address, 100);
  EXPECT_EQ(point.scale_factor, 110);
  EXPECT_EQ(modbus::extent_of(point).width, 11u);
}

TEST(TypeSettings, TakeASentinelAsItStandsInTheManual) {
  EXPECT_THAT(one("type: int16, invalid: -32768").invalid, ElementsAre(0x8000u));
  EXPECT_THAT(one("type: int16, invalid: [0x8000, 0x7FFF]").invalid, ElementsAre(0x8000u, 0x7FFFu));
  EXPECT_THAT(one("type: uint64, invalid: [-1]").invalid, ElementsAre(~std::uint64_t{0}));
  EXPECT_THAT(one("type: float32, byte_order: CDAB, invalid: [-9999]").invalid, ElementsAre(0xC61C3C00u));
  EXPECT_THAT(one("type: uint16, bit: 0, bit_count: 4, invalid: 15").invalid, ElementsAre(15u));
}

TEST(TypeSettings, KnowHowFarACounterCounts) {
  EXPECT_FALSE(one("type: uint32").counter);
  EXPECT_FALSE(one("type: uint32, counter: false").counter);
  const auto plain = one("type: uint32, counter: true").counter;
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->max, 4'294'967'295.0);
  EXPECT_EQ(plain->max_step, 4'294'967'295.0 / 16);
  const auto wheels = one("type: uint32, counter: {max: 999999, max_step: 50}").counter;
  EXPECT_EQ(wheels->max, 999'999);
  EXPECT_EQ(wheels->max_step, 50);
  const auto real = one("type: float32, counter: true").counter;
  EXPECT_EQ(real->max, 0);
  EXPECT_EQ(real->max_step, 0);
}

TEST(TypeSettings, MakeAPointOfEachNamedBit) {
  const auto all = points(
      "status: {register: holding, address: 7, unit: x, scale: 2, counter: true, invalid: 9, bits: {0: alarm, 9: "
      "open}}");
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].name, "status");
  EXPECT_EQ(all[0].type, Type::Uint16);
  EXPECT_EQ(all[0].bit_count, 0);
  EXPECT_EQ(all[1].name, "alarm");
  EXPECT_EQ(all[2].name, "open");
  EXPECT_EQ(all[2].type, Type::Bool);
  EXPECT_EQ(all[2].address, 6);
  EXPECT_EQ(all[2].bit, 9);
  EXPECT_EQ(all[2].scale, 1);
  EXPECT_TRUE(all[2].invalid.empty());
  EXPECT_FALSE(all[2].counter);
}

TEST(WriteSettings, AreNoneUnlessAskedFor) {
  EXPECT_FALSE(one("type: int16").write);
  EXPECT_FALSE(one("type: int16, write: false").write);
  const auto write = one("type: int16, write: true").write;
  ASSERT_TRUE(write);
  EXPECT_EQ(write->function, 6);
  EXPECT_FALSE(write->min);
  EXPECT_EQ(write->timeout, std::chrono::seconds(5));
}

TEST(WriteSettings, ReadEveryKey) {
  const auto write =
      one("type: int16, write: {function: 16, min: 5, max: 30, step: 0.5, per_minute: 6, readback: 1s, timeout: 2s}")
          .write;
  ASSERT_TRUE(write);
  EXPECT_EQ(write->function, 16);
  EXPECT_EQ(write->min, 5);
  EXPECT_EQ(write->max, 30);
  EXPECT_EQ(write->step, 0.5);
  EXPECT_EQ(write->per_minute, 6);
  EXPECT_EQ(write->readback, std::chrono::seconds(1));
  EXPECT_EQ(write->timeout, std::chrono::seconds(2));
}

TEST(WriteSettings, ChooseTheFunctionThatSuitsTheValue) {
  EXPECT_EQ(one("type: float32, write: true").write->function, 16);
  EXPECT_EQ(one("bit: 3, write: true").write->function, 22);
  EXPECT_EQ(points("p: {register: coil, address: 1, write: true}").at(0).write->function, 5);
  const auto named = points("s: {register: holding, address: 7, bits: {0: alarm}, write: true}");
  EXPECT_EQ(named.at(0).write->function, 6);
  EXPECT_EQ(named.at(1).write->function, 22);
}

TEST(WriteMistakes, IncludeWhatCannotBeWritten) {
  EXPECT_THAT(point_mistakes("{register: input, address: 0, write: true}"),
              ElementsAre("2:74 devices.m.points.p.write: only coils and holding registers can be written"));
  EXPECT_THAT(about("type: float32, write: {function: 6}"),
              ElementsAre("write.function: such a value is written by function 16 or 23"));
  EXPECT_THAT(about("write: {min: 5, max: 4}"), ElementsAre("write.max: must not be below `min`"));
  EXPECT_THAT(about("type: string, length: 4, write: {min: 5}"), ElementsAre("write.min: a string has none"));
  EXPECT_THAT(about("write: {readback: 2m}"), ElementsAre("write.readback: must be between 0s and 1m, is 2m"));
}

TEST(WriteMistakes, IncludeAReadFromEverybody) {
  const std::string bus = "buses: {line: {type: modbus-rtu, port: /dev/ttyS1, turnaround: 200ms}}\n";
  EXPECT_THAT(
      mistakes(bus +
               "devices: {all: {bus: line, unit_id: 0, points: {p: {register: holding, address: 0, write: true}}}}\n"),
      IsEmpty());
  EXPECT_THAT(mistakes(bus + "devices: {all: {bus: line, unit_id: 0, points: {p: {register: holding, address: 0}}}}\n"),
              ElementsAre("2:37 devices.all.unit_id: 0 is every unit of the line, and none of them answers: its points "
                          "can only be written (give each `write: true`)"));
}

TEST(TypeMistakes, IncludeWhatDoesNotSuitTheType) {
  EXPECT_THAT(about("byte: high"), ElementsAre("byte: only an int8 or a uint8 is half of a register"));
  EXPECT_THAT(about("length: 4"), ElementsAre("length: only a string has characters"));
  EXPECT_THAT(about("type: string"), ElementsAre("length: is required"));
  EXPECT_THAT(about("type: string, length: 251"), ElementsAre("length: must be between 1 and 250, is 251"));
  EXPECT_THAT(about("type: string, length: 126, characters_per_register: 1"),
              ElementsAre("length: must be between 1 and 125, is 126"));
  EXPECT_THAT(about("type: string, length: 4, scale: 2, invalid: 3, counter: true"),
              ElementsAre("scale: a string has none", "invalid: a string has none", "counter: a string has none"));
  EXPECT_THAT(about("type: float32, bit: 3"), ElementsAre("bit: only registers that hold an integer have bits"));
  EXPECT_THAT(about("bit_count: 3"), ElementsAre("bit_count: needs `bit`, the lowest of them"));
}

TEST(TypeMistakes, IncludeWhatLiesOutsideTheValue) {
  EXPECT_THAT(about("bit: 16"), ElementsAre("bit: must be between 0 and 15, is 16"));
  EXPECT_THAT(about("bit: 12, bit_count: 5"), ElementsAre("bit_count: must be between 1 and 4, is 5"));
  EXPECT_THAT(about("type: bool, bit: 1, bit_count: 2"), ElementsAre("bit_count: must be 1, is 2"));
  EXPECT_THAT(about("type: int16, invalid: 0x10000"),
              ElementsAre("invalid: must be between -32768 and 65535, is 65536"));
  EXPECT_THAT(about("type: float32, invalid: 1e39"), ElementsAre("invalid: does not fit into a float32"));
  EXPECT_THAT(about("scale_factor: 125"),
              ElementsAre("scale_factor: one read must hold the value and its scale factor: they span 126 registers, "
                          "125 is the most"));
  EXPECT_THAT(about("counter: {max: 0}"), ElementsAre("counter.max: must be at least 1, is 0"));
  EXPECT_THAT(about("bits: {16: a}"), ElementsAre("bits.16: bits are numbered from 0 to 15"));
  EXPECT_THAT(about("bits: {door: a}"), ElementsAre("bits.door: bits are numbered from 0 to 15"));
  EXPECT_THAT(about("type: float32, bits: {0: a}"), ElementsAre("bits: only registers that hold an integer have bits"));
}

TEST(TypeMistakes, AreNotMadeOfABitTable) {
  EXPECT_THAT(point_mistakes("{register: coil, address: 0, type: bool}"), IsEmpty());
  EXPECT_THAT(point_mistakes("{register: coil, address: 0, bit: 0}").size(), 1u);
}

}  // namespace
}  // namespace ferrule::drivers

// Signals in frames: published examples, every place there is, and back.
#include "drivers/can/signal.hpp"

#include <gmock/gmock.h>
#include <rapidcheck.h>

#include <bit>
#include <cmath>
#include <limits>

namespace ferrule::drivers::can {
namespace {

using Data = std::array<std::uint8_t, Frame::kMostBytes>;

/// Bit by bit, as the numbering is defined: no arithmetic in common with the code under test.
std::uint64_t walked(const Data& data, const Place& place) {
  std::uint64_t value = 0;
  int bit = place.start;
  for (int i = 0; i < place.length; ++i) {
    const auto byte = static_cast<std::size_t>(bit / 8);
    const std::uint64_t one = data.at(byte) >> (bit % 8) & 1U;
    if (place.big_endian) {
      value = value << 1U | one;
      bit = bit % 8 == 0 ? bit + 15 : bit - 1;
    } else {
      value |= one << i;
      ++bit;
    }
  }
  return value;
}

std::vector<Place> all_places() {
  std::vector<Place> places;
  for (int start = 0; start < 64; ++start) {
    for (int length = 1; length <= 64; ++length) {
      for (const bool big : {false, true}) {
        const Place place{static_cast<std::uint8_t>(start), static_cast<std::uint8_t>(length), big};
        if (bytes_for(place) <= Frame::kMostBytes) places.push_back(place);
      }
    }
  }
  return places;
}

Frame frame(Data data, std::uint8_t size = 8) { return {0x123, size, data}; }
Signal signal(Place place, Number number = Number::Unsigned, double scale = 1, double offset = 0) {
  return {place, number, scale, offset};
}
Value value_of(const Signal& signal, Data data) {
  const auto decoded = decode(signal, frame(data));
  EXPECT_EQ(decoded.quality, Quality::Good);
  return decoded.value;
}
Failure failure_of(const Signal& signal, Data data) { return decode(signal, frame(data)).failure; }

TEST(Signal, HasAPlaceForEveryStartLengthAndOrderThatFits) {
  // Little endian: 64 - start lengths each; big endian: as many bits as follow the start in the frame.
  EXPECT_EQ(all_places().size(), std::size_t{2} * 64 * 65 / 2);
}

TEST(Signal, ExtractsWhatAWalkOverItsBitsFindsInEveryPlace) {
  rc::check([](const Data& data) {
    for (const auto& place : all_places()) RC_ASSERT(extract(data, place) == walked(data, place));
  });
}

TEST(Signal, InsertsIntoEveryPlaceAndLeavesAllOtherBits) {
  rc::check([](const Data& before, std::uint64_t any) {
    for (const auto& place : all_places()) {
      const auto wanted = place.length == 64 ? any : any & ((std::uint64_t{1} << place.length) - 1);
      auto data = before;
      insert(data, place, any);
      RC_ASSERT(walked(data, place) == wanted);
      insert(data, place, walked(before, place));
      RC_ASSERT(data == before);
    }
  });
}

TEST(Signal, NeedsTheBytesUpToItsLastBit) {
  EXPECT_EQ(bytes_for(Place{0, 1, false}), 1U);
  EXPECT_EQ(bytes_for(Place{7, 2, false}), 2U);
  EXPECT_EQ(bytes_for(Place{7, 8, true}), 1U);
  EXPECT_EQ(bytes_for(Place{0, 2, true}), 2U);
  EXPECT_EQ(bytes_for(Place{63, 2, false}), 9U);
  EXPECT_EQ(bytes_for(Place{56, 2, true}), 9U);
  Signal multiplexed = signal({0, 8, false});
  multiplexed.when.push_back({{40, 8, false}, {{1, 1}}});
  EXPECT_EQ(bytes_for(multiplexed), 6U);
}

// The example of cantools' manual, from a file of MotoHawk's.
TEST(Signal, ReadsThePublishedExampleOfMotorolaOrder) {
  const auto enable = signal({7, 1, true});
  const auto radius = signal({6, 6, true}, Number::Unsigned, 0.1);
  const auto temperature = signal({0, 12, true}, Number::Signed, 0.01, 250);
  const Data data{0xC0, 0x06, 0xE0};
  EXPECT_EQ(value_of(enable, data), Value(std::uint64_t{1}));
  EXPECT_DOUBLE_EQ(std::get<double>(value_of(radius, data)), 3.2);
  EXPECT_DOUBLE_EQ(std::get<double>(value_of(temperature, data)), 250.55);
  Data built{};
  insert(built, enable.place, *encode(enable, Value(true)));
  insert(built, radius.place, *encode(radius, Value(3.2)));
  insert(built, temperature.place, *encode(temperature, Value(250.55)));
  EXPECT_EQ(built, data);
}

// SAE J1939-71: EEC1 (PGN 61444), engine speed in bytes 4 and 5, 0.125 rpm a bit.
TEST(Signal, ReadsEngineSpeedAsJ1939HasIt) {
  auto speed = signal({24, 16, false}, Number::Unsigned, 0.125);
  speed.j1939 = true;
  EXPECT_EQ(value_of(speed, {0xF0, 0xFF, 0x7D, 0x68, 0x13, 0xFF, 0xFF, 0xFF}), Value(621.0));
  EXPECT_EQ(failure_of(speed, {0, 0, 0, 0xFF, 0xFF}), Failure::Invalid) << "not available";
  EXPECT_EQ(failure_of(speed, {0, 0, 0, 0x00, 0xFE}), Failure::Invalid) << "error";
  EXPECT_EQ(value_of(speed, {0, 0, 0, 0xFF, 0xFA}), Value(8031.875)) << "the largest valid one";
  auto lamp = signal({0, 2, false}, Number::Bool);
  lamp.j1939 = true;
  EXPECT_EQ(value_of(lamp, {0x01}), Value(true));
  EXPECT_EQ(value_of(lamp, {0xFC}), Value(false));
  EXPECT_EQ(failure_of(lamp, {0x02}), Failure::Invalid);
  EXPECT_EQ(failure_of(lamp, {0x03}), Failure::Invalid);
}

TEST(Signal, KeepsIntegersExactAndTheirSigns) {
  const Data ones{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
  EXPECT_EQ(value_of(signal({0, 64, false}), ones), Value(~std::uint64_t{0}));
  EXPECT_EQ(value_of(signal({0, 64, false}, Number::Signed), ones), Value(std::int64_t{-1}));
  EXPECT_EQ(value_of(signal({4, 3, false}, Number::Signed), {0x40}), Value(std::int64_t{-4}));
  EXPECT_EQ(value_of(signal({0, 1, false}, Number::Signed), {0x01}), Value(std::int64_t{-1}));
  EXPECT_EQ(value_of(signal({0, 53, false}, Number::Unsigned, 1, 0), ones), Value((std::uint64_t{1} << 53U) - 1));
}

TEST(Signal, ReadsFloatsAndNeverANumberThatIsNone) {
  EXPECT_EQ(value_of(signal({0, 32, false}, Number::Float32), {0x00, 0x00, 0xC0, 0x3F}), Value(1.5));
  EXPECT_EQ(value_of(signal({7, 32, true}, Number::Float32, 2, 1), {0x3F, 0xC0, 0x00, 0x00}), Value(4.0));
  EXPECT_EQ(value_of(signal({7, 64, true}, Number::Float64), {0xC0, 0x09, 0x21, 0xFB, 0x54, 0x44, 0x2D, 0x18}),
            Value(-3.141592653589793));
  EXPECT_EQ(failure_of(signal({0, 32, false}, Number::Float32), {0x00, 0x00, 0xC0, 0x7F}), Failure::Invalid) << "NaN";
  EXPECT_EQ(failure_of(signal({0, 32, false}, Number::Float32), {0x00, 0x00, 0x80, 0x7F}), Failure::Invalid) << "inf";
  EXPECT_EQ(failure_of(signal({0, 8, false}, Number::Unsigned, 1e308, 1e308), {0xFF}), Failure::Invalid);
}

TEST(Signal, KnowsItsSentinels) {
  auto level = signal({0, 8, false}, Number::Unsigned, 0.4);
  level.invalid = {255};
  EXPECT_EQ(failure_of(level, {255}), Failure::Invalid);
  EXPECT_EQ(value_of(level, {250}), Value(100.0));
}

TEST(Signal, IsThereOnlyWhenEveryOneOfItsSelectorsSaysSo) {
  auto inner = signal({16, 8, false});
  inner.when.push_back({{0, 4, false}, {{1, 1}, {3, 5}}});
  inner.when.push_back({{8, 8, false}, {{7, 7}}});
  EXPECT_TRUE(is_selected(inner, frame({0x01, 7})));
  EXPECT_TRUE(is_selected(inner, frame({0xF4, 7})));
  EXPECT_FALSE(is_selected(inner, frame({0x02, 7})));
  EXPECT_FALSE(is_selected(inner, frame({0x06, 7})));
  EXPECT_FALSE(is_selected(inner, frame({0x01, 8})));
  EXPECT_TRUE(is_selected(signal({0, 1, false}), frame({})));
}

TEST(Signal, EncodesWhatDecodesToTheSameNumber) {
  rc::check([](std::uint64_t bits, bool is_signed, std::uint8_t width) {
    const auto length = static_cast<std::uint8_t>(1 + width % 64);
    const auto number = is_signed ? Number::Signed : Number::Unsigned;
    const auto whole = signal({0, length, false}, number);
    Data data{};
    insert(data, whole.place, bits);
    const auto raw = extract(data, whole.place);
    RC_ASSERT(encode(whole, decode(whole, frame(data)).value) == raw);
    if (length > 48) return;  // beyond, a double may not hold every step
    const auto scaled = signal({0, length, false}, number, 0.1, -40);
    RC_ASSERT(encode(scaled, decode(scaled, frame(data)).value) == raw);
  });
}

TEST(Signal, RefusesValuesThatItCannotHold) {
  const auto byte = signal({0, 8, false});
  EXPECT_EQ(encode(byte, Value(std::uint64_t{255})), 255U);
  EXPECT_EQ(encode(byte, Value(254.6)), 255U);
  EXPECT_FALSE(encode(byte, Value(std::uint64_t{256})));
  EXPECT_FALSE(encode(byte, Value(std::int64_t{-1})));
  EXPECT_FALSE(encode(byte, Value(255.5)));
  EXPECT_FALSE(encode(byte, Value(std::string("12"))));
  EXPECT_FALSE(encode(byte, Value(std::numeric_limits<double>::quiet_NaN())));
  const auto nibble = signal({0, 4, false}, Number::Signed);
  EXPECT_EQ(encode(nibble, Value(std::int64_t{-8})), 8U);
  EXPECT_FALSE(encode(nibble, Value(std::int64_t{-9})));
  EXPECT_FALSE(encode(nibble, Value(std::uint64_t{8})));
  EXPECT_FALSE(encode(nibble, Value(7.6)));
  EXPECT_FALSE(encode(signal({0, 64, false}), Value(1.8446744073709552e19)));
  EXPECT_FALSE(encode(signal({0, 32, false}, Number::Float32), Value(1e39)));
  EXPECT_EQ(encode(signal({0, 32, false}, Number::Float32), Value(1.5)), 0x3FC0'0000U);
  const auto flag = signal({0, 1, false}, Number::Bool);
  EXPECT_EQ(encode(flag, Value(true)), 1U);
  EXPECT_EQ(encode(flag, Value(std::uint64_t{0})), 0U);
  EXPECT_FALSE(encode(flag, Value(std::uint64_t{2})));
}

TEST(Frame, IsWrittenAsCandumpWritesIt) {
  EXPECT_EQ(text_of({0x123, 2, {0xDE, 0xAD}}), "123#DEAD");
  EXPECT_EQ(text_of({0x7 | Frame::kExtended, 0, {}}), "00000007#");
  EXPECT_EQ(text_of({0x18FEF100 | Frame::kExtended, 1, {0x0A}}), "18FEF100#0A");
  EXPECT_EQ(text_of({0x123 | Frame::kRemote, 0, {}}), "123#R");
  EXPECT_EQ(text_of({Frame::kError | 0x40, 0, {}}), "20000040#");
}

TEST(Frame, GoesIntoACaptureAndBack) {
  const Frame sent{0x18FEF100 | Frame::kExtended, 3, {1, 2, 3}};
  const auto bytes = captured(sent);
  EXPECT_EQ(bytes, (std::vector<std::uint8_t>{0x98, 0xFE, 0xF1, 0x00, 3, 0, 0, 0, 1, 2, 3}));
  EXPECT_EQ(from_capture(bytes), sent);
  EXPECT_FALSE(from_capture(std::span(bytes).first(10)));
  EXPECT_FALSE(from_capture(std::span(bytes).first(4)));
}

TEST(Frame, OfAParameterGroupMatchesWhateverItsPriorityAndSender) {
  const auto ccvs = parameter_group(65265, std::nullopt);
  EXPECT_TRUE(ccvs.matches(0x18FEF100 | Frame::kExtended));
  EXPECT_TRUE(ccvs.matches(0x0CFEF121 | Frame::kExtended));
  EXPECT_FALSE(ccvs.matches(0x18FEF200 | Frame::kExtended));
  EXPECT_FALSE(ccvs.matches(0x19FEF100 | Frame::kExtended)) << "the data page belongs to it";
  EXPECT_FALSE(ccvs.matches(0x18FEF100 | Frame::kExtended | Frame::kRemote));
  const auto from_engine = parameter_group(65265, 0);
  EXPECT_TRUE(from_engine.matches(0x18FEF100 | Frame::kExtended));
  EXPECT_FALSE(from_engine.matches(0x18FEF117 | Frame::kExtended));
  const auto torque = parameter_group(0, std::nullopt);  // TSC1, to one node
  EXPECT_TRUE(torque.matches(0x0C00'0A27 | Frame::kExtended));
  EXPECT_TRUE(torque.matches(0x0C00'FF27 | Frame::kExtended));
  EXPECT_FALSE(torque.matches(0x0C01'0A27 | Frame::kExtended));
  EXPECT_TRUE(is_exact(exactly(0x123)));
  EXPECT_FALSE(exactly(0x123).matches(0x123 | Frame::kExtended));
  EXPECT_FALSE(is_exact(ccvs));
}

}  // namespace
}  // namespace ferrule::drivers::can

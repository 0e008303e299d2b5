// Values that are a part of their registers, or more than a number, or that another register scales.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "drivers/modbus/counter.hpp"
#include "drivers/modbus/decode.hpp"
#include "drivers/modbus/layout.hpp"
#include "drivers/modbus/write.hpp"

namespace ferrule::drivers::modbus {
namespace {

using Registers = std::vector<std::uint16_t>;

Encoding of(Type type, ByteOrder order = ByteOrder::ABCD) {
  Encoding encoding;
  encoding.type = type;
  encoding.byte_order = order;
  return encoding;
}

Encoding field(Type type, std::uint8_t bit, std::uint8_t count, ByteOrder order = ByteOrder::ABCD) {
  auto encoding = of(type, order);
  encoding.bit = bit;
  encoding.bit_count = count;
  return encoding;
}

Encoding text_of(std::uint16_t length, Packing packing = Packing::Two, ByteOrder order = ByteOrder::ABCD) {
  auto encoding = of(Type::String, order);
  encoding.length = length;
  encoding.packing = packing;
  return encoding;
}

Value signed_value(std::int64_t value) { return value; }
Value unsigned_value(std::uint64_t value) { return value; }

bool is_invalid(const Registers& registers, const Encoding& encoding) {
  const auto result = decode(registers, encoding);
  return result.quality == Quality::Bad && result.failure == Failure::Invalid;
}

TEST(BitFields, AreReadFromTheLeastSignificantBitOn) {
  EXPECT_EQ(decode(Registers{0x8001}, field(Type::Bool, 0, 1)).value, Value(true));
  EXPECT_EQ(decode(Registers{0x8001}, field(Type::Bool, 1, 1)).value, Value(false));
  EXPECT_EQ(decode(Registers{0x8001}, field(Type::Bool, 15, 1)).value, Value(true));
  EXPECT_EQ(decode(Registers{0x0150}, field(Type::Uint16, 4, 3)).value, unsigned_value(5));
  EXPECT_EQ(decode(Registers{0x0170}, field(Type::Int16, 4, 3)).value, signed_value(-1));
  EXPECT_EQ(decode(Registers{0x0080}, field(Type::Bool, 15, 1, ByteOrder::BADC)).value, Value(true));
  EXPECT_EQ(decode(Registers{0x0003, 0x8000}, field(Type::Uint32, 15, 3)).value, unsigned_value(7));
  EXPECT_EQ(decode(Registers{0x8000, 0x0003}, field(Type::Uint32, 15, 3, ByteOrder::CDAB)).value, unsigned_value(7));
}

TEST(BitFields, AreWrittenAmongTheOtherBits) {
  Registers registers{0xF0FF};
  ASSERT_TRUE(encode(unsigned_value(5), field(Type::Uint16, 8, 4), registers));
  EXPECT_EQ(registers, Registers{0xF5FF});
  ASSERT_TRUE(encode(false, field(Type::Bool, 15, 1), registers));
  EXPECT_EQ(registers, Registers{0x75FF});
  EXPECT_FALSE(encode(unsigned_value(16), field(Type::Uint16, 8, 4), registers));
  ASSERT_TRUE(encode(signed_value(-8), field(Type::Int16, 8, 4), registers));
  EXPECT_EQ(registers, Registers{0x78FF});
}

TEST(Bytes, AreEitherHalfOfARegister) {
  auto high = of(Type::Int8);
  high.high_byte = true;
  EXPECT_EQ(decode(Registers{0xFE7F}, high).value, signed_value(-2));
  EXPECT_EQ(decode(Registers{0xFE7F}, of(Type::Int8)).value, signed_value(127));
  EXPECT_EQ(decode(Registers{0xFE7F}, of(Type::Uint8, ByteOrder::BADC)).value, unsigned_value(0xFE));
  Registers registers{0x1234};
  ASSERT_TRUE(encode(signed_value(-1), high, registers));
  EXPECT_EQ(registers, Registers{0xFF34});
}

TEST(Bcd, IsInvalidWithADigitAboveNine) {
  EXPECT_TRUE(is_invalid({0x123A}, of(Type::Bcd16)));
  EXPECT_TRUE(is_invalid({0xF000, 0x0000}, of(Type::Bcd32)));
  EXPECT_FALSE(is_invalid({0x9999, 0x9999}, of(Type::Bcd32)));
}

TEST(Strings, ArePackedByTwoOrAlone) {
  EXPECT_EQ(decode(Registers{0x4142, 0x4344}, text_of(4)).value, Value("ABCD"));
  EXPECT_EQ(decode(Registers{0x4241, 0x4443}, text_of(4, Packing::Two, ByteOrder::BADC)).value, Value("ABCD"));
  EXPECT_EQ(decode(Registers{0x4142, 0x4344}, text_of(4, Packing::Two, ByteOrder::CDAB)).value, Value("ABCD"))
      << "the order of registers is that of numbers";
  EXPECT_EQ(decode(Registers{0x0041, 0x0042}, text_of(2, Packing::One)).value, Value("AB"));
  EXPECT_EQ(decode(Registers{0x4142, 0x4344}, text_of(3)).value, Value("ABC"));
  EXPECT_EQ(registers_of(text_of(3)), 2);
  EXPECT_EQ(registers_of(text_of(3, Packing::One)), 3);
}

TEST(Strings, EndAtTheirFirstNulAndLoseTrailingBlanks) {
  EXPECT_EQ(decode(Registers{0x4100, 0x4243}, text_of(4)).value, Value("A"));
  EXPECT_EQ(decode(Registers{0x2041, 0x2020}, text_of(4)).value, Value(" A"));
  EXPECT_EQ(decode(Registers{0x2020, 0x0D0A}, text_of(4)).value, Value(""));
  EXPECT_EQ(decode(Registers{0, 0}, text_of(4)).value, Value(""));
}

TEST(Strings, AreUtf8OrElseLatin1) {
  EXPECT_EQ(decode(Registers{0xC2B0, 0x4300}, text_of(4)).value, Value("°C"));
  EXPECT_EQ(decode(Registers{0xB043}, text_of(2)).value, Value("°C"));
  EXPECT_EQ(decode(Registers{0xFFFF}, text_of(2)).value, Value("ÿÿ"));
}

TEST(Strings, AreEncodedWithNulsBehind) {
  Registers registers(2, 0x5555);
  ASSERT_TRUE(encode(std::string("ABC"), text_of(4), registers));
  EXPECT_EQ(registers, (Registers{0x4142, 0x4300}));
  EXPECT_FALSE(encode(std::string("ABCDE"), text_of(4), registers));
  EXPECT_FALSE(encode(1.0, text_of(4), registers));
}

// FAULTS 36
TEST(Sentinels, AreComparedBeforeScaling) {
  auto encoding = of(Type::Int16);
  encoding.scale = 0.1;
  encoding.invalid = {0x8000, 0x7FFF};
  EXPECT_TRUE(is_invalid({0x8000}, encoding));
  EXPECT_TRUE(is_invalid({0x7FFF}, encoding));
  EXPECT_EQ(decode(Registers{0x8001}, encoding).value, Value(-3276.7));
  auto real = of(Type::Float32, ByteOrder::CDAB);
  real.invalid = {std::bit_cast<std::uint32_t>(-9999.0f)};
  EXPECT_TRUE(is_invalid({0x3C00, 0xC61C}, real));
}

TEST(ScaleFactors, ArePowersOfTenInAnotherRegister) {
  auto behind = of(Type::Uint16);
  behind.address = 10;
  behind.scale_factor = 12;
  EXPECT_EQ(extent_of(behind).address, 10);
  EXPECT_EQ(extent_of(behind).width, 3u);
  EXPECT_EQ(decode(Registers{2341, 9, 0xFFFF}, behind).value, Value(234.1));
  EXPECT_EQ(decode(Registers{2341, 9, 0}, behind).value, Value(2341.0));
  EXPECT_EQ(decode(Registers{7, 9, 3}, behind).value, Value(7000.0));
  EXPECT_TRUE(is_invalid({7, 9, 0x8000}, behind)) << "not implemented";
  EXPECT_TRUE(is_invalid({7, 9, 11}, behind));
  auto before = of(Type::Int32);
  before.address = 10;
  before.scale_factor = 8;
  before.scale = 0.001;
  EXPECT_EQ(decode(Registers{0xFFFE, 0, 0xFFFF, 0xFFFF}, before).value, Value(-0.00001));
  auto between = of(Type::Uint64);
  between.address = 4;
  between.scale_factor = 5;
  EXPECT_EQ(extent_of(between).width, 4u);
}

// Model 103 of SunSpec, shortened: current, its factor, power, its factor, energy, its factor, state, model string.
TEST(ScaleFactors, ReadALayoutLikeSunSpecs) {
  const Registers device{1234, 0xFFFE, 0xFF38, 1, 0x0001, 0x86A0, 0xFFFD, 4, 0x5341, 0x4D00};
  struct Row {
    Encoding encoding;
    Value value;
  };
  const auto at = [](Type type, std::uint16_t address, std::optional<std::uint16_t> factor) {
    auto encoding = of(type);
    encoding.address = address;
    encoding.scale_factor = factor;
    encoding.length = 4;
    return encoding;
  };
  for (const auto& [encoding, value] :
       {Row{at(Type::Uint16, 0, 1), 12.34}, Row{at(Type::Int16, 2, 3), -2000.0}, Row{at(Type::Uint32, 4, 6), 100.0},
        Row{at(Type::Uint16, 7, {}), unsigned_value(4)}, Row{at(Type::String, 8, {}), std::string("SAM")}}) {
    const auto extent = extent_of(encoding);
    EXPECT_EQ(decode(std::span(device).subspan(extent.address, extent.width), encoding).value, value) << extent.address;
  }
}

TEST(Halves, RoundToNearestEvenAndOverflowToInfinity) {
  EXPECT_EQ(to_half(1 + 0x1p-11), 0x3C00);
  EXPECT_EQ(to_half(1 + 3 * 0x1p-11), 0x3C02);
  EXPECT_EQ(to_half(0x1p-25), 0x0000);
  EXPECT_EQ(to_half(0x1p-24 * 1.5), 0x0002);
  EXPECT_EQ(to_half(65519), 0x7BFF);
  EXPECT_EQ(to_half(65520), 0x7C00);
  EXPECT_EQ(to_half(-0.0), 0x8000);
}

TEST(Halves, SurviveARoundTripAll65536OfThem) {
  for (int bits = 0; bits < 0x10000; ++bits) {
    const double number = from_half(static_cast<std::uint16_t>(bits));
    if (std::isnan(number)) continue;
    ASSERT_EQ(to_half(number), bits);
  }
}

RC_GTEST_PROP(Encode, IsUndoneByDecodeForEvery64BitNumber, (std::uint64_t raw)) {
  for (const auto order : {ByteOrder::ABCD, ByteOrder::BADC, ByteOrder::CDAB, ByteOrder::DCBA}) {
    Registers registers(4);
    RC_ASSERT(encode(raw, of(Type::Uint64, order), registers));
    RC_ASSERT(decode(registers, of(Type::Uint64, order)).value == Value(raw));
    RC_ASSERT(encode(static_cast<std::int64_t>(raw), of(Type::Int64, order), registers));
    RC_ASSERT(decode(registers, of(Type::Int64, order)).value == Value(static_cast<std::int64_t>(raw)));
    RC_ASSERT(encode(std::bit_cast<double>(raw), of(Type::Float64, order), registers));
    const auto real = decode(registers, of(Type::Float64, order));
    const bool finite = std::isfinite(std::bit_cast<double>(raw));
    const bool right =
        finite ? std::bit_cast<std::uint64_t>(std::get<double>(real.value)) == raw : real.failure == Failure::Invalid;
    RC_ASSERT(right);
  }
}

RC_GTEST_PROP(Encode, OfABitFieldTouchesNoOtherBit, (std::uint32_t raw, std::uint32_t value)) {
  const auto bit = *rc::gen::inRange<std::uint8_t>(0, 32);
  const auto count = *rc::gen::inRange<std::uint8_t>(1, static_cast<std::uint8_t>(33 - bit));
  const auto encoding = field(Type::Uint32, bit, count, *rc::gen::element(ByteOrder::ABCD, ByteOrder::DCBA));
  Registers registers(2);
  spread(raw, encoding.byte_order, registers);
  const auto part = value & static_cast<std::uint32_t>(ones(count));
  RC_ASSERT(encode(std::uint64_t{part}, encoding, registers));
  RC_ASSERT(decode(registers, encoding).value == Value(std::uint64_t{part}));
  const auto mask = ones(count) << bit;
  RC_ASSERT((join(registers, encoding.byte_order) & ~mask) == (raw & ~mask));
}

RC_GTEST_PROP(Scaling, IsUndoneByWritingWhatWasRead, (std::int32_t raw)) {
  auto encoding =
      of(Type::Int32, *rc::gen::element(ByteOrder::ABCD, ByteOrder::BADC, ByteOrder::CDAB, ByteOrder::DCBA));
  encoding.scale = *rc::gen::element(1.0, 0.1, 0.01, 0.5, 3.7, -0.001, 10.0);
  encoding.offset = *rc::gen::element(0.0, -40.0, 273.15, 100'000.0);
  encoding.scale_factor = 2;
  const auto factor = static_cast<std::uint16_t>(*rc::gen::inRange(-6, 7));
  const auto registers_of = [&](std::int32_t count) {
    Registers registers(3, swaps_bytes(encoding.byte_order) ? swapped(factor) : factor);
    spread(static_cast<std::uint32_t>(count), encoding.byte_order, std::span(registers).first(2));
    return registers;
  };
  const auto registers = registers_of(raw);
  RC_ASSERT(holds(registers, decode(registers, encoding).value, encoding));
  const auto next = registers_of(raw == std::numeric_limits<std::int32_t>::max() ? raw - 1 : raw + 1);
  RC_ASSERT(!holds(registers, decode(next, encoding).value, encoding));
}

RC_GTEST_PROP(Strings, AreReadAsTheyWereWritten, ()) {
  const auto pieces = *rc::gen::container<std::vector<std::string>>(
      rc::gen::element<std::string>("a", "Z", "0", " ", "\"", "\n", "ü", "€", "😀"));
  std::string text;
  for (const auto& piece : pieces) text += piece;
  text.erase(text.find_last_not_of(" \n") + 1);
  RC_PRE(text.size() <= 120);
  auto encoding = text_of(static_cast<std::uint16_t>(text.size() + *rc::gen::inRange<std::size_t>(1, 5)));
  encoding.byte_order = *rc::gen::element(ByteOrder::ABCD, ByteOrder::BADC, ByteOrder::CDAB, ByteOrder::DCBA);
  encoding.packing = *rc::gen::element(Packing::Two, Packing::One);
  Registers registers(modbus::registers_of(encoding), 0x5555);
  RC_ASSERT(encode(text, encoding, registers));
  RC_ASSERT(decode(registers, encoding).value == Value(text));
}

// Polls a guard with a reading and, where it is doubted, a second one. Whether the value is trusted.
bool trusts(CounterGuard& guard, double first, double second) {
  guard.decide(guard.propose(first) ? first : second);
  return guard.trusted();
}

// FAULTS 36
TEST(CounterGuard, TrustsWhatGrowsAndWhatBeginsAgainAtZero) {
  CounterGuard guard({65535, 4096});
  EXPECT_TRUE(guard.propose(60'000));
  guard.decide(60'000);
  EXPECT_TRUE(guard.propose(64'000));
  guard.decide(64'000);
  EXPECT_TRUE(guard.propose(64'000));
  EXPECT_TRUE(guard.propose(10)) << "rolled over";
}

TEST(CounterGuard, DiscardsASpikeThatASecondReadDoesNotConfirm) {
  CounterGuard guard({65535, 100});
  EXPECT_TRUE(trusts(guard, 1000, 0));
  EXPECT_FALSE(guard.propose(40'000));
  EXPECT_TRUE(trusts(guard, 40'000, 1001));
  EXPECT_FALSE(trusts(guard, 40'000, 20'000)) << "neither reading goes on from the last one";
  EXPECT_TRUE(trusts(guard, 1002, 0)) << "the last trusted count still stands";
}

TEST(CounterGuard, BelievesAResetThatTwoReadsAgreeOn) {
  CounterGuard guard({65535, 100});
  EXPECT_TRUE(trusts(guard, 1000, 0));
  EXPECT_TRUE(trusts(guard, 5, 6));
  EXPECT_TRUE(guard.propose(7));
}

TEST(CounterGuard, OfARealNumberDoubtsOnlyThatItGoesBack) {
  CounterGuard guard({0, 0});
  EXPECT_TRUE(trusts(guard, 10.5, 0));
  EXPECT_TRUE(guard.propose(1e9));
  EXPECT_FALSE(guard.propose(10.4));
}

TEST(CounterGuard, IsNotMovedByRegistersThatHoldNoNumber) {
  CounterGuard guard({65535, 100});
  EXPECT_TRUE(trusts(guard, 1000, 0));
  EXPECT_TRUE(trusts(guard, std::nan(""), 0));
  EXPECT_TRUE(guard.propose(1001));
  EXPECT_FALSE(guard.propose(500));
}

}  // namespace
}  // namespace ferrule::drivers::modbus

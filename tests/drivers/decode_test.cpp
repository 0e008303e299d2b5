#include "drivers/modbus/decode.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

namespace ferrule::drivers::modbus {
namespace {

using Bytes = std::vector<std::uint8_t>;  // as they come on the wire, two per register

constexpr std::array kOrders{ByteOrder::ABCD, ByteOrder::BADC, ByteOrder::CDAB, ByteOrder::DCBA};
constexpr std::array kNumbers{Type::Bool,    Type::Int8,    Type::Uint8, Type::Int16,  Type::Uint16,
                              Type::Int32,   Type::Uint32,  Type::Int64, Type::Uint64, Type::Float16,
                              Type::Float32, Type::Float64, Type::Bcd16, Type::Bcd32};

std::vector<std::uint16_t> registers_from(const Bytes& bytes) {
  std::vector<std::uint16_t> registers;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
    registers.push_back(static_cast<std::uint16_t>(bytes[i] << 8 | bytes[i + 1]));
  }
  return registers;
}

PointSettings point_of(Type type, ByteOrder order = ByteOrder::ABCD, double scale = 1, double offset = 0) {
  PointSettings point;
  point.type = type;
  point.byte_order = order;
  point.scale = scale;
  point.offset = offset;
  return point;
}

std::uint16_t registers_of(Type type) { return modbus::registers_of(point_of(type)); }

bool encode(const Value& value, Type type, ByteOrder order, std::span<std::uint16_t> registers) {
  return modbus::encode(value, point_of(type, order), registers);
}

Decoded decoded(const Bytes& bytes, const PointSettings& point) { return decode(registers_from(bytes), point); }

// One value of a type, and its bytes in the four orders.
struct WireCase {
  Type type;
  Value value;
  Bytes abcd, badc, cdab, dcba;

  const Bytes& in(ByteOrder order) const {
    switch (order) {
      case ByteOrder::BADC:
        return badc;
      case ByteOrder::CDAB:
        return cdab;
      case ByteOrder::DCBA:
        return dcba;
      default:
        return abcd;
    }
  }
};

WireCase one_register(Type type, Value value, std::uint8_t a, std::uint8_t b) {
  return {type, std::move(value), {a, b}, {b, a}, {a, b}, {b, a}};
}

WireCase two_registers(Type type, Value value, std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) {
  return {type, std::move(value), {a, b, c, d}, {b, a, d, c}, {c, d, a, b}, {d, c, b, a}};
}

// Eight bytes, A to H: the registers keep or reverse their order, and so do the bytes within each.
WireCase four_registers(Type type, Value value, const Bytes& b) {
  return {type,
          std::move(value),
          b,
          {b[1], b[0], b[3], b[2], b[5], b[4], b[7], b[6]},
          {b[6], b[7], b[4], b[5], b[2], b[3], b[0], b[1]},
          {b[7], b[6], b[5], b[4], b[3], b[2], b[1], b[0]}};
}

Value signed_value(std::int64_t value) { return value; }
Value unsigned_value(std::uint64_t value) { return value; }

std::vector<WireCase> wire_cases() {
  return {
      one_register(Type::Bool, false, 0x00, 0x00),
      one_register(Type::Bool, true, 0x00, 0x01),
      one_register(Type::Int16, signed_value(0), 0x00, 0x00),
      one_register(Type::Int16, signed_value(258), 0x01, 0x02),
      one_register(Type::Int16, signed_value(32767), 0x7F, 0xFF),
      one_register(Type::Int16, signed_value(-32768), 0x80, 0x00),
      one_register(Type::Int16, signed_value(-1), 0xFF, 0xFF),
      one_register(Type::Int16, signed_value(-2), 0xFF, 0xFE),
      one_register(Type::Uint16, unsigned_value(258), 0x01, 0x02),
      one_register(Type::Uint16, unsigned_value(32768), 0x80, 0x00),
      one_register(Type::Uint16, unsigned_value(65535), 0xFF, 0xFF),
      two_registers(Type::Int32, signed_value(0x01020304), 0x01, 0x02, 0x03, 0x04),
      two_registers(Type::Int32, signed_value(2147483647), 0x7F, 0xFF, 0xFF, 0xFF),
      two_registers(Type::Int32, signed_value(-2147483648), 0x80, 0x00, 0x00, 0x00),
      two_registers(Type::Int32, signed_value(-2), 0xFF, 0xFF, 0xFF, 0xFE),
      two_registers(Type::Uint32, unsigned_value(0x01020304), 0x01, 0x02, 0x03, 0x04),
      two_registers(Type::Uint32, unsigned_value(2147483648), 0x80, 0x00, 0x00, 0x00),
      two_registers(Type::Uint32, unsigned_value(4294967295), 0xFF, 0xFF, 0xFF, 0xFF),
      one_register(Type::Int8, signed_value(-2), 0x00, 0xFE),
      one_register(Type::Uint8, unsigned_value(254), 0x00, 0xFE),
      four_registers(Type::Int64, signed_value(0x0102030405060708), {1, 2, 3, 4, 5, 6, 7, 8}),
      four_registers(Type::Int64, signed_value(std::numeric_limits<std::int64_t>::min()), {0x80, 0, 0, 0, 0, 0, 0, 0}),
      four_registers(Type::Uint64, unsigned_value(9'007'199'254'740'993), {0, 0x20, 0, 0, 0, 0, 0, 1}),  // 2^53 + 1
      four_registers(Type::Uint64, unsigned_value(std::numeric_limits<std::uint64_t>::max()),
                     {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}),
      one_register(Type::Float16, 1.0, 0x3C, 0x00),
      one_register(Type::Float16, -2.0, 0xC0, 0x00),
      one_register(Type::Float16, 65504.0, 0x7B, 0xFF),
      one_register(Type::Float16, 0x1p-24, 0x00, 0x01),
      one_register(Type::Float16, 0x1p-14, 0x04, 0x00),
      one_register(Type::Float16, 0.333251953125, 0x35, 0x55),
      four_registers(Type::Float64, -123.456, {0xC0, 0x5E, 0xDD, 0x2F, 0x1A, 0x9F, 0xBE, 0x77}),
      four_registers(Type::Float64, 0x1p-1074, {0, 0, 0, 0, 0, 0, 0, 1}),
      one_register(Type::Bcd16, unsigned_value(1234), 0x12, 0x34),
      one_register(Type::Bcd16, unsigned_value(9999), 0x99, 0x99),
      two_registers(Type::Bcd32, unsigned_value(12345678), 0x12, 0x34, 0x56, 0x78),
      two_registers(Type::Float32, 123456.0, 0x47, 0xF1, 0x20, 0x00),
      two_registers(Type::Float32, -0.15625, 0xBE, 0x20, 0x00, 0x00),
      two_registers(Type::Float32, static_cast<double>(230.1f), 0x43, 0x66, 0x19, 0x9A),
      two_registers(Type::Float32, static_cast<double>(std::numeric_limits<float>::max()), 0x7F, 0x7F, 0xFF, 0xFF),
      two_registers(Type::Float32, static_cast<double>(std::numeric_limits<float>::denorm_min()), 0, 0, 0, 1),
  };
}

TEST(Decode, ReadsEveryTypeInEveryByteOrder) {
  for (const auto& wire : wire_cases()) {
    for (const auto order : kOrders) {
      SCOPED_TRACE(testing::PrintToString(wire.in(order)) + " as type " + std::to_string(static_cast<int>(wire.type)) +
                   " order " + std::to_string(static_cast<int>(order)));
      const auto result = decoded(wire.in(order), point_of(wire.type, order));
      EXPECT_EQ(result.quality, Quality::Good);
      EXPECT_EQ(result.failure, Failure::None);
      EXPECT_EQ(result.value, wire.value);
    }
  }
}

TEST(Encode, WritesTheSameBytes) {
  for (const auto& wire : wire_cases()) {
    for (const auto order : kOrders) {
      const bool half = wire.type == Type::Int8 || wire.type == Type::Uint8;  // the other half stays what it is
      std::vector<std::uint16_t> registers(registers_of(wire.type), half ? 0 : 0xAAAA);
      ASSERT_TRUE(encode(wire.value, wire.type, order, registers));
      EXPECT_EQ(registers, registers_from(wire.in(order)))
          << "type " << static_cast<int>(wire.type) << " order " << static_cast<int>(order);
    }
  }
}

// FAULTS 36
TEST(Decode, KeepsTheSignOfMinusZero) {
  const auto result = decoded({0x80, 0x00, 0x00, 0x00}, point_of(Type::Float32));
  ASSERT_EQ(result.quality, Quality::Good);
  EXPECT_EQ(std::get<double>(result.value), 0.0);
  EXPECT_TRUE(std::signbit(std::get<double>(result.value)));
}

TEST(Decode, TakesAnythingButZeroInARegisterForTrue) {
  EXPECT_EQ(decoded({0xFF, 0x00}, point_of(Type::Bool)).value, Value(true));
  EXPECT_EQ(decoded({0x80, 0x00}, point_of(Type::Bool)).value, Value(true));
}

TEST(Decode, ReadsOneBitWhereTheTableHoldsBits) {
  auto point = point_of(Type::Bool);
  point.table = Table::Coil;
  EXPECT_EQ(extent_of(point).width, 1u);
}

// FAULTS 36
TEST(Decode, CallsNaNAndTheInfinitiesInvalid) {
  const std::vector<Bytes> not_numbers{{0x7F, 0xC0, 0x00, 0x00},   // quiet NaN
                                       {0x7F, 0x80, 0x00, 0x01},   // signalling NaN
                                       {0xFF, 0xFF, 0xFF, 0xFF},   // what many devices send for "no value"
                                       {0x7F, 0x80, 0x00, 0x00},   // infinity
                                       {0xFF, 0x80, 0x00, 0x00}};  // minus infinity
  for (const auto& bytes : not_numbers) {
    for (const double scale : {1.0, 0.1}) {
      const auto result = decoded(bytes, point_of(Type::Float32, ByteOrder::ABCD, scale));
      EXPECT_EQ(result.quality, Quality::Bad) << testing::PrintToString(bytes);
      EXPECT_EQ(result.failure, Failure::Invalid) << testing::PrintToString(bytes);
    }
  }
}

TEST(Decode, CallsAValueThatItsScaleMakesInfiniteInvalid) {
  const auto result = decoded({0x7F, 0x7F, 0xFF, 0xFF}, point_of(Type::Float32, ByteOrder::ABCD, 1e300));
  EXPECT_EQ(result.failure, Failure::Invalid);
}

TEST(Decode, AppliesScaleAndThenOffset) {
  EXPECT_EQ(decoded({0x00, 0x0A}, point_of(Type::Int16, ByteOrder::ABCD, 2.5, -40)).value, Value(-15.0));
  EXPECT_EQ(decoded({0xFF, 0xFF}, point_of(Type::Int16, ByteOrder::ABCD, 2)).value, Value(-2.0));
  EXPECT_EQ(decoded({0xFF, 0xFF}, point_of(Type::Uint16, ByteOrder::ABCD, 1, 1)).value, Value(65536.0));
  EXPECT_EQ(decoded({0x40, 0x20, 0x00, 0x00}, point_of(Type::Float32, ByteOrder::ABCD, -4)).value, Value(-10.0));
}

TEST(Decode, GivesTheDecimalThatADecimalScaleMeans) {
  EXPECT_EQ(decoded({0x00, 0x03}, point_of(Type::Int16, ByteOrder::ABCD, 0.1)).value, Value(0.3));
  EXPECT_EQ(decoded({0x00, 0x07}, point_of(Type::Uint16, ByteOrder::ABCD, 0.01)).value, Value(0.07));
  EXPECT_EQ(decoded({0x00, 0x01, 0x86, 0xA1}, point_of(Type::Uint32, ByteOrder::ABCD, 0.001)).value, Value(100.001));
  EXPECT_EQ(decoded({0xFF, 0xFD}, point_of(Type::Int16, ByteOrder::ABCD, -0.1)).value, Value(0.3));
}

TEST(Decode, CallsTheWrongNumberOfRegistersInvalid) {
  const std::array<std::uint16_t, 5> registers{1, 2, 3, 4, 5};
  for (const auto type : kNumbers) {
    for (std::size_t count = 0; count <= registers.size(); ++count) {
      const auto result = decode(std::span(registers).first(count), point_of(type));
      EXPECT_EQ(result.failure == Failure::None, count == registers_of(type)) << static_cast<int>(type) << " " << count;
    }
  }
}

TEST(Encode, RefusesWhatTheTypeCannotHold) {
  struct Refused {
    Type type;
    Value value;
  };
  const std::vector<Refused> cases{{Type::Int16, signed_value(32768)},
                                   {Type::Int16, signed_value(-32769)},
                                   {Type::Int16, 32767.5},
                                   {Type::Int16, unsigned_value(std::numeric_limits<std::uint64_t>::max())},
                                   {Type::Uint16, signed_value(-1)},
                                   {Type::Uint16, -0.6},
                                   {Type::Uint16, 65535.5},
                                   {Type::Int32, 2147483648.0},
                                   {Type::Uint32, signed_value(4294967296)},
                                   {Type::Bool, signed_value(2)},
                                   {Type::Uint16, std::nan("")},
                                   {Type::Int32, std::numeric_limits<double>::infinity()},
                                   {Type::Float32, 1e39},
                                   {Type::Uint16, std::string("12")},
                                   {Type::Float32, std::string("12")},
                                   {Type::Int8, signed_value(128)},
                                   {Type::Uint8, signed_value(256)},
                                   {Type::Int64, 0x1p63},
                                   {Type::Uint64, 0x1p64},
                                   {Type::Uint64, signed_value(-1)},
                                   {Type::Float16, 65505.0},
                                   {Type::Bcd16, signed_value(10'000)},
                                   {Type::Bcd32, signed_value(100'000'000)},
                                   {Type::Bcd32, signed_value(-1)}};
  for (const auto& refused : cases) {
    std::vector<std::uint16_t> registers(registers_of(refused.type), 0x1234);
    EXPECT_FALSE(encode(refused.value, refused.type, ByteOrder::ABCD, registers)) << "case " << &refused - cases.data();
    EXPECT_EQ(registers, std::vector<std::uint16_t>(registers_of(refused.type), 0x1234));
  }
}

TEST(Encode, RoundsToTheNearestInteger) {
  std::array<std::uint16_t, 1> registers{};
  ASSERT_TRUE(encode(-1.5, Type::Int16, ByteOrder::ABCD, registers));
  EXPECT_EQ(registers[0], 0xFFFE);
  ASSERT_TRUE(encode(-0.4, Type::Uint16, ByteOrder::ABCD, registers));
  EXPECT_EQ(registers[0], 0);
  ASSERT_TRUE(encode(true, Type::Uint16, ByteOrder::ABCD, registers));
  EXPECT_EQ(registers[0], 1);
}

TEST(Encode, RefusesASpanOfAnotherSize) {
  std::array<std::uint16_t, 2> registers{7, 7};
  EXPECT_FALSE(encode(signed_value(1), Type::Int16, ByteOrder::ABCD, registers));
  EXPECT_FALSE(encode(signed_value(1), Type::Int32, ByteOrder::ABCD, std::span(registers).first(1)));
  EXPECT_EQ(registers, (std::array<std::uint16_t, 2>{7, 7}));
}

RC_GTEST_PROP(Encode, IsUndoneByDecodeForEveryInteger, (std::uint32_t raw)) {
  for (const auto order : kOrders) {
    const std::array<std::pair<Type, Value>, 4> values{
        std::pair{Type::Int16, signed_value(static_cast<std::int16_t>(raw))},
        std::pair{Type::Uint16, unsigned_value(static_cast<std::uint16_t>(raw))},
        std::pair{Type::Int32, signed_value(static_cast<std::int32_t>(raw))},
        std::pair{Type::Uint32, unsigned_value(raw)}};
    for (const auto& [type, value] : values) {
      std::vector<std::uint16_t> registers(registers_of(type));
      RC_ASSERT(encode(value, type, order, registers));
      RC_ASSERT(decode(registers, point_of(type, order)).value == value);
    }
  }
}

RC_GTEST_PROP(Encode, IsUndoneByDecodeForEveryFloat, (std::uint32_t bits)) {
  const double number = std::bit_cast<float>(bits);
  for (const auto order : kOrders) {
    std::array<std::uint16_t, 2> registers{};
    RC_ASSERT(encode(number, Type::Float32, order, registers));
    const auto result = decode(registers, point_of(Type::Float32, order));
    if (std::isfinite(number)) {
      RC_ASSERT(std::bit_cast<std::uint64_t>(std::get<double>(result.value)) == std::bit_cast<std::uint64_t>(number));
    } else {
      RC_ASSERT(result.failure == Failure::Invalid);
    }
  }
}

}  // namespace
}  // namespace ferrule::drivers::modbus

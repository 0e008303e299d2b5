#include "drivers/modbus/layout.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ferrule::drivers::modbus {

namespace {

constexpr bool swaps_registers(ByteOrder order) { return order == ByteOrder::CDAB || order == ByteOrder::DCBA; }

constexpr int kHalfMantissaBits = 10;
constexpr int kHalfBias = 15;
constexpr double kLargestHalf = 65504;
constexpr double kSmallestNormalHalf = 0x1p-14;

Layout whole(const Encoding& encoding) {
  const std::uint8_t shift = encoding.high_byte ? 8 : 0;
  switch (encoding.type) {
    case Type::Bool:
      return {Kind::Boolean, 1, 0, 16};
    case Type::Int8:
      return {Kind::Signed, 1, shift, 8};
    case Type::Uint8:
      return {Kind::Unsigned, 1, shift, 8};
    case Type::Int16:
      return {Kind::Signed, 1, 0, 16};
    case Type::Uint16:
      return {Kind::Unsigned, 1, 0, 16};
    case Type::Int32:
      return {Kind::Signed, 2, 0, 32};
    case Type::Uint32:
      return {Kind::Unsigned, 2, 0, 32};
    case Type::Int64:
      return {Kind::Signed, 4, 0, 64};
    case Type::Uint64:
      return {Kind::Unsigned, 4, 0, 64};
    case Type::Float16:
      return {Kind::Real, 1, 0, 16};
    case Type::Float32:
      return {Kind::Real, 2, 0, 32};
    case Type::Float64:
      return {Kind::Real, 4, 0, 64};
    case Type::Bcd16:
      return {Kind::Bcd, 1, 0, 16};
    case Type::Bcd32:
      return {Kind::Bcd, 2, 0, 32};
    case Type::String: {
      const int registers = encoding.packing == Packing::Two ? (encoding.length + 1) / 2 : encoding.length;
      return {Kind::Text, static_cast<std::uint16_t>(std::max(registers, 1)), 0, 0};
    }
  }
  return {Kind::Unsigned, 1, 0, 16};
}

}  // namespace

Layout layout_of(const Encoding& encoding) {
  auto layout = whole(encoding);
  if (encoding.bit_count > 0) {
    layout.shift = encoding.bit;
    layout.bits = encoding.bit_count;
  }
  return layout;
}

std::uint64_t join(std::span<const std::uint16_t> registers, ByteOrder order) {
  std::uint64_t raw = 0;
  for (std::size_t i = 0; i < registers.size(); ++i) {
    const auto word = registers[swaps_registers(order) ? registers.size() - 1 - i : i];
    raw = raw << 16 | (swaps_bytes(order) ? swapped(word) : word);
  }
  return raw;
}

void spread(std::uint64_t raw, ByteOrder order, std::span<std::uint16_t> registers) {
  for (std::size_t i = registers.size(); i-- > 0; raw >>= 16) {
    const auto word = static_cast<std::uint16_t>(raw);
    registers[swaps_registers(order) ? registers.size() - 1 - i : i] = swaps_bytes(order) ? swapped(word) : word;
  }
}

// sign 15 | exponent 14..10 | mantissa 9..0
double from_half(std::uint16_t bits) {
  const int exponent = bits >> kHalfMantissaBits & 0x1F;
  const int mantissa = bits & 0x3FF;
  double magnitude = 0;
  if (exponent == 0x1F) {
    magnitude = mantissa == 0 ? std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  } else if (exponent == 0) {
    magnitude = std::ldexp(mantissa, 1 - kHalfBias - kHalfMantissaBits);
  } else {
    magnitude = std::ldexp(mantissa + 0x400, exponent - kHalfBias - kHalfMantissaBits);
  }
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

std::uint16_t to_half(double number) {
  const auto sign = static_cast<std::uint16_t>(std::signbit(number) ? 0x8000 : 0);
  if (std::isnan(number)) return static_cast<std::uint16_t>(sign | 0x7E00);
  const double magnitude = std::abs(number);
  if (magnitude >= kLargestHalf + 16) return static_cast<std::uint16_t>(sign | 0x7C00);  // half a step beyond the last
  const int exponent = magnitude < kSmallestNormalHalf ? 1 - kHalfBias : std::ilogb(magnitude);
  // A mantissa that rounds up to the next power of two carries into the exponent's bits, as it should.
  const auto steps = static_cast<int>(std::nearbyint(std::ldexp(magnitude, kHalfMantissaBits - exponent)));
  const int biased = magnitude < kSmallestNormalHalf ? 0 : (exponent + kHalfBias - 1) << kHalfMantissaBits;
  return static_cast<std::uint16_t>(sign | (biased + steps));
}

}  // namespace ferrule::drivers::modbus

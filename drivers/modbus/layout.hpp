// How the types of values lie in registers: what decoding and encoding share.
#pragma once

#include <cstdint>
#include <span>

#include "drivers/settings.hpp"

namespace ferrule::drivers::modbus {

enum class Kind : std::uint8_t { Boolean, Signed, Unsigned, Real, Bcd, Text };

/// A number of any width is `registers` registers, joined to one integer, of which the value is `bits` bits from
/// `shift` on.
struct Layout {
  Kind kind;
  std::uint16_t registers;
  std::uint8_t shift;
  std::uint8_t bits;  ///< 1 to 64; not for Kind::Text
};

Layout layout_of(const Encoding& encoding);

/// `bits` ones, 1 to 64.
constexpr std::uint64_t ones(int bits) { return ~std::uint64_t{0} >> (64 - bits); }

constexpr std::int64_t extend_sign(std::uint64_t raw, int bits) {
  return static_cast<std::int64_t>(raw << (64 - bits)) >> (64 - bits);
}

constexpr std::uint16_t swapped(std::uint16_t word) { return static_cast<std::uint16_t>(word << 8 | word >> 8); }
constexpr bool swaps_bytes(ByteOrder order) { return order == ByteOrder::BADC || order == ByteOrder::DCBA; }

/// At most four registers as one integer and back. The bytes as the device sends them, A the most significant:
///   ABCD: A B | C D    BADC: B A | D C    CDAB: C D | A B    DCBA: D C | B A
std::uint64_t join(std::span<const std::uint16_t> registers, ByteOrder order);
void spread(std::uint64_t raw, ByteOrder order, std::span<std::uint16_t> registers);

/// IEEE 754 binary16, which has no C++ type here.
double from_half(std::uint16_t bits);
std::uint16_t to_half(double number);  ///< rounded to nearest, ties to even; beyond 65504: infinity

}  // namespace ferrule::drivers::modbus

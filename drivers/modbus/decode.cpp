#include "drivers/modbus/decode.hpp"

#include <bit>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

namespace ferrule::drivers::modbus {

namespace {

enum class Kind : std::uint8_t { Boolean, Signed, Unsigned, Real };

// A number of any width is `registers` registers, read as one raw integer, of a kind. Wider ones are rows here.
struct Layout {
  Kind kind;
  std::uint16_t registers;
};

constexpr Layout layout_of(Type type) {
  switch (type) {
    case Type::Bool:
      return {Kind::Boolean, 1};
    case Type::Int16:
      return {Kind::Signed, 1};
    case Type::Uint16:
      return {Kind::Unsigned, 1};
    case Type::Int32:
      return {Kind::Signed, 2};
    case Type::Uint32:
      return {Kind::Unsigned, 2};
    case Type::Float32:
      return {Kind::Real, 2};
  }
  return {Kind::Unsigned, 1};
}

constexpr bool swaps_bytes(ByteOrder order) { return order == ByteOrder::BADC || order == ByteOrder::DCBA; }
constexpr bool swaps_registers(ByteOrder order) { return order == ByteOrder::CDAB || order == ByteOrder::DCBA; }
constexpr std::uint16_t swapped(std::uint16_t word) { return static_cast<std::uint16_t>(word << 8 | word >> 8); }

// The bytes as the device sends them, A the most significant of the value:
//   ABCD: A B | C D    BADC: B A | D C    CDAB: C D | A B    DCBA: D C | B A
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

constexpr std::int64_t extend_sign(std::uint64_t raw, int bits) {
  return static_cast<std::int64_t>(raw << (64 - bits)) >> (64 - bits);
}

// raw * 0.1 is 0.30000000000000004 for 3, raw / 10 the double nearest to 0.3: divide where the scale is one over an
// integer.
double scaled(double raw, const PointSettings& point) {
  const double divisor = std::round(1 / point.scale);
  const bool divide = std::abs(point.scale) < 1 && 1 / divisor == point.scale;
  return (divide ? raw / divisor : raw * point.scale) + point.offset;
}

Decoded finite(double number) {
  if (!std::isfinite(number)) return {false, Quality::Bad, Failure::Invalid};
  return {number};
}

template <class Integer>
Decoded integer(Integer raw, const PointSettings& point) {
  if (point.scale == 1 && point.offset == 0) return {raw};
  return finite(scaled(static_cast<double>(raw), point));
}

// The nearest integer of a value that is a number and lies within [min, max].
template <class Integer>
std::optional<Integer> nearest_integer(const Value& value, Integer min, Integer max) {
  if (const auto* boolean = std::get_if<bool>(&value)) return static_cast<Integer>(*boolean ? 1 : 0);
  const auto bounded = [&](auto number) -> std::optional<Integer> {
    if (std::cmp_less(number, min) || std::cmp_greater(number, max)) return std::nullopt;
    return static_cast<Integer>(number);
  };
  if (const auto* number = std::get_if<std::int64_t>(&value)) return bounded(*number);
  if (const auto* number = std::get_if<std::uint64_t>(&value)) return bounded(*number);
  if (const auto* number = std::get_if<double>(&value)) {
    const double rounded = std::round(*number);
    // The largest 64-bit integers round up to a power of two that they cannot hold: hence `<` against max + 1.
    if (!(rounded >= static_cast<double>(min) && rounded < static_cast<double>(max) + 1)) return std::nullopt;
    return static_cast<Integer>(rounded);
  }
  return std::nullopt;
}

std::optional<double> real(const Value& value) {
  if (const auto* boolean = std::get_if<bool>(&value)) return *boolean ? 1 : 0;
  if (const auto* number = std::get_if<std::int64_t>(&value)) return static_cast<double>(*number);
  if (const auto* number = std::get_if<std::uint64_t>(&value)) return static_cast<double>(*number);
  if (const auto* number = std::get_if<double>(&value)) return *number;
  return std::nullopt;
}

std::optional<std::uint64_t> raw_real(const Value& value) {
  const auto number = real(value);
  if (!number) return std::nullopt;
  const bool fits = !std::isfinite(*number) || std::abs(*number) <= std::numeric_limits<float>::max();
  if (!fits) return std::nullopt;
  return std::bit_cast<std::uint32_t>(static_cast<float>(*number));
}

std::optional<std::uint64_t> raw_of(const Value& value, const Layout& layout) {
  const int bits = 16 * layout.registers;
  switch (layout.kind) {
    case Kind::Boolean:
      return nearest_integer<std::uint64_t>(value, 0, 1);
    case Kind::Unsigned:
      return nearest_integer<std::uint64_t>(value, 0, std::numeric_limits<std::uint64_t>::max() >> (64 - bits));
    case Kind::Signed: {
      const auto max = std::numeric_limits<std::int64_t>::max() >> (64 - bits);
      const auto number = nearest_integer<std::int64_t>(value, -max - 1, max);
      if (!number) return std::nullopt;
      return static_cast<std::uint64_t>(*number);
    }
    case Kind::Real:
      return raw_real(value);
  }
  return std::nullopt;
}

}  // namespace

std::uint16_t registers_of(Type type) { return layout_of(type).registers; }

std::uint16_t width_of(const PointSettings& point) { return is_bits(point.table) ? 1 : registers_of(point.type); }

Decoded decode(std::span<const std::uint16_t> registers, const PointSettings& point) {
  const auto layout = layout_of(point.type);
  if (registers.size() != layout.registers) return {false, Quality::Bad, Failure::Invalid};
  const auto raw = join(registers, point.byte_order);
  switch (layout.kind) {
    case Kind::Boolean:
      return {raw != 0};
    case Kind::Signed:
      return integer(extend_sign(raw, 16 * layout.registers), point);
    case Kind::Unsigned:
      return integer(raw, point);
    case Kind::Real: {
      const double number = std::bit_cast<float>(static_cast<std::uint32_t>(raw));
      return finite(point.scale == 1 && point.offset == 0 ? number : scaled(number, point));
    }
  }
  return {false, Quality::Bad, Failure::Invalid};
}

Decoded decode_bit(bool bit, const PointSettings&) { return {bit}; }

bool encode(const Value& value, Type type, ByteOrder order, std::span<std::uint16_t> registers) {
  const auto layout = layout_of(type);
  if (registers.size() != layout.registers) return false;
  const auto raw = raw_of(value, layout);
  if (raw) spread(*raw, order, registers);
  return raw.has_value();
}

}  // namespace ferrule::drivers::modbus

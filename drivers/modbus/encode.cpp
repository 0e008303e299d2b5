#include <bit>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "drivers/modbus/decode.hpp"
#include "drivers/modbus/layout.hpp"

namespace ferrule::drivers::modbus {

namespace {

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

std::optional<std::uint64_t> raw_real(const Value& value, int bits) {
  const auto number = real(value);
  if (!number) return std::nullopt;
  if (bits == 64) return std::bit_cast<std::uint64_t>(*number);
  const double largest = bits == 16 ? 65504 : std::numeric_limits<float>::max();
  if (std::isfinite(*number) && std::abs(*number) > largest) return std::nullopt;
  if (bits == 16) return to_half(*number);
  return std::bit_cast<std::uint32_t>(static_cast<float>(*number));
}

std::optional<std::uint64_t> to_bcd(const Value& value, int bits) {
  auto number = nearest_integer<std::uint64_t>(value, 0, bits == 16 ? 9'999 : 99'999'999);
  if (!number) return std::nullopt;
  std::uint64_t digits = 0;
  for (int shift = 0; shift < bits; shift += 4, *number /= 10) digits |= *number % 10 << shift;
  return digits;
}

std::optional<std::uint64_t> raw_of(const Value& value, const Layout& layout) {
  switch (layout.kind) {
    case Kind::Boolean:
      return nearest_integer<std::uint64_t>(value, 0, 1);
    case Kind::Unsigned:
      return nearest_integer<std::uint64_t>(value, 0, ones(layout.bits));
    case Kind::Signed: {
      const auto max = static_cast<std::int64_t>(ones(layout.bits) >> 1);
      const auto number = nearest_integer<std::int64_t>(value, -max - 1, max);
      if (!number) return std::nullopt;
      return static_cast<std::uint64_t>(*number) & ones(layout.bits);
    }
    case Kind::Real:
      return raw_real(value, layout.bits);
    case Kind::Bcd:
      return to_bcd(value, layout.bits);
    case Kind::Text:
      return std::nullopt;
  }
  return std::nullopt;
}

bool encode_text(const Value& value, const Encoding& encoding, std::span<std::uint16_t> registers) {
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr || text->size() > encoding.length) return false;
  const auto byte = [&](std::size_t at) {
    return static_cast<std::uint16_t>(at < text->size() ? static_cast<unsigned char>((*text)[at]) : 0);
  };
  for (std::size_t i = 0; i < registers.size(); ++i) {
    const auto word =
        encoding.packing == Packing::Two ? static_cast<std::uint16_t>(byte(2 * i) << 8 | byte(2 * i + 1)) : byte(i);
    registers[i] = swaps_bytes(encoding.byte_order) ? swapped(word) : word;
  }
  return true;
}

}  // namespace

bool encode(const Value& value, const Encoding& encoding, std::span<std::uint16_t> registers) {
  const auto layout = layout_of(encoding);
  if (registers.size() != layout.registers) return false;
  if (layout.kind == Kind::Text) return encode_text(value, encoding, registers);
  const auto raw = raw_of(value, layout);
  if (!raw) return false;
  const auto others = join(registers, encoding.byte_order) & ~(ones(layout.bits) << layout.shift);
  spread(others | *raw << layout.shift, encoding.byte_order, registers);
  return true;
}

}  // namespace ferrule::drivers::modbus

#include "drivers/modbus/decode.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <optional>
#include <string>

#include "config/utf8.hpp"
#include "drivers/modbus/layout.hpp"

namespace ferrule::drivers::modbus {

namespace {

constexpr int kMaxScaleFactor = 10;  // SunSpec Information Model Specification, "sunssf"

Decoded invalid() { return {false, Quality::Bad, Failure::Invalid}; }

Decoded finite(double number) {
  if (!std::isfinite(number)) return invalid();
  return {number};
}

std::optional<std::uint64_t> from_bcd(std::uint64_t digits, int bits) {
  std::uint64_t number = 0;
  for (int shift = bits - 4; shift >= 0; shift -= 4) {
    const auto digit = digits >> shift & 0xF;
    if (digit > 9) return std::nullopt;
    number = number * 10 + digit;
  }
  return number;
}

double real(std::uint64_t raw, int bits) {
  switch (bits) {
    case 16:
      return from_half(static_cast<std::uint16_t>(raw));
    case 32:
      return std::bit_cast<float>(static_cast<std::uint32_t>(raw));
    default:
      return std::bit_cast<double>(raw);
  }
}

std::string text(std::span<const std::uint16_t> registers, const Encoding& encoding) {
  std::string bytes;
  for (const auto word : registers) {
    const auto ordered = swaps_bytes(encoding.byte_order) ? swapped(word) : word;
    if (encoding.packing == Packing::Two) bytes += static_cast<char>(ordered >> 8);
    bytes += static_cast<char>(ordered & 0xFF);
  }
  bytes.resize(std::min<std::size_t>(bytes.size(), encoding.length));
  bytes.resize(std::min(bytes.size(), bytes.find('\0')));
  bytes.erase(bytes.find_last_not_of(" \t\r\n") + 1);
  return config::first_invalid_utf8(bytes) == std::string::npos ? bytes : config::from_latin1(bytes);
}

// raw * 0.1 is 0.30000000000000004 for 3, raw / 10 the double nearest to 0.3: divide where the scale is one over an
// integer.
double scaled(double raw, const Encoding& encoding, int factor) {
  if (factor != 0) raw = factor < 0 ? raw / std::pow(10, -factor) : raw * std::pow(10, factor);
  const double divisor = std::round(1 / encoding.scale);
  const bool divide = std::abs(encoding.scale) < 1 && 1 / divisor == encoding.scale;
  return (divide ? raw / divisor : raw * encoding.scale) + encoding.offset;
}

// A raw number as the value of its type, before scaling. Nothing: the registers hold no number.
std::optional<Value> number_of(std::uint64_t raw, const Layout& layout) {
  switch (layout.kind) {
    case Kind::Boolean:
      return raw != 0;
    case Kind::Signed:
      return extend_sign(raw, layout.bits);
    case Kind::Unsigned:
      return raw;
    case Kind::Real: {
      const double number = real(raw, layout.bits);
      if (!std::isfinite(number)) return std::nullopt;
      return number;
    }
    case Kind::Bcd: {
      const auto number = from_bcd(raw, layout.bits);
      if (!number) return std::nullopt;
      return *number;
    }
    case Kind::Text:
      return std::nullopt;
  }
  return std::nullopt;
}

std::optional<Value> raw_value(std::span<const std::uint16_t> registers, const Encoding& encoding,
                               const Layout& layout) {
  const auto raw = join(registers, encoding.byte_order) >> layout.shift & ones(layout.bits);
  if (std::ranges::find(encoding.invalid, raw) != encoding.invalid.end()) return std::nullopt;
  return number_of(raw, layout);
}

double as_double(const Value& value) {
  return std::visit(
      [](const auto& held) -> double {
        if constexpr (std::is_arithmetic_v<std::decay_t<decltype(held)>>) return static_cast<double>(held);
        return std::numeric_limits<double>::quiet_NaN();
      },
      value);
}

}  // namespace

std::uint16_t registers_of(const Encoding& encoding) { return layout_of(encoding).registers; }

double largest_count(const Encoding& encoding) {
  const auto layout = layout_of(encoding);
  switch (layout.kind) {
    case Kind::Signed:
      return std::exp2(layout.bits - 1) - 1;
    case Kind::Unsigned:
      return std::exp2(layout.bits) - 1;
    case Kind::Bcd:
      return std::pow(10, layout.bits / 4) - 1;
    default:
      return 0;
  }
}

Extent extent_of(const Encoding& encoding) {
  if (is_bits(encoding.table)) return {encoding.address, 1};
  const auto first = std::min(encoding.address, encoding.scale_factor.value_or(encoding.address));
  const auto end = std::max(std::uint32_t{encoding.address} + registers_of(encoding),
                            encoding.scale_factor ? *encoding.scale_factor + 1U : 0U);
  return {first, end - first};
}

Decoded decode(std::span<const std::uint16_t> registers, const Encoding& encoding) {
  const auto layout = layout_of(encoding);
  const auto extent = extent_of(encoding);
  if (registers.size() != extent.width) return invalid();
  const auto own = registers.subspan(static_cast<std::size_t>(encoding.address - extent.address), layout.registers);
  if (layout.kind == Kind::Text) return {text(own, encoding)};
  auto value = raw_value(own, encoding, layout);
  if (!value) return invalid();
  const bool plain = encoding.scale == 1 && encoding.offset == 0 && !encoding.scale_factor;
  if (layout.kind == Kind::Boolean || plain) return {std::move(*value)};
  int factor = 0;
  if (encoding.scale_factor) {
    const auto place = static_cast<std::size_t>(*encoding.scale_factor - extent.address);
    factor = static_cast<std::int16_t>(swaps_bytes(encoding.byte_order) ? swapped(registers[place]) : registers[place]);
    if (std::abs(factor) > kMaxScaleFactor) return invalid();
  }
  return finite(scaled(as_double(*value), encoding, factor));
}

double raw_number(std::span<const std::uint16_t> registers, const Encoding& encoding) {
  const auto layout = layout_of(encoding);
  const auto extent = extent_of(encoding);
  if (registers.size() != extent.width || layout.kind == Kind::Text) return std::numeric_limits<double>::quiet_NaN();
  const auto own = registers.subspan(static_cast<std::size_t>(encoding.address - extent.address), layout.registers);
  const auto value = raw_value(own, encoding, layout);
  return value ? as_double(*value) : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace ferrule::drivers::modbus

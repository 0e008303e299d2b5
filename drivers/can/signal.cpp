#include "drivers/can/signal.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace ferrule::drivers::can {

namespace {

using modbus::Decoded;
using Data = std::array<std::uint8_t, Frame::kMostBytes>;

constexpr unsigned kBits = 64;

std::uint64_t ones(unsigned count) { return count >= kBits ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1; }

// The place of a big endian signal's first bit, counted from the frame's most significant one.
unsigned first_bit(const Place& place) { return 8U * (place.start / 8U) + 7U - place.start % 8U; }

// How far the value's last bit is from the end of all 64, read in its byte order.
unsigned shift_of(const Place& place) {
  return place.big_endian ? kBits - first_bit(place) - place.length : place.start;
}

std::uint64_t join(const Data& data, bool big_endian) {
  std::uint64_t all = 0;
  for (std::size_t i = 0; i < data.size(); ++i) {
    all |= std::uint64_t{data[i]} << (8 * (big_endian ? data.size() - 1 - i : i));
  }
  return all;
}

void split(std::uint64_t all, bool big_endian, Data& data) {
  for (std::size_t i = 0; i < data.size(); ++i) {
    data[i] = static_cast<std::uint8_t>(all >> (8 * (big_endian ? data.size() - 1 - i : i)));
  }
}

std::int64_t with_sign(std::uint64_t raw, unsigned length) {
  const unsigned unused = kBits - length;
  return static_cast<std::int64_t>(raw << unused) >> unused;
}

bool is_unavailable(std::uint64_t raw, unsigned length) {
  switch (length) {
    case 1:
      return false;
    case 2:
      return raw >= 2;
    case 8:
    case 16:
    case 24:
    case 32:
      return raw >> (length - 8) >= 0xFE;
    default:
      return raw == ones(length);
  }
}

Decoded invalid() { return {false, Quality::Bad, Failure::Invalid}; }

Decoded real(double value) { return std::isfinite(value) ? Decoded{value} : invalid(); }

bool is_scaled(const Signal& signal) { return signal.scale != 1 || signal.offset != 0; }

double number_of(const Value& value) {
  return std::visit(
      [](const auto& held) {
        if constexpr (std::is_arithmetic_v<std::decay_t<decltype(held)>>) {
          return static_cast<double>(held);
        } else {
          return std::numeric_limits<double>::quiet_NaN();
        }
      },
      value);
}

// Integers that were not scaled, to the last digit.
std::optional<std::uint64_t> encode_exactly(const Signal& signal, const Value& value) {
  const auto length = signal.place.length;
  if (const auto* whole = std::get_if<std::uint64_t>(&value)) {
    const auto most = signal.number == Number::Signed ? ones(length - 1U) : ones(length);
    return *whole <= most ? std::optional(*whole) : std::nullopt;
  }
  const auto whole = std::get<std::int64_t>(value);
  if (signal.number == Number::Signed) {
    const auto raw = static_cast<std::uint64_t>(whole) & ones(length);
    return with_sign(raw, length) == whole ? std::optional(raw) : std::nullopt;
  }
  if (whole < 0 || static_cast<std::uint64_t>(whole) > ones(length)) return std::nullopt;
  return static_cast<std::uint64_t>(whole);
}

std::optional<std::uint64_t> encode_rounded(const Signal& signal, double number) {
  const auto raw = std::nearbyint(number);
  const bool is_signed = signal.number == Number::Signed;
  const double most = std::ldexp(1.0, signal.place.length - (is_signed ? 1 : 0));  // the first that is too large
  const double least = is_signed ? -most : 0.0;
  if (!(raw >= least && raw < most)) return std::nullopt;
  const auto bits =
      is_signed ? static_cast<std::uint64_t>(static_cast<std::int64_t>(raw)) : static_cast<std::uint64_t>(raw);
  return bits & ones(signal.place.length);
}

}  // namespace

std::size_t bytes_for(const Place& place) {
  const unsigned last = (place.big_endian ? first_bit(place) : place.start) + place.length - 1U;
  return last / 8 + 1;
}

std::uint64_t extract(const Data& data, const Place& place) {
  return join(data, place.big_endian) >> shift_of(place) & ones(place.length);
}

void insert(Data& data, const Place& place, std::uint64_t value) {
  const auto mask = ones(place.length) << shift_of(place);
  const auto others = join(data, place.big_endian) & ~mask;
  split(others | (value << shift_of(place) & mask), place.big_endian, data);
}

std::size_t bytes_for(const Signal& signal) {
  auto bytes = bytes_for(signal.place);
  for (const auto& selection : signal.when) bytes = std::max(bytes, bytes_for(selection.selector));
  return bytes;
}

bool is_selected(const Signal& signal, const Frame& frame) {
  return std::ranges::all_of(signal.when, [&](const Selection& selection) {
    const auto selected = extract(frame.data, selection.selector);
    return std::ranges::any_of(selection.ranges,
                               [&](const auto& range) { return selected >= range.first && selected <= range.second; });
  });
}

Decoded decode(const Signal& signal, const Frame& frame) {
  const auto raw = extract(frame.data, signal.place);
  if (std::ranges::find(signal.invalid, raw) != signal.invalid.end()) return invalid();
  const bool may_be_unavailable = signal.j1939 && (signal.number == Number::Unsigned || signal.number == Number::Bool);
  if (may_be_unavailable && is_unavailable(raw, signal.place.length)) return invalid();
  switch (signal.number) {
    case Number::Bool:
      return {raw != 0};
    case Number::Float32:
      return real(static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(raw))) * signal.scale +
                  signal.offset);
    case Number::Float64:
      return real(std::bit_cast<double>(raw) * signal.scale + signal.offset);
    case Number::Signed: {
      const auto number = with_sign(raw, signal.place.length);
      if (!is_scaled(signal)) return {number};
      return real(static_cast<double>(number) * signal.scale + signal.offset);
    }
    case Number::Unsigned:
      if (!is_scaled(signal)) return {raw};
      return real(static_cast<double>(raw) * signal.scale + signal.offset);
  }
  return invalid();
}

std::optional<std::uint64_t> encode(const Signal& signal, const Value& value) {
  if (std::holds_alternative<std::string>(value)) return std::nullopt;
  if (signal.number == Number::Bool) {
    const auto number = number_of(value);
    if (number != 0 && number != 1) return std::nullopt;
    return number != 0 ? 1 : 0;
  }
  const bool real_number = signal.number == Number::Float32 || signal.number == Number::Float64;
  const bool whole = std::holds_alternative<std::uint64_t>(value) || std::holds_alternative<std::int64_t>(value);
  if (!real_number && whole && !is_scaled(signal)) return encode_exactly(signal, value);
  const double number = (number_of(value) - signal.offset) / signal.scale;
  if (!std::isfinite(number)) return std::nullopt;
  if (signal.number == Number::Float64) return std::bit_cast<std::uint64_t>(number);
  if (signal.number != Number::Float32) return encode_rounded(signal, number);
  if (std::abs(number) > static_cast<double>(std::numeric_limits<float>::max())) return std::nullopt;
  return std::bit_cast<std::uint32_t>(static_cast<float>(number));
}

}  // namespace ferrule::drivers::can

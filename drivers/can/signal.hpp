// A signal: bits of a frame that are a number, and back.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "drivers/can/frame.hpp"
#include "drivers/modbus/decode.hpp"

namespace ferrule::drivers::can {

/// Where bits lie. Bits are numbered as in DBC files: bit n is bit n % 8 of byte n / 8, 0 being the least significant
/// one.
///
///   little endian (Intel, @1): `start` is the least significant bit, the value grows to higher numbers
///   big endian (Motorola, @0): `start` is the most significant bit, the value goes down to bit 0 of its byte and on
///                              from bit 7 of the next one
struct Place {
  std::uint8_t start = 0;   ///< 0..63
  std::uint8_t length = 1;  ///< 1..64
  bool big_endian = false;
};
/// How many bytes a frame must have to hold it; more than 8 when none can.
std::size_t bytes_for(const Place& place);
/// The bits as an unsigned number. The place must lie within 8 bytes.
std::uint64_t extract(const std::array<std::uint8_t, Frame::kMostBytes>& data, const Place& place);
/// Puts the low bits of `value` there and leaves all others as they are.
void insert(std::array<std::uint8_t, Frame::kMostBytes>& data, const Place& place, std::uint64_t value);

enum class Number : std::uint8_t {
  Unsigned,
  Signed,
  Float32,
  Float64,
  Bool,  ///< whether any bit is set
};

/// A multiplexed signal is there only while the selector has one of these values.
struct Selection {
  Place selector;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;  ///< from, to; both belong to it; at least one
};

struct Signal {
  Place place;
  Number number = Number::Unsigned;
  double scale = 1;
  double offset = 0;
  std::vector<std::uint64_t> invalid{};  ///< raw values that mean "there is none"
  bool j1939 = false;                    ///< unsigned: the highest values mean "error" and "not available"
  std::vector<Selection> when{};         ///< all must hold; outermost first
};
/// Bytes that a frame needs to hold the signal and what selects it.
std::size_t bytes_for(const Signal& signal);

/// Whether this frame is one that has the signal. It must be long enough.
bool is_selected(const Signal& signal, const Frame& frame);

/// The signal's value in a frame that is long enough and has it. Without scale and offset integers stay exact; with
/// them the result is `raw * scale + offset` as a double. Bad with Failure::Invalid: `invalid`, NaN and infinities, and
/// of J1939 what means error or not available (SAE J1939-71 5.1.2: for 8, 16, 24 and 32 bits a first byte of FE or FF,
/// for 2 bits 10 and 11; for other widths all ones).
modbus::Decoded decode(const Signal& signal, const Frame& frame);

/// The inverse: the raw bits, rounded to the nearest for integers. Nothing when the signal cannot hold the value.
std::optional<std::uint64_t> encode(const Signal& signal, const Value& value);

}  // namespace ferrule::drivers::can

// How frames are told apart in a stream of bytes, and how their checksum is written: plain values from the
// configuration.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "drivers/serial/crc.hpp"

namespace ferrule::drivers::serial {

/// The longest frame: of those that a terminator or silence ends, and of those that count their bytes (a damaged one is
/// looked for again at each of its bytes).
inline constexpr std::size_t kLongestText = 4096;
inline constexpr std::size_t kLongestCounted = 1024;

struct ChecksumRule {
  enum class Kind : std::uint8_t {
    None,
    Xor,             ///< of all bytes, 8 bits
    Sum8,            ///< lowest 8 bits of the sum
    Sum8Complement,  ///< makes the sum of all bytes and of itself 0
    Sum16,           ///< lowest 16 bits of the sum
    Crc,             ///< `crc`
  };
  Kind kind = Kind::None;
  const CrcModel* crc = nullptr;  ///< of Kind::Crc; from crc_models()
  bool hex = false;               ///< written as hexadecimal digits, two a byte; else as bytes
  bool little = false;            ///< lowest byte first
  std::string after;              ///< what stands between the covered bytes and the checksum: `*` in NMEA
  std::size_t from = 0;           ///< first byte of the frame that is covered

  std::size_t bytes() const {  ///< of its value: 1, 2 or 4; 0 for none
    switch (kind) {
      case Kind::None:
        return 0;
      case Kind::Sum16:
        return 2;
      case Kind::Crc:
        return crc->width / 8U;
      default:
        return 1;
    }
  }
  std::size_t size() const { return after.size() + bytes() * (hex ? 2 : 1); }  ///< in the frame
};

/// Where a frame says how long it is.
struct LengthField {
  std::size_t at = 0;      ///< offset in the frame
  std::uint8_t bytes = 1;  ///< 1 or 2
  bool little = false;
  int add = 0;  ///< whole frame = value + add
};

/// A frame is: start | ... | checksum | end. What ends it is a fixed length, a length field, silence, or else `end`.
struct FrameRule {
  std::string start;       ///< bytes with which every frame begins; may be empty
  std::string end;         ///< bytes with which it ends; may be empty unless nothing else ends it
  std::size_t length = 0;  ///< of the whole frame; 0: not fixed
  std::optional<LengthField> length_field;
  std::chrono::milliseconds gap{0};  ///< silence that ends a frame; 0: none does
  std::size_t max_length = 256;      ///< of the whole frame
  ChecksumRule checksum;

  bool counted() const { return length > 0 || length_field.has_value(); }
  std::size_t overhead() const { return start.size() + checksum.size() + end.size(); }
};

}  // namespace ferrule::drivers::serial

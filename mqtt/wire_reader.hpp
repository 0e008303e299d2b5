// Reads the data types of MQTT 5 section 1.5 from bytes that may end anywhere.
#pragma once

#include <cstdint>
#include <string_view>

#include "mqtt/wire.hpp"

namespace ferrule::mqtt {

/// What a Variable Byte Integer at the beginning of some bytes turned out to be.
struct VarInt {
  enum class State : std::uint8_t { Complete, Incomplete, TooLong, NotMinimal };
  State state = State::Incomplete;
  std::uint8_t size = 0;  ///< bytes it takes, when complete
  std::uint32_t value = 0;
};

constexpr VarInt read_varint(std::string_view bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    if (i == bytes.size()) return {VarInt::State::Incomplete, 0, 0};
    const auto byte = static_cast<std::uint8_t>(bytes[i]);
    value |= static_cast<std::uint32_t>(byte & 0x7F) << (7 * i);
    if ((byte & 0x80) == 0) {
      const bool minimal = byte != 0 || i == 0;  // [MQTT-1.5.5-1]
      return {minimal ? VarInt::State::Complete : VarInt::State::NotMinimal, static_cast<std::uint8_t>(i + 1), value};
    }
  }
  return {VarInt::State::TooLong, 0, 0};
}

/// Takes one value after the other; each call returns false, and takes nothing, when the bytes end before the value
/// does.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  bool empty() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }

  bool u8(std::uint8_t& value) {
    if (rest_.empty()) return false;
    value = byte(0);
    rest_.remove_prefix(1);
    return true;
  }
  bool u16(std::uint16_t& value) {
    if (rest_.size() < 2) return false;
    value = static_cast<std::uint16_t>(byte(0) << 8 | byte(1));
    rest_.remove_prefix(2);
    return true;
  }
  bool u32(std::uint32_t& value) {
    if (rest_.size() < 4) return false;
    value = std::uint32_t{byte(0)} << 24 | std::uint32_t{byte(1)} << 16 | std::uint32_t{byte(2)} << 8 | byte(3);
    rest_.remove_prefix(4);
    return true;
  }
  /// Bytes with their length, 0..65,535, in two bytes in front: text and binary data.
  bool counted(std::string_view& bytes) {
    if (rest_.size() < 2) return false;
    const std::size_t size = static_cast<std::size_t>(byte(0) << 8 | byte(1));
    if (rest_.size() - 2 < size) return false;
    bytes = rest_.substr(2, size);
    rest_.remove_prefix(2 + size);
    return true;
  }
  bool take(std::size_t size, std::string_view& bytes) {
    if (rest_.size() < size) return false;
    bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return true;
  }
  void skip(std::size_t size) { rest_.remove_prefix(size); }

 private:
  std::uint8_t byte(std::size_t i) const { return static_cast<std::uint8_t>(rest_[i]); }
  std::string_view rest_;
};

}  // namespace ferrule::mqtt

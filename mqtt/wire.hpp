// The words that framing, codec and properties share: versions, packet types, and a packet cut out of the stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ferrule::mqtt {

/// The protocol level as CONNECT carries it. Data, not a type: one session serves all three.
enum class Version : std::uint8_t { V31 = 3, V311 = 4, V5 = 5 };

/// The upper four bits of a packet's first byte (MQTT 5 table 2-1).
enum class PacketType : std::uint8_t {
  Reserved = 0,
  Connect = 1,
  Connack = 2,
  Publish = 3,
  Puback = 4,
  Pubrec = 5,
  Pubrel = 6,
  Pubcomp = 7,
  Subscribe = 8,
  Suback = 9,
  Unsubscribe = 10,
  Unsuback = 11,
  Pingreq = 12,
  Pingresp = 13,
  Disconnect = 14,
  Auth = 15,
};

/// Who sent a packet: some packets and properties are allowed in one direction only.
enum class Sender : std::uint8_t { Client, Server };

/// The largest Remaining Length that four bytes can hold (MQTT 5 section 1.5.5).
inline constexpr std::uint32_t kMaxRemainingLength = 268'435'455;

/// One whole packet as it came, not looked into yet. A view into the read buffer.
struct Frame {
  std::uint8_t first = 0;  ///< packet type and flags
  std::string_view body;   ///< what follows the Remaining Length

  PacketType type() const { return static_cast<PacketType>(first >> 4); }
  std::uint8_t flags() const { return first & 0x0F; }
};

/// Bytes that a Variable Byte Integer takes: 1 to 4. `value` <= kMaxRemainingLength.
constexpr std::size_t varint_size(std::uint32_t value) {
  return value < 128 ? 1 : value < 16'384 ? 2 : value < 2'097'152 ? 3 : 4;
}

}  // namespace ferrule::mqtt

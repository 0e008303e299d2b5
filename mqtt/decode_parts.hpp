// What the decoders of all packets share. For mqtt/decode*.cpp only.
#pragma once

#include <cstdint>
#include <string_view>

#include "mqtt/properties.hpp"
#include "mqtt/wire_reader.hpp"

namespace ferrule::mqtt {

inline tl::unexpected<Refusal> refuse(Reason code, const char* statement, std::string_view detail) {
  return tl::unexpected(Refusal{code, statement, detail});
}
inline tl::unexpected<Refusal> malformed(const char* statement, std::string_view detail) {
  return refuse(Reason::MalformedPacket, statement, detail);
}
inline tl::unexpected<Refusal> cut_off() { return malformed("MQTT5 2.1.4", "packet ends before its contents do"); }
inline tl::unexpected<Refusal> too_long() { return malformed("MQTT5 2.1.4", "bytes behind the packet's contents"); }

inline bool is_allowed(std::uint8_t code, PacketType type) { return (packets_allowing(code) & packet_bit(type)) != 0; }

/// The statement that restricts a packet's reason codes to its table.
inline const char* reason_statement(PacketType type) {
  switch (type) {
    case PacketType::Connack:
      return "MQTT-3.2.2-8";
    case PacketType::Puback:
      return "MQTT-3.4.2-1";
    case PacketType::Pubrec:
      return "MQTT-3.5.2-1";
    case PacketType::Pubrel:
      return "MQTT-3.6.2-1";
    case PacketType::Pubcomp:
      return "MQTT-3.7.2-1";
    case PacketType::Suback:
      return "MQTT-3.9.3-2";
    case PacketType::Unsuback:
      return "MQTT-3.11.3-2";
    case PacketType::Disconnect:
      return "MQTT-3.14.2-1";
    case PacketType::Auth:
      return "MQTT-3.15.2-1";
    default:
      return "MQTT5 2.4";
  }
}

inline Decoded<Reason> read_reason(Reader& in, PacketType type) {
  std::uint8_t code = 0;
  if (!in.u8(code)) return cut_off();
  if (!is_allowed(code, type)) {
    return refuse(Reason::ProtocolError, reason_statement(type), "reason code not allowed in this packet");
  }
  return static_cast<Reason>(code);
}

/// Property Length and properties; nothing before MQTT 5.
inline Decoded<Properties> read_properties(Reader& in, Version version, PacketType place, Sender sender) {
  if (version != Version::V5) return Properties{};
  const VarInt length = read_varint(in.rest());
  if (length.state == VarInt::State::Incomplete) return cut_off();
  if (length.state != VarInt::State::Complete) {
    return malformed("MQTT-1.5.5-1", "Property Length is not in its shortest form");
  }
  in.skip(length.size);
  std::string_view encoded;
  if (!in.take(length.value, encoded)) return cut_off();
  if (encoded.empty()) return Properties{};
  return Properties::parse(encoded, place, sender);
}

inline Decoded<std::uint16_t> read_packet_id(Reader& in, const char* statement) {
  std::uint16_t id = 0;
  if (!in.u16(id)) return cut_off();
  if (id == 0) return refuse(Reason::ProtocolError, statement, "packet identifier 0");
  return id;
}

/// Packets other than PUBLISH have fixed flags. MQTT 3.1 lets a repeated PUBREL, SUBSCRIBE and UNSUBSCRIBE set DUP.
inline Decoded<void> check_flags(const Frame& frame, Version version, unsigned expected, const char* statement) {
  const unsigned dup = version == Version::V31 && expected == 0x02 ? 0x08 : 0;
  if ((frame.flags() & ~dup) == expected) return {};
  return malformed(statement, "reserved flags of the fixed header");
}

}  // namespace ferrule::mqtt

#include <cassert>

#include "mqtt/codec.hpp"
#include "mqtt/wire_writer.hpp"

namespace ferrule::mqtt {
namespace {

constexpr std::uint8_t first_byte(PacketType type, unsigned flags = 0) {
  return static_cast<std::uint8_t>(static_cast<unsigned>(type) << 4 | flags);
}

template <typename Out>
void put_properties(const Properties& properties, Version version, Out& out) {
  if (version != Version::V5) return;
  out.varint(properties.encoded().size());  // [MQTT-2.2.2-1]
  out.bytes(properties.encoded());
}

std::uint8_t byte(Reason reason) { return static_cast<std::uint8_t>(reason); }

// `first` is a packet's first byte, `put` writes what follows the Remaining Length; the layouts are drawn in
// decode.cpp.

std::uint8_t first(const Connect&) { return first_byte(PacketType::Connect); }

template <typename Out>
void put(const Connect& packet, Version, Out& out) {
  out.counted(packet.version == Version::V31 ? "MQIsdp" : "MQTT");  // [MQTT-3.1.2-1]
  out.u8(static_cast<std::size_t>(packet.version));
  unsigned flags = packet.clean_start ? 0x02 : 0;
  if (packet.will) flags |= 0x04U | static_cast<unsigned>(packet.will->qos) << 3 | (packet.will->retain ? 0x20U : 0);
  if (packet.password) flags |= 0x40;
  if (packet.user_name) flags |= 0x80;
  out.u8(flags);
  out.u16(static_cast<std::size_t>(packet.keep_alive.count()));
  put_properties(packet.properties, packet.version, out);
  out.counted(packet.client_id);  // [MQTT-3.1.3-1]
  if (packet.will) {
    put_properties(packet.will->properties, packet.version, out);
    out.counted(packet.will->topic);
    out.counted(packet.will->payload);
  }
  if (packet.user_name) out.counted(*packet.user_name);
  if (packet.password) out.counted(*packet.password);
}

std::uint8_t first(const Connack&) { return first_byte(PacketType::Connack); }

template <typename Out>
void put(const Connack& packet, Version version, Out& out) {
  out.u8(packet.session_present && packet.reason == Reason::Success);  // [MQTT-3.2.2-1] [MQTT-3.2.2-6]
  out.u8(version == Version::V5 ? byte(packet.reason) : connack_return_code(packet.reason));
  put_properties(packet.properties, version, out);
}

std::uint8_t first(const Publish& packet) {
  const bool dup = packet.dup && packet.qos != Qos::AtMostOnce;  // [MQTT-3.3.1-2]
  return first_byte(PacketType::Publish,
                    (dup ? 8U : 0) | static_cast<unsigned>(packet.qos) << 1 | (packet.retain ? 1U : 0));
}

template <typename Out>
void put(const Publish& packet, Version version, Out& out) {
  out.counted(packet.topic);                                     // [MQTT-3.3.2-1]
  if (packet.qos != Qos::AtMostOnce) out.u16(packet.packet_id);  // [MQTT-2.2.1-2]
  put_properties(packet.properties, version, out);
  out.bytes(packet.payload);
}

std::uint8_t first(const Ack& packet) {
  return first_byte(packet.type, packet.type == PacketType::Pubrel ? 2 : 0);  // [MQTT-3.6.1-1]
}

template <typename Out>
void put(const Ack& packet, Version version, Out& out) {
  out.u16(packet.packet_id);
  if (version != Version::V5) return;
  if (packet.reason == Reason::Success && packet.properties.empty()) return;
  out.u8(byte(packet.reason));
  if (!packet.properties.empty()) put_properties(packet.properties, version, out);
}

std::uint8_t first(const Subscribe&) { return first_byte(PacketType::Subscribe, 2); }  // [MQTT-3.8.1-1]

template <typename Out>
void put(const Subscribe& packet, Version version, Out& out) {
  out.u16(packet.packet_id);
  put_properties(packet.properties, version, out);
  out.bytes(packet.entries.encoded());
}

std::uint8_t first(const Suback&) { return first_byte(PacketType::Suback); }

template <typename Out>
void put(const Suback& packet, Version version, Out& out) {
  out.u16(packet.packet_id);
  put_properties(packet.properties, version, out);
  if (version == Version::V5) return out.bytes(packet.codes);
  for (const char code : packet.codes) {  // MQTT 3.1.1 has one code for every failure [MQTT-3.9.3-2 (3.1.1)]
    const auto reason = static_cast<Reason>(code);
    out.u8(is_error(reason) ? byte(Reason::UnspecifiedError) : byte(reason));
  }
}

std::uint8_t first(const Unsubscribe&) { return first_byte(PacketType::Unsubscribe, 2); }  // [MQTT-3.10.1-1]

template <typename Out>
void put(const Unsubscribe& packet, Version version, Out& out) {
  out.u16(packet.packet_id);
  put_properties(packet.properties, version, out);
  out.bytes(packet.filters.encoded());
}

std::uint8_t first(const Unsuback&) { return first_byte(PacketType::Unsuback); }

template <typename Out>
void put(const Unsuback& packet, Version version, Out& out) {
  out.u16(packet.packet_id);
  put_properties(packet.properties, version, out);
  if (version == Version::V5) out.bytes(packet.codes);
}

std::uint8_t first(Pingreq) { return first_byte(PacketType::Pingreq); }
std::uint8_t first(Pingresp) { return first_byte(PacketType::Pingresp); }

template <typename Out>
void put(Pingreq, Version, Out&) {}
template <typename Out>
void put(Pingresp, Version, Out&) {}

std::uint8_t first(const Disconnect&) { return first_byte(PacketType::Disconnect); }

template <typename Out>
void put(const Disconnect& packet, Version version, Out& out) {
  if (version != Version::V5) return;
  if (packet.reason == Reason::Success && packet.properties.empty()) return;
  out.u8(byte(packet.reason));
  if (!packet.properties.empty()) put_properties(packet.properties, version, out);
}

std::uint8_t first(const Auth&) { return first_byte(PacketType::Auth); }

template <typename Out>
void put(const Auth& packet, Version version, Out& out) {
  if (packet.reason == Reason::Success && packet.properties.empty()) return;
  out.u8(byte(packet.reason));
  put_properties(packet.properties, version, out);
}

template <typename P>
std::size_t remaining_length(const P& packet, Version version) {
  WireCounter counter;
  put(packet, version, counter);
  return counter.size();
}

template <typename P>
void write(const P& packet, Version version, OutputBuffer& out) {
  const std::size_t remaining = remaining_length(packet, version);
  assert(remaining <= kMaxRemainingLength);
  WireWriter writer(out.extend(1 + varint_size(static_cast<std::uint32_t>(remaining)) + remaining));
  writer.u8(first(packet));
  writer.varint(remaining);
  put(packet, version, writer);
}

void put_counted(std::string& out, std::string_view text) {
  out.push_back(static_cast<char>(text.size() >> 8));
  out.push_back(static_cast<char>(text.size()));
  out.append(text);
}

}  // namespace

void encode(const Connect& packet, OutputBuffer& out) { write(packet, packet.version, out); }
void encode(const Connack& packet, Version version, OutputBuffer& out) { write(packet, version, out); }
void encode(const Publish& packet, Version version, OutputBuffer& out) { write(packet, version, out); }
void encode(const Ack& packet, Version version, OutputBuffer& out) { write(packet, version, out); }
void encode(const Subscribe& packet, Version version, OutputBuffer& out) { write(packet, version, out); }
void encode(const Suback& packet, Version version, OutputBuffer& out) { write(packet, version, out); }
void encode(const Unsubscribe& packet, Version version, OutputBuffer& out) { write(packet, version, out); }
void encode(const Unsuback& packet, Version version, OutputBuffer& out) { write(packet, version, out); }
void encode(Pingreq packet, Version version, OutputBuffer& out) { write(packet, version, out); }
void encode(Pingresp packet, Version version, OutputBuffer& out) { write(packet, version, out); }
void encode(const Disconnect& packet, Version version, OutputBuffer& out) { write(packet, version, out); }
void encode(const Auth& packet, OutputBuffer& out) { write(packet, Version::V5, out); }

void encode(const Packet& packet, Version version, OutputBuffer& out) {
  std::visit([&](const auto& one) { write(one, version, out); }, packet);
}

std::size_t encoded_size(const Packet& packet, Version version) {
  const std::size_t remaining = std::visit([&](const auto& one) { return remaining_length(one, version); }, packet);
  return 1 + varint_size(static_cast<std::uint32_t>(remaining)) + remaining;
}

std::uint8_t connack_return_code(Reason reason) {
  switch (reason) {
    case Reason::Success:
      return 0;
    case Reason::UnsupportedProtocolVersion:
      return 1;
    case Reason::ClientIdentifierNotValid:
      return 2;
    case Reason::BadUserNameOrPassword:
      return 4;
    case Reason::NotAuthorized:
    case Reason::Banned:
    case Reason::BadAuthenticationMethod:
      return 5;
    default:
      return 3;
  }
}

void append_subscription(std::string& payload, std::string_view text, SubscriptionOptions options) {
  put_counted(payload, text);
  payload.push_back(static_cast<char>(static_cast<unsigned>(options.qos) | (options.no_local ? 4U : 0) |
                                      (options.retain_as_published ? 8U : 0) | options.retain_handling << 4));
}

void append_unsubscription(std::string& payload, std::string_view filter) { put_counted(payload, filter); }

}  // namespace ferrule::mqtt

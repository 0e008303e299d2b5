#include "mqtt/codec.hpp"
#include "mqtt/decode_parts.hpp"
#include "mqtt/topic.hpp"

namespace ferrule::mqtt {

// PUBLISH: flags DUP (bit 3), QoS (2-1), RETAIN (0) | topic | packet identifier, with QoS 1 and 2 | properties |
// payload
static Decoded<void> read_publish(const Frame& frame, Version version, Sender sender, Publish& packet) {
  Reader in(frame.body);
  const unsigned qos = frame.flags() >> 1 & 3U;
  if (qos == 3) return malformed("MQTT-3.3.1-4", "QoS 3");
  packet.qos = static_cast<Qos>(qos);
  packet.dup = (frame.flags() & 0x08) != 0;
  packet.retain = (frame.flags() & 0x01) != 0;
  if (packet.dup && qos == 0 && version != Version::V31) return malformed("MQTT-3.3.1-2", "DUP with QoS 0");
  if (!in.counted(packet.topic)) return cut_off();  // [MQTT-3.3.2-1]
  if (qos != 0) {                                   // [MQTT-2.2.1-2]
    const auto id = read_packet_id(in, sender == Sender::Client ? "MQTT-2.2.1-3" : "MQTT-2.2.1-4");
    if (!id) return tl::unexpected(id.error());
    packet.packet_id = *id;
  }
  const auto properties = read_properties(in, version, PacketType::Publish, sender);
  if (!properties) return tl::unexpected(properties.error());
  packet.properties = *properties;
  if (packet.topic.empty()) {
    if (version != Version::V5) return refuse(Reason::TopicNameInvalid, "MQTT-4.7.3-1", "empty topic");
    if (!packet.properties.has(PropertyId::TopicAlias)) {
      return refuse(Reason::ProtocolError, "MQTT5 3.3.2.1", "empty topic without a Topic Alias");
    }
  } else if (auto topic = check_topic_name(packet.topic); !topic) {
    const bool wildcard = std::string_view(topic.error().statement) == "MQTT-4.7.0-1";
    return refuse(topic.error().code, wildcard ? "MQTT-3.3.2-2" : topic.error().statement, topic.error().detail);
  }
  packet.payload = in.rest();
  return {};
}

// The packet is built where it is returned: to copy what was written a byte ago stalls the processor (store
// forwarding), a tenth of all that a small publication costs.
Decoded<Publish> decode_publish(const Frame& frame, Version version, Sender sender) {
  Decoded<Publish> packet;
  if (auto read = read_publish(frame, version, sender, *packet); !read) packet = tl::unexpected(read.error());
  return packet;
}

/// Of a PUBACK or PUBREC of a server any error that MQTT knows is taken for the refusal that it is, whether or not the
/// standard has it there (Packet too large, say): who left the server for it would be told the same for ever.
static bool is_refusal_of_a_server(std::string_view rest, PacketType type, Sender sender) {
  const bool answers_publish = type == PacketType::Puback || type == PacketType::Pubrec;
  if (sender != Sender::Server || !answers_publish || rest.empty()) return false;
  const auto code = static_cast<std::uint8_t>(rest.front());
  return is_error(static_cast<Reason>(code)) && packets_allowing(code) != 0;
}

static Decoded<Reason> read_ack_reason(Reader& in, PacketType type, Sender sender) {
  if (!is_refusal_of_a_server(in.rest(), type, sender)) return read_reason(in, type);
  std::uint8_t code = 0;
  in.u8(code);
  return static_cast<Reason>(code);
}

// PUBACK, PUBREC, PUBREL, PUBCOMP: packet identifier | MQTT 5: reason code, absent: Success | properties, absent: none
static Decoded<Ack> read_ack(const Frame& frame, Version version, Sender sender) {
  const bool pubrel = frame.type() == PacketType::Pubrel;
  if (auto flags = check_flags(frame, version, pubrel ? 2 : 0, pubrel ? "MQTT-3.6.1-1" : "MQTT-2.1.3-1"); !flags) {
    return tl::unexpected(flags.error());
  }
  Reader in(frame.body);
  Ack packet;
  packet.type = frame.type();
  const auto id = read_packet_id(in, "MQTT-2.2.1-5");
  if (!id) return tl::unexpected(id.error());
  packet.packet_id = *id;
  if (in.empty()) return packet;
  if (version != Version::V5) return too_long();
  const auto reason = read_ack_reason(in, packet.type, sender);
  if (!reason) return tl::unexpected(reason.error());
  packet.reason = *reason;
  if (in.empty()) return packet;
  const auto properties = read_properties(in, version, packet.type, Sender::Client);
  if (!properties) return tl::unexpected(properties.error());
  packet.properties = *properties;
  if (!in.empty()) return too_long();
  return packet;
}

Decoded<Ack> decode_ack(const Frame& frame, Version version) { return read_ack(frame, version, Sender::Client); }

// PINGREQ, PINGRESP: nothing
Decoded<void> decode_ping(const Frame& frame) {
  if (frame.flags() != 0) return malformed("MQTT-2.1.3-1", "reserved flags of the fixed header");
  if (!frame.body.empty()) return too_long();
  return {};
}

// DISCONNECT: MQTT 5: reason code, absent: Normal disconnection | properties, absent: none
Decoded<Disconnect> decode_disconnect(const Frame& frame, Version version, Sender sender) {
  if (frame.flags() != 0) return malformed("MQTT-3.14.1-1", "reserved flags of the fixed header");
  Reader in(frame.body);
  Disconnect packet;
  if (in.empty()) return packet;
  if (version != Version::V5) return too_long();
  const auto reason = read_reason(in, PacketType::Disconnect);
  if (!reason) return tl::unexpected(reason.error());
  packet.reason = *reason;
  if (in.empty()) return packet;
  const auto properties = read_properties(in, version, PacketType::Disconnect, sender);
  if (!properties) return tl::unexpected(properties.error());
  packet.properties = *properties;
  if (!in.empty()) return too_long();
  return packet;
}

// AUTH: reason code | properties; both absent: Success
Decoded<Auth> decode_auth(const Frame& frame, Version version) {
  if (version != Version::V5) return refuse(Reason::ProtocolError, "MQTT5 3.15", "AUTH before MQTT 5");
  if (frame.flags() != 0) return malformed("MQTT-3.15.1-1", "reserved flags of the fixed header");
  Reader in(frame.body);
  Auth packet;
  if (in.empty()) return packet;
  const auto reason = read_reason(in, PacketType::Auth);
  if (!reason) return tl::unexpected(reason.error());
  packet.reason = *reason;
  const auto properties = read_properties(in, version, PacketType::Auth, Sender::Client);
  if (!properties) return tl::unexpected(properties.error());
  packet.properties = *properties;
  if (!in.empty()) return too_long();
  return packet;
}

namespace {

template <typename T>
Decoded<Packet> as_packet(Decoded<T> packet) {
  if (!packet) return tl::unexpected(packet.error());
  return Packet(*packet);
}

template <typename P>
Decoded<Packet> decode_ping_as(const Frame& frame) {
  if (auto checked = decode_ping(frame); !checked) return tl::unexpected(checked.error());
  return Packet(P{});
}

bool may_send(Sender sender, PacketType type) {
  constexpr unsigned kClientOnly = packet_bit(PacketType::Connect) | packet_bit(PacketType::Subscribe) |
                                   packet_bit(PacketType::Unsubscribe) | packet_bit(PacketType::Pingreq);
  constexpr unsigned kServerOnly = packet_bit(PacketType::Connack) | packet_bit(PacketType::Suback) |
                                   packet_bit(PacketType::Unsuback) | packet_bit(PacketType::Pingresp);
  return ((sender == Sender::Client ? kServerOnly : kClientOnly) & packet_bit(type)) == 0;
}

}  // namespace

Decoded<Packet> decode(const Frame& frame, Version version, Sender sender) {
  if (!may_send(sender, frame.type())) {
    return refuse(Reason::ProtocolError, "MQTT5 2.1.2", "packet of the wrong direction");
  }
  if (sender == Sender::Server && version != Version::V5 && frame.type() == PacketType::Disconnect) {
    return refuse(Reason::ProtocolError, "MQTT5 2.1.2", "packet of the wrong direction");
  }
  switch (frame.type()) {
    case PacketType::Connect:
      return as_packet(decode_connect(frame));
    case PacketType::Connack:
      return as_packet(decode_connack(frame, version));
    case PacketType::Publish:
      return as_packet(decode_publish(frame, version, sender));
    case PacketType::Puback:
    case PacketType::Pubrec:
    case PacketType::Pubrel:
    case PacketType::Pubcomp:
      return as_packet(read_ack(frame, version, sender));
    case PacketType::Subscribe:
      return as_packet(decode_subscribe(frame, version));
    case PacketType::Suback:
      return as_packet(decode_suback(frame, version));
    case PacketType::Unsubscribe:
      return as_packet(decode_unsubscribe(frame, version));
    case PacketType::Unsuback:
      return as_packet(decode_unsuback(frame, version));
    case PacketType::Pingreq:
      return decode_ping_as<Pingreq>(frame);
    case PacketType::Pingresp:
      return decode_ping_as<Pingresp>(frame);
    case PacketType::Disconnect:
      return as_packet(decode_disconnect(frame, version, sender));
    case PacketType::Auth:
      return as_packet(decode_auth(frame, version));
    case PacketType::Reserved:
      break;
  }
  return malformed("MQTT5 2.1.2", "packet type 0");
}

}  // namespace ferrule::mqtt

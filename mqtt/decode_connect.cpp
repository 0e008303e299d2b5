#include "mqtt/codec.hpp"
#include "mqtt/decode_parts.hpp"
#include "mqtt/topic.hpp"

namespace ferrule::mqtt {
namespace {

constexpr unsigned kReservedFlag = 0x01, kCleanStart = 0x02, kWillFlag = 0x04, kWillQos = 0x18, kWillRetain = 0x20,
                   kPasswordFlag = 0x40, kUserNameFlag = 0x80;

/// Protocol name and level, which say how to read the rest.
Decoded<Version> read_version(Reader& in) {
  std::string_view name;
  std::uint8_t level = 0;
  if (!in.counted(name) || !in.u8(level)) return cut_off();
  if (name == "MQTT" && (level == 4 || level == 5)) return static_cast<Version>(level);
  if (name == "MQIsdp" && level == 3) return Version::V31;
  const bool other_level = name == "MQTT" || name == "MQIsdp";
  return refuse(Reason::UnsupportedProtocolVersion, other_level ? "MQTT-3.1.2-2" : "MQTT-3.1.2-1",
                other_level ? "unknown protocol level" : "unknown protocol name");
}

Decoded<void> check_connect_flags(unsigned flags, Version version) {
  if ((flags & kReservedFlag) != 0 && version != Version::V31) {
    return malformed("MQTT-3.1.2-3", "reserved connect flag");
  }
  if ((flags & kWillFlag) == 0) {
    if ((flags & kWillQos) != 0) return malformed("MQTT-3.1.2-13", "Will QoS without a will");
    if ((flags & kWillRetain) != 0) return malformed("MQTT-3.1.2-15", "Will Retain without a will");
  }
  if ((flags & kWillQos) == kWillQos) return malformed("MQTT-3.1.2-14", "Will QoS 3");
  if (version != Version::V5 && (flags & (kUserNameFlag | kPasswordFlag)) == kPasswordFlag) {
    return malformed("MQTT-3.1.2-22 (3.1.1)", "password without a user name");
  }
  return {};
}

Decoded<std::string_view> read_text(Reader& in, const char* statement, std::string_view detail) {
  std::string_view text;
  if (!in.counted(text)) return cut_off();
  if (!is_valid_utf8(text)) return malformed(statement, detail);
  return text;
}

Decoded<std::string_view> read_client_id(Reader& in, Version version, bool clean_start) {
  const auto client_id = read_text(in, "MQTT-3.1.3-4", "client identifier is not UTF-8");  // [MQTT-3.1.3-3]
  if (!client_id || !client_id->empty()) return client_id;  // any length, any character [MQTT-3.1.3-5]
  if (version == Version::V31) {
    return refuse(Reason::ClientIdentifierNotValid, "MQTT31 3.1", "empty client identifier");
  }
  if (version == Version::V311 && !clean_start) {
    return refuse(Reason::ClientIdentifierNotValid, "MQTT-3.1.3-8 (3.1.1)",
                  "empty client identifier for a session to keep");
  }
  return client_id;
}

/// Will properties | topic | payload
Decoded<Will> read_will(Reader& in, unsigned flags, Version version) {
  Will will;
  will.qos = static_cast<Qos>((flags & kWillQos) >> 3);
  will.retain = (flags & kWillRetain) != 0;
  const auto properties = read_properties(in, version, kWill, Sender::Client);
  if (!properties) return tl::unexpected(properties.error());
  will.properties = *properties;
  if (!in.counted(will.topic) || !in.counted(will.payload)) return cut_off();  // [MQTT-3.1.2-9]
  if (auto topic = check_topic_name(will.topic); !topic) {
    const bool not_text = std::string_view(topic.error().statement) == "MQTT-1.5.4-1";
    return refuse(topic.error().code, not_text ? "MQTT-3.1.3-9" : topic.error().statement, topic.error().detail);
  }
  return will;
}

Decoded<void> read_credentials(Reader& in, unsigned flags, Connect& packet) {
  if ((flags & kUserNameFlag) != 0) {  // [MQTT-3.1.2-18] [MQTT-3.1.2-19]
    const auto user_name = read_text(in, "MQTT-3.1.3-10", "user name is not UTF-8");
    if (!user_name) return tl::unexpected(user_name.error());
    packet.user_name = *user_name;
  }
  if ((flags & kPasswordFlag) != 0) {  // [MQTT-3.1.2-20] [MQTT-3.1.2-21]
    std::string_view password;
    if (!in.counted(password)) return cut_off();
    packet.password = password;
  }
  return {};
}

}  // namespace

Version version_to_answer(const Frame& connect) {
  Reader in(connect.body);
  std::string_view name;
  std::uint8_t level = 0;
  if (!in.counted(name) || !in.u8(level) || name != "MQTT") return Version::V311;
  return level >= 5 ? Version::V5 : Version::V311;
}

// CONNECT: protocol name | level | connect flags | Keep Alive (2) | properties | payload: client identifier,
//          will (properties, topic, payload), user name, password, each if its flag is set [MQTT-3.1.3-1]
// Connect flags: user name (bit 7) | password (6) | Will Retain (5) | Will QoS (4-3) | will (2) | Clean Start (1) | 0
Decoded<Connect> decode_connect(const Frame& frame) {
  if (frame.flags() != 0) return malformed("MQTT-2.1.3-1", "reserved flags of the fixed header");
  Reader in(frame.body);
  Connect packet;
  const auto version = read_version(in);
  if (!version) return tl::unexpected(version.error());
  packet.version = *version;
  std::uint8_t flags = 0;
  std::uint16_t keep_alive = 0;
  if (!in.u8(flags)) return cut_off();
  if (auto checked = check_connect_flags(flags, packet.version); !checked) return tl::unexpected(checked.error());
  packet.clean_start = (flags & kCleanStart) != 0;
  if (!in.u16(keep_alive)) return cut_off();
  packet.keep_alive = std::chrono::seconds(keep_alive);
  const auto properties = read_properties(in, packet.version, PacketType::Connect, Sender::Client);
  if (!properties) return tl::unexpected(properties.error());
  packet.properties = *properties;
  if (properties->has(PropertyId::AuthenticationData) && !properties->has(PropertyId::AuthenticationMethod)) {
    return refuse(Reason::ProtocolError, "MQTT5 3.1.2.11.10", "Authentication Data without a method");
  }
  const auto client_id = read_client_id(in, packet.version, packet.clean_start);
  if (!client_id) return tl::unexpected(client_id.error());
  packet.client_id = *client_id;
  if ((flags & kWillFlag) != 0) {  // [MQTT-3.1.2-7]
    auto will = read_will(in, flags, packet.version);
    if (!will) return tl::unexpected(will.error());
    packet.will = *will;
  }
  if (auto read = read_credentials(in, flags, packet); !read) return tl::unexpected(read.error());
  if (!in.empty()) return too_long();  // fields whose flags are not set [MQTT-3.1.2-11]
  return packet;
}

// CONNACK: acknowledge flags (bit 0: session present) | return or reason code | properties
Decoded<Connack> decode_connack(const Frame& frame, Version version) {
  if (auto flags = check_flags(frame, version, 0, "MQTT-2.1.3-1"); !flags) return tl::unexpected(flags.error());
  Reader in(frame.body);
  Connack packet;
  std::uint8_t flags = 0, code = 0;
  if (!in.u8(flags)) return cut_off();
  if (flags > 1) return malformed("MQTT-3.2.2-1", "reserved connect acknowledge flags");
  packet.session_present = flags == 1;
  if (version == Version::V5) {
    const auto reason = read_reason(in, PacketType::Connack);
    if (!reason) return tl::unexpected(reason.error());
    packet.reason = *reason;
  } else {
    constexpr Reason kReturnCodes[] = {
        Reason::Success,           Reason::UnsupportedProtocolVersion, Reason::ClientIdentifierNotValid,
        Reason::ServerUnavailable, Reason::BadUserNameOrPassword,      Reason::NotAuthorized};
    if (!in.u8(code)) return cut_off();
    if (code >= std::size(kReturnCodes)) return malformed("MQTT-3.2.2-8", "unknown return code");
    packet.reason = kReturnCodes[code];
  }
  if (packet.session_present && packet.reason != Reason::Success) {
    return refuse(Reason::ProtocolError, "MQTT-3.2.2-6", "Session Present with an error");
  }
  const auto properties = read_properties(in, version, PacketType::Connack, Sender::Server);
  if (!properties) return tl::unexpected(properties.error());
  packet.properties = *properties;
  if (!in.empty()) return too_long();
  return packet;
}

}  // namespace ferrule::mqtt

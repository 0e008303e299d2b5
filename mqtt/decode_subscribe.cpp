#include "mqtt/codec.hpp"
#include "mqtt/decode_parts.hpp"
#include "mqtt/topic.hpp"

namespace ferrule::mqtt {
namespace {

/// Subscription Options: reserved (bits 7-6) | Retain Handling (5-4) | Retain As Published (3) | No Local (2) | QoS
/// (1-0)
Decoded<SubscriptionOptions> read_options(std::uint8_t byte, Version version, bool shared) {
  if (version != Version::V5 && (byte & 0xFC) != 0) {
    return malformed("MQTT-3.8.3-4 (3.1.1)", "reserved bits beside the QoS");
  }
  if ((byte & 0xC0) != 0) return malformed("MQTT-3.8.3-5", "reserved subscription options");
  if ((byte & 0x03) == 3) return refuse(Reason::ProtocolError, "MQTT5 3.8.3.1", "QoS 3 in a subscription");
  if ((byte & 0x30) == 0x30) return refuse(Reason::ProtocolError, "MQTT5 3.8.3.1", "Retain Handling 3");
  SubscriptionOptions options;
  options.qos = static_cast<Qos>(byte & 0x03);
  options.no_local = (byte & 0x04) != 0;
  options.retain_as_published = (byte & 0x08) != 0;
  options.retain_handling = static_cast<std::uint8_t>(byte >> 4 & 3);
  if (options.no_local && shared) {
    return refuse(Reason::ProtocolError, "MQTT-3.8.3-4", "No Local on a shared subscription");
  }
  return options;
}

Decoded<SubscribeEntry> read_entry(Reader& in, Version version) {
  SubscribeEntry entry;
  std::uint8_t options_byte = 0;
  if (!in.counted(entry.text)) return cut_off();
  const auto parts = split_share(entry.text);
  if (!parts) {
    const bool not_text = std::string_view(parts.error().statement) == "MQTT-1.5.4-1";
    return refuse(parts.error().code, not_text ? "MQTT-3.8.3-1" : parts.error().statement, parts.error().detail);
  }
  entry.group = parts->group;
  entry.filter = parts->filter;
  if (!in.u8(options_byte)) return malformed("MQTT-3.8.3-2", "topic filter without its options byte");
  const auto options = read_options(options_byte, version, !entry.group.empty());
  if (!options) return tl::unexpected(options.error());
  entry.options = *options;
  return entry;
}

}  // namespace

// SUBSCRIBE: packet identifier | properties | one or more of: topic filter, options
Decoded<Subscribe> decode_subscribe(const Frame& frame, Version version) {
  if (auto flags = check_flags(frame, version, 2, "MQTT-3.8.1-1"); !flags) return tl::unexpected(flags.error());
  Reader in(frame.body);
  Subscribe packet;
  const auto id = read_packet_id(in, "MQTT-2.2.1-3");
  if (!id) return tl::unexpected(id.error());
  packet.packet_id = *id;
  const auto properties = read_properties(in, version, PacketType::Subscribe, Sender::Client);
  if (!properties) return tl::unexpected(properties.error());
  packet.properties = *properties;
  if (in.empty()) return refuse(Reason::ProtocolError, "MQTT-3.8.3-2", "SUBSCRIBE without a topic filter");
  packet.entries = SubscribeEntries(in.rest());
  while (!in.empty()) {
    const auto entry = read_entry(in, version);
    if (!entry) return tl::unexpected(entry.error());
  }
  return packet;
}

// SUBACK: packet identifier | properties | one code per subscription
Decoded<Suback> decode_suback(const Frame& frame, Version version) {
  if (auto flags = check_flags(frame, version, 0, "MQTT-2.1.3-1"); !flags) return tl::unexpected(flags.error());
  Reader in(frame.body);
  Suback packet;
  const auto id = read_packet_id(in, "MQTT-2.2.1-6");
  if (!id) return tl::unexpected(id.error());
  packet.packet_id = *id;
  const auto properties = read_properties(in, version, PacketType::Suback, Sender::Server);
  if (!properties) return tl::unexpected(properties.error());
  packet.properties = *properties;
  packet.codes = in.rest();
  if (packet.codes.empty()) return malformed("MQTT-3.8.4-6", "SUBACK without a reason code");
  for (const char c : packet.codes) {
    const auto code = static_cast<std::uint8_t>(c);
    if (version == Version::V5 ? !is_allowed(code, PacketType::Suback) : code > 2 && code != 0x80) {
      return refuse(Reason::ProtocolError, "MQTT-3.9.3-2", "reason code not allowed in a SUBACK");
    }
  }
  return packet;
}

// UNSUBSCRIBE: packet identifier | properties | one or more topic filters
Decoded<Unsubscribe> decode_unsubscribe(const Frame& frame, Version version) {
  if (auto flags = check_flags(frame, version, 2, "MQTT-3.10.1-1"); !flags) return tl::unexpected(flags.error());
  Reader in(frame.body);
  Unsubscribe packet;
  const auto id = read_packet_id(in, "MQTT-2.2.1-3");
  if (!id) return tl::unexpected(id.error());
  packet.packet_id = *id;
  const auto properties = read_properties(in, version, PacketType::Unsubscribe, Sender::Client);
  if (!properties) return tl::unexpected(properties.error());
  packet.properties = *properties;
  if (in.empty()) return refuse(Reason::ProtocolError, "MQTT-3.10.3-2", "UNSUBSCRIBE without a topic filter");
  packet.filters = UnsubscribeFilters(in.rest());
  while (!in.empty()) {
    std::string_view filter;
    if (!in.counted(filter)) return cut_off();
    if (filter.empty()) return refuse(Reason::TopicFilterInvalid, "MQTT-4.7.3-1", "empty topic filter");
    if (!is_valid_utf8(filter)) return malformed("MQTT-3.10.3-1", "topic filter is not UTF-8");
  }
  return packet;
}

// UNSUBACK: packet identifier | MQTT 5: properties, one code per filter
Decoded<Unsuback> decode_unsuback(const Frame& frame, Version version) {
  if (auto flags = check_flags(frame, version, 0, "MQTT-2.1.3-1"); !flags) return tl::unexpected(flags.error());
  Reader in(frame.body);
  Unsuback packet;
  const auto id = read_packet_id(in, "MQTT-2.2.1-6");
  if (!id) return tl::unexpected(id.error());
  packet.packet_id = *id;
  if (version != Version::V5) {
    if (!in.empty()) return too_long();
    return packet;
  }
  const auto properties = read_properties(in, version, PacketType::Unsuback, Sender::Server);
  if (!properties) return tl::unexpected(properties.error());
  packet.properties = *properties;
  packet.codes = in.rest();
  if (packet.codes.empty()) return malformed("MQTT-3.11.3-1", "UNSUBACK without a reason code");
  for (const char code : packet.codes) {
    if (!is_allowed(static_cast<std::uint8_t>(code), PacketType::Unsuback)) {
      return refuse(Reason::ProtocolError, "MQTT-3.11.3-2", "reason code not allowed in an UNSUBACK");
    }
  }
  return packet;
}

SubscribeEntries::Iterator::Iterator(std::string_view rest) : rest_(rest), at_(rest.data()) { read(); }

SubscribeEntries::Iterator& SubscribeEntries::Iterator::operator++() {
  at_ = rest_.data();
  read();
  return *this;
}

void SubscribeEntries::Iterator::read() {
  if (rest_.empty()) return;
  Reader in(rest_);
  const auto entry = read_entry(in, Version::V5);  // whose options include those of the other versions
  if (!entry) {                                    // not what the decoder checked: stop
    rest_.remove_prefix(rest_.size());
    at_ = rest_.data();
    return;
  }
  entry_ = *entry;
  rest_ = in.rest();
}

UnsubscribeFilters::Iterator::Iterator(std::string_view rest) : rest_(rest), at_(rest.data()) { read(); }

UnsubscribeFilters::Iterator& UnsubscribeFilters::Iterator::operator++() {
  at_ = rest_.data();
  read();
  return *this;
}

void UnsubscribeFilters::Iterator::read() {
  if (rest_.empty()) return;
  Reader in(rest_);
  if (!in.counted(filter_)) {  // not what the decoder checked: stop
    rest_.remove_prefix(rest_.size());
    at_ = rest_.data();
    return;
  }
  rest_ = in.rest();
}

}  // namespace ferrule::mqtt

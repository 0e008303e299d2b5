#include "mqtt/properties.hpp"

#include "mqtt/topic.hpp"
#include "mqtt/wire_reader.hpp"

namespace ferrule::mqtt {
namespace {

using Id = PropertyId;
using Type = PropertyType;

constexpr std::uint16_t kInWill = packet_bit(kWill);
constexpr std::uint16_t kInConnect = packet_bit(PacketType::Connect);
constexpr std::uint16_t kInConnack = packet_bit(PacketType::Connack);
constexpr std::uint16_t kInPublish = packet_bit(PacketType::Publish);
constexpr std::uint16_t kInSubscribe = packet_bit(PacketType::Subscribe);
constexpr std::uint16_t kInDisconnect = packet_bit(PacketType::Disconnect);
constexpr std::uint16_t kInAuth = packet_bit(PacketType::Auth);
constexpr std::uint16_t kInAcks = packet_bit(PacketType::Puback) | packet_bit(PacketType::Pubrec) |
                                  packet_bit(PacketType::Pubrel) | packet_bit(PacketType::Pubcomp) |
                                  packet_bit(PacketType::Suback) | packet_bit(PacketType::Unsuback);
constexpr std::uint16_t kInAll = kInWill | kInConnect | kInConnack | kInPublish | kInAcks | kInSubscribe |
                                 packet_bit(PacketType::Unsubscribe) | kInDisconnect | kInAuth;

constexpr PropertyRule kRules[] = {
    {Id::PayloadFormatIndicator, "Payload Format Indicator", Type::Byte, kInPublish | kInWill, 0, 0, 1},
    {Id::MessageExpiryInterval, "Message Expiry Interval", Type::FourBytes, kInPublish | kInWill, 0},
    {Id::ContentType, "Content Type", Type::Text, kInPublish | kInWill, 0},
    {Id::ResponseTopic, "Response Topic", Type::Text, kInPublish | kInWill, 0},
    {Id::CorrelationData, "Correlation Data", Type::Binary, kInPublish | kInWill, 0},
    {Id::SubscriptionIdentifier, "Subscription Identifier", Type::VarInt, kInPublish | kInSubscribe, kInPublish, 1},
    {Id::SessionExpiryInterval, "Session Expiry Interval", Type::FourBytes, kInConnect | kInConnack | kInDisconnect, 0},
    {Id::AssignedClientIdentifier, "Assigned Client Identifier", Type::Text, kInConnack, 0},
    {Id::ServerKeepAlive, "Server Keep Alive", Type::TwoBytes, kInConnack, 0},
    {Id::AuthenticationMethod, "Authentication Method", Type::Text, kInConnect | kInConnack | kInAuth, 0},
    {Id::AuthenticationData, "Authentication Data", Type::Binary, kInConnect | kInConnack | kInAuth, 0},
    {Id::RequestProblemInformation, "Request Problem Information", Type::Byte, kInConnect, 0, 0, 1},
    {Id::WillDelayInterval, "Will Delay Interval", Type::FourBytes, kInWill, 0},
    {Id::RequestResponseInformation, "Request Response Information", Type::Byte, kInConnect, 0, 0, 1},
    {Id::ResponseInformation, "Response Information", Type::Text, kInConnack, 0},
    {Id::ServerReference, "Server Reference", Type::Text, kInConnack | kInDisconnect, 0},
    {Id::ReasonString, "Reason String", Type::Text, kInConnack | kInAcks | kInDisconnect | kInAuth, 0},
    {Id::ReceiveMaximum, "Receive Maximum", Type::TwoBytes, kInConnect | kInConnack, 0, 1},
    {Id::TopicAliasMaximum, "Topic Alias Maximum", Type::TwoBytes, kInConnect | kInConnack, 0},
    {Id::TopicAlias, "Topic Alias", Type::TwoBytes, kInPublish, 0, 1},
    {Id::MaximumQos, "Maximum QoS", Type::Byte, kInConnack, 0, 0, 1},
    {Id::RetainAvailable, "Retain Available", Type::Byte, kInConnack, 0, 0, 1},
    {Id::UserProperty, "User Property", Type::TextPair, kInAll, kInAll},
    {Id::MaximumPacketSize, "Maximum Packet Size", Type::FourBytes, kInConnect | kInConnack, 0, 1},
    {Id::WildcardSubscriptionAvailable, "Wildcard Subscription Available", Type::Byte, kInConnack, 0, 0, 1},
    {Id::SubscriptionIdentifierAvailable, "Subscription Identifier Available", Type::Byte, kInConnack, 0, 0, 1},
    {Id::SharedSubscriptionAvailable, "Shared Subscription Available", Type::Byte, kInConnack, 0, 0, 1},
};

constexpr std::size_t kIds = 0x2B;  // one above the highest identifier

constexpr std::array<const PropertyRule*, kIds> index_rules() {
  std::array<const PropertyRule*, kIds> index{};
  for (const PropertyRule& rule : kRules) index[static_cast<std::size_t>(rule.id)] = &rule;
  return index;
}
constexpr std::array<const PropertyRule*, kIds> kRuleOf = index_rules();

constexpr std::uint64_t bit(Id id) { return std::uint64_t{1} << static_cast<unsigned>(id); }
/// What a publication leaves behind at the hop it came over.
constexpr std::uint64_t kHopOnly =
    bit(Id::MessageExpiryInterval) | bit(Id::SubscriptionIdentifier) | bit(Id::TopicAlias) | bit(Id::WillDelayInterval);

constexpr std::size_t kMaxCounted = 65535;  // bytes of text or binary data

bool read_varint_value(Reader& in, std::uint32_t& value) {
  const VarInt read = read_varint(in.rest());
  if (read.state != VarInt::State::Complete) return false;
  value = read.value;
  in.skip(read.size);
  return true;
}

/// Reads a property's value behind its identifier; false when it is cut off, or an integer is not encoded as it must
/// be.
bool read_value(Reader& in, Type type, Property& property) {
  std::uint8_t byte = 0;
  std::uint16_t two = 0;
  switch (type) {
    case Type::Byte:
      if (!in.u8(byte)) return false;
      property.number = byte;
      return true;
    case Type::TwoBytes:
      if (!in.u16(two)) return false;
      property.number = two;
      return true;
    case Type::FourBytes:
      return in.u32(property.number);
    case Type::VarInt:
      return read_varint_value(in, property.number);
    case Type::Text:
    case Type::Binary:
      return in.counted(property.text);
    case Type::TextPair:
      return in.counted(property.text) && in.counted(property.value);
  }
  return false;
}

tl::unexpected<Refusal> refuse(Reason code, const char* statement, std::string_view detail) {
  return tl::unexpected(Refusal{code, statement, detail});
}

Decoded<void> check_range(const PropertyRule& rule, std::uint32_t number) {
  if (number >= rule.min && number <= rule.max) return {};
  if (rule.id == Id::TopicAlias) return refuse(Reason::TopicAliasInvalid, "MQTT-3.3.2-8", "Topic Alias 0");
  return refuse(Reason::ProtocolError, "MQTT5 2.2.2.2", "property value out of range");
}

Decoded<void> check_text(const PropertyRule& rule, const Property& property) {
  if (rule.type == Type::TextPair && !(is_valid_utf8(property.text) && is_valid_utf8(property.value))) {
    return refuse(Reason::MalformedPacket, "MQTT-1.5.7-1", "User Property is not UTF-8");
  }
  if (rule.type != Type::Text) return {};
  if (!is_valid_utf8(property.text)) {
    const char* statement = rule.id == Id::ResponseTopic ? "MQTT-3.3.2-13"
                            : rule.id == Id::ContentType ? "MQTT-3.3.2-19"
                                                         : "MQTT-1.5.4-1";
    return refuse(Reason::MalformedPacket, statement, "property is not UTF-8");
  }
  if (rule.id == Id::ResponseTopic && !is_valid_topic_name(property.text)) {
    return refuse(Reason::ProtocolError, "MQTT-3.3.2-14", "Response Topic is no topic name");
  }
  return {};
}

Decoded<void> check_place(const PropertyRule& rule, PacketType place, Sender sender) {
  if ((rule.allowed & packet_bit(place)) == 0) {
    return refuse(Reason::MalformedPacket, "MQTT5 2.2.2.2", "property not allowed in this packet");
  }
  if (rule.id == Id::SubscriptionIdentifier && place == PacketType::Publish && sender == Sender::Client) {
    return refuse(Reason::ProtocolError, "MQTT-3.3.4-6", "Subscription Identifier from a client");
  }
  if (rule.id == Id::SessionExpiryInterval && place == PacketType::Disconnect && sender == Sender::Server) {
    return refuse(Reason::ProtocolError, "MQTT-3.14.2-2", "Session Expiry Interval from a server");
  }
  return {};
}

}  // namespace

const PropertyRule* rule_of(std::uint8_t id) { return id < kIds ? kRuleOf[id] : nullptr; }
std::span<const PropertyRule> property_rules() { return kRules; }

// Property: identifier (1 byte) | value: 1, 2 or 4 bytes, a varint, length (2) bytes, or twice length (2) bytes
Decoded<Properties> Properties::parse(std::string_view encoded, PacketType place, Sender sender) {
  std::uint64_t present = 0;
  Reader in(encoded);
  while (!in.empty()) {
    Property property;
    std::uint8_t id = 0;
    in.u8(id);
    const PropertyRule* rule = rule_of(id);
    if (rule == nullptr) return refuse(Reason::MalformedPacket, "MQTT5 2.2.2.2", "unknown property");
    property.id = rule->id;
    if (auto placed = check_place(*rule, place, sender); !placed) return tl::unexpected(placed.error());
    if ((present & bit(rule->id)) != 0 && (rule->repeated & packet_bit(place)) == 0) {
      return refuse(Reason::ProtocolError, "MQTT5 2.2.2.2", "property given twice");
    }
    present |= bit(rule->id);
    if (!read_value(in, rule->type, property)) {
      const bool integer = rule->type == Type::VarInt && read_varint(in.rest()).state != VarInt::State::Incomplete;
      return refuse(Reason::MalformedPacket, integer ? "MQTT-1.5.5-1" : "MQTT5 2.2.2.2",
                    integer ? "property integer is not in its shortest form" : "property is cut off");
    }
    if (auto ranged = check_range(*rule, property.number); !ranged) {
      return tl::unexpected(ranged.error());
    }
    if (auto text = check_text(*rule, property); !text) return tl::unexpected(text.error());
  }
  return Properties(encoded, present);
}

Properties Properties::trusted(std::string_view encoded) {
  std::uint64_t present = 0;
  for (auto at = Iterator(encoded), end = Iterator(encoded.substr(encoded.size())); at != end; ++at) {
    present |= bit(at->id);
  }
  return Properties(encoded, present);
}

std::optional<Property> Properties::find(PropertyId id) const {
  if (!has(id)) return std::nullopt;
  for (const Property& property : *this) {
    if (property.id == id) return property;
  }
  return std::nullopt;
}

std::optional<std::uint32_t> Properties::number(PropertyId id) const {
  const auto property = find(id);
  return property ? std::optional(property->number) : std::nullopt;
}

std::optional<std::string_view> Properties::text(PropertyId id) const {
  const auto property = find(id);
  return property ? std::optional(property->text) : std::nullopt;
}

Properties::Iterator::Iterator(std::string_view rest) : rest_(rest), at_(rest.data()) { read(); }

Properties::Iterator& Properties::Iterator::operator++() {
  at_ = rest_.data();
  read();
  return *this;
}

void Properties::Iterator::read() {
  if (rest_.empty()) return;
  Reader in(rest_);
  std::uint8_t id = 0;
  in.u8(id);
  property_ = {};
  const PropertyRule* rule = rule_of(id);
  if (rule == nullptr || !read_value(in, rule->type, property_)) {  // not what was checked: stop
    rest_.remove_prefix(rest_.size());
    at_ = rest_.data();
    return;
  }
  property_.id = rule->id;
  rest_ = in.rest();
}

namespace {

void put_u16(std::string& out, std::size_t value) {
  out.push_back(static_cast<char>(value >> 8));
  out.push_back(static_cast<char>(value));
}

void put_counted(std::string& out, std::string_view bytes, bool text) {
  std::size_t size = std::min(bytes.size(), kMaxCounted);
  if (text && size < bytes.size()) {
    while (size > 0 && (static_cast<unsigned char>(bytes[size]) & 0xC0) == 0x80) --size;
  }
  put_u16(out, size);
  out.append(bytes.substr(0, size));
}

void put_varint(std::string& out, std::uint32_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

}  // namespace

PropertyBuilder& PropertyBuilder::add(PropertyId id, std::uint32_t number) {
  encoded_.push_back(static_cast<char>(id));
  switch (kRuleOf[static_cast<std::size_t>(id)]->type) {
    case Type::Byte:
      encoded_.push_back(static_cast<char>(number));
      break;
    case Type::TwoBytes:
      put_u16(encoded_, number);
      break;
    case Type::VarInt:
      put_varint(encoded_, number);
      break;
    default:
      put_u16(encoded_, number >> 16);
      put_u16(encoded_, number & 0xFFFF);
  }
  return *this;
}

PropertyBuilder& PropertyBuilder::add(PropertyId id, std::string_view text_or_binary) {
  encoded_.push_back(static_cast<char>(id));
  put_counted(encoded_, text_or_binary, kRuleOf[static_cast<std::size_t>(id)]->type == Type::Text);
  return *this;
}

PropertyBuilder& PropertyBuilder::add_user(std::string_view name, std::string_view value) {
  encoded_.push_back(static_cast<char>(Id::UserProperty));
  put_counted(encoded_, name, true);
  put_counted(encoded_, value, true);
  return *this;
}

std::string_view forwardable(const Properties& properties, std::string& scratch) {
  if (!properties.has_any(kHopOnly)) return properties.encoded();
  std::string_view run;  // the forwardable ones so far, while they are contiguous
  bool scattered = false;
  for (auto at = properties.begin(); at != properties.end(); ++at) {
    if ((kHopOnly & bit(at->id)) != 0) continue;
    const std::string_view one = at.encoded();
    if (scattered) {
      scratch.append(one);
    } else if (run.empty()) {
      run = one;
    } else if (run.data() + run.size() == one.data()) {
      run = {run.data(), run.size() + one.size()};
    } else {
      scattered = true;
      scratch.assign(run);
      scratch.append(one);
    }
  }
  return scattered ? std::string_view(scratch) : run;
}

}  // namespace ferrule::mqtt

// MQTT 5 properties (section 2.2.2): one table that says what is allowed where, a checked view, and a builder.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "mqtt/reason.hpp"
#include "mqtt/wire.hpp"

namespace ferrule::mqtt {

enum class PropertyId : std::uint8_t {
  PayloadFormatIndicator = 0x01,
  MessageExpiryInterval = 0x02,
  ContentType = 0x03,
  ResponseTopic = 0x08,
  CorrelationData = 0x09,
  SubscriptionIdentifier = 0x0B,
  SessionExpiryInterval = 0x11,
  AssignedClientIdentifier = 0x12,
  ServerKeepAlive = 0x13,
  AuthenticationMethod = 0x15,
  AuthenticationData = 0x16,
  RequestProblemInformation = 0x17,
  WillDelayInterval = 0x18,
  RequestResponseInformation = 0x19,
  ResponseInformation = 0x1A,
  ServerReference = 0x1C,
  ReasonString = 0x1F,
  ReceiveMaximum = 0x21,
  TopicAliasMaximum = 0x22,
  TopicAlias = 0x23,
  MaximumQos = 0x24,
  RetainAvailable = 0x25,
  UserProperty = 0x26,
  MaximumPacketSize = 0x27,
  WildcardSubscriptionAvailable = 0x28,
  SubscriptionIdentifierAvailable = 0x29,
  SharedSubscriptionAvailable = 0x2A,
};

enum class PropertyType : std::uint8_t { Byte, TwoBytes, FourBytes, VarInt, Text, Binary, TextPair };

/// Where the table's masks have the Will's own properties, which are part of CONNECT's payload.
inline constexpr PacketType kWill = PacketType::Reserved;

constexpr std::uint16_t packet_bit(PacketType type) {
  return static_cast<std::uint16_t>(1U << static_cast<unsigned>(type));
}

/// One row of the property table (MQTT 5 table 2-4 and the sections it names).
struct PropertyRule {
  PropertyId id;
  std::string_view name;  ///< the specification's, e.g. "Topic Alias"
  PropertyType type;
  std::uint16_t allowed;                    ///< packet_bit of every packet that may carry it
  std::uint16_t repeated;                   ///< and of those that may carry it more than once
  std::uint32_t min = 0, max = 0xFFFFFFFF;  ///< of a number
};

/// Null for an identifier that MQTT 5 does not define.
const PropertyRule* rule_of(std::uint8_t id);
std::span<const PropertyRule> property_rules();

/// One decoded property: a number, or text or bytes in `text`, or a user property in `text` (its name) and `value`.
struct Property {
  PropertyId id{};
  std::uint32_t number = 0;
  std::string_view text, value;
};

/// The checked properties of one packet: a view into the packet's bytes. Lookups allocate nothing.
class Properties {
 public:
  class Iterator {
   public:
    const Property& operator*() const { return property_; }
    const Property* operator->() const { return &property_; }
    /// The whole property as it stands on the wire.
    std::string_view encoded() const { return {at_, static_cast<std::size_t>(rest_.data() - at_)}; }
    Iterator& operator++();
    bool operator==(const Iterator& other) const { return at_ == other.at_; }

   private:
    friend class Properties;
    explicit Iterator(std::string_view rest);
    void read();
    std::string_view rest_;  ///< behind property_
    const char* at_;         ///< where property_ begins; the end of the properties when there is none
    Property property_;
  };

  Properties() = default;
  /// Checks all of `encoded` (without the Property Length in front) as the properties of a packet of this type, or of a
  /// will. Refuses unknown, misplaced, repeated, truncated and out-of-range ones with MalformedPacket or ProtocolError.
  static Decoded<Properties> parse(std::string_view encoded, PacketType place, Sender sender);
  /// For bytes that were checked before or that a PropertyBuilder made.
  static Properties trusted(std::string_view encoded);

  std::string_view encoded() const { return encoded_; }  ///< without the length in front
  bool empty() const { return encoded_.empty(); }
  bool has(PropertyId id) const { return (present_ >> static_cast<unsigned>(id) & 1) != 0; }
  /// The first property of this id; numbers of every width widen to 32 bits.
  std::optional<std::uint32_t> number(PropertyId id) const;
  std::optional<std::string_view> text(PropertyId id) const;  ///< text or binary
  std::optional<Property> find(PropertyId id) const;
  bool has_any(std::uint64_t ids) const { return (present_ & ids) != 0; }  ///< bit N of `ids` stands for id N

  /// All of them in the order they were sent, e.g. to visit the user properties [MQTT-3.3.2-18].
  Iterator begin() const { return Iterator(encoded_); }
  Iterator end() const { return Iterator(encoded_.substr(encoded_.size())); }

 private:
  Properties(std::string_view encoded, std::uint64_t present) : encoded_(encoded), present_(present) {}
  std::string_view encoded_;
  std::uint64_t present_ = 0;  ///< bit N: a property with id N is there
};

/// Encodes properties in the order they are added. What is longer than 65,535 bytes is cut there, at a character's
/// boundary.
class PropertyBuilder {
 public:
  PropertyBuilder& add(PropertyId id, std::uint32_t number);
  PropertyBuilder& add(PropertyId id, std::string_view text_or_binary);
  PropertyBuilder& add_user(std::string_view name, std::string_view value);

  const std::string& encoded() const { return encoded_; }            ///< e.g. for Publication::properties
  Properties view() const { return Properties::trusted(encoded_); }  ///< valid until the next `add`

 private:
  std::string encoded_;
};

/// The part of a PUBLISH's or a will's properties that travels with the publication (see Publication::properties), in
/// the publisher's order. A view into the properties when what belongs to one hop (expiry, alias, subscription
/// identifiers, will delay) stands before or behind all of it; otherwise into `scratch`, which is overwritten.
std::string_view forwardable(const Properties& properties, std::string& scratch);

}  // namespace ferrule::mqtt

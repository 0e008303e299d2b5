// MQTT control packets as structs (MQTT 5 chapter 3). Text and bytes in them are views: into the read buffer after
// decoding, into the caller's memory for encoding. Properties are empty for 3.1 and 3.1.1.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "mqtt/properties.hpp"
#include "mqtt/publication.hpp"
#include "mqtt/reason.hpp"
#include "mqtt/wire.hpp"

namespace ferrule::mqtt {

struct Will {
  std::string_view topic;
  std::string_view payload;
  Qos qos = Qos::AtMostOnce;
  bool retain = false;
  Properties properties;
};

struct Connect {
  Version version = Version::V5;
  bool clean_start = true;
  std::chrono::seconds keep_alive{0};  ///< 0..65535; 0: none
  std::string_view client_id;          ///< may be empty: the server assigns one [MQTT-3.1.3-6]
  std::optional<Will> will;
  std::optional<std::string_view> user_name;
  std::optional<std::string_view> password;  ///< any bytes
  Properties properties;
};

struct Connack {
  bool session_present = false;
  /// 3.1 and 3.1.1 know six return codes: encoding maps to the nearest one, decoding back to a reason of MQTT 5.
  Reason reason = Reason::Success;
  Properties properties;
};

struct Publish {
  std::string_view topic;  ///< empty only with a Topic Alias
  std::string_view payload;
  Qos qos = Qos::AtMostOnce;
  bool retain = false;
  bool dup = false;
  std::uint16_t packet_id = 0;  ///< 0 exactly when QoS is 0 [MQTT-2.2.1-2]
  Properties properties;
};

/// PUBACK, PUBREC, PUBREL or PUBCOMP.
struct Ack {
  PacketType type = PacketType::Puback;
  std::uint16_t packet_id = 0;
  Reason reason = Reason::Success;  ///< not on the wire before MQTT 5
  Properties properties;
};

/// The Subscription Options byte (MQTT 5 section 3.8.3.1); only `qos` before MQTT 5.
struct SubscriptionOptions {
  Qos qos = Qos::AtMostOnce;
  bool no_local = false;
  bool retain_as_published = false;
  std::uint8_t retain_handling = 0;  ///< 0: send retained, 1: only for a new subscription, 2: do not
};

struct SubscribeEntry {
  std::string_view text;           ///< as it was sent, with `$share/group/` if it had one
  std::string_view group, filter;  ///< what split_share makes of it; `group` is empty when it is not shared
  SubscriptionOptions options;
};

/// The entries of a SUBSCRIBE's payload, checked by the decoder, read one by one.
class SubscribeEntries {
 public:
  class Iterator {
   public:
    const SubscribeEntry& operator*() const { return entry_; }
    const SubscribeEntry* operator->() const { return &entry_; }
    Iterator& operator++();
    bool operator==(const Iterator& other) const { return at_ == other.at_; }

   private:
    friend class SubscribeEntries;
    explicit Iterator(std::string_view rest);
    void read();
    std::string_view rest_;
    const char* at_;
    SubscribeEntry entry_;
  };

  SubscribeEntries() = default;
  explicit SubscribeEntries(std::string_view checked) : encoded_(checked) {}
  Iterator begin() const { return Iterator(encoded_); }
  Iterator end() const { return Iterator(encoded_.substr(encoded_.size())); }
  std::string_view encoded() const { return encoded_; }

 private:
  std::string_view encoded_;
};

/// Appends one entry to a payload for `Subscribe::entries`. `text` is valid and at most 65,535 bytes.
void append_subscription(std::string& payload, std::string_view text, SubscriptionOptions options);

struct Subscribe {
  std::uint16_t packet_id = 0;
  Properties properties;
  SubscribeEntries entries;  ///< at least one [MQTT-3.8.3-2]
};

struct Suback {
  std::uint16_t packet_id = 0;
  Properties properties;
  std::string_view codes;  ///< a Reason per subscription, as bytes, in the SUBSCRIBE's order [MQTT-3.9.3-1]
};

/// The topic filters of an UNSUBSCRIBE's payload, checked to be UTF-8; a filter that nobody could have is just not
/// found.
class UnsubscribeFilters {
 public:
  class Iterator {
   public:
    const std::string_view& operator*() const { return filter_; }
    Iterator& operator++();
    bool operator==(const Iterator& other) const { return at_ == other.at_; }

   private:
    friend class UnsubscribeFilters;
    explicit Iterator(std::string_view rest);
    void read();
    std::string_view rest_;
    const char* at_;
    std::string_view filter_;
  };

  UnsubscribeFilters() = default;
  explicit UnsubscribeFilters(std::string_view checked) : encoded_(checked) {}
  Iterator begin() const { return Iterator(encoded_); }
  Iterator end() const { return Iterator(encoded_.substr(encoded_.size())); }
  std::string_view encoded() const { return encoded_; }

 private:
  std::string_view encoded_;
};

/// Appends one filter to a payload for `Unsubscribe::filters`.
void append_unsubscription(std::string& payload, std::string_view filter);

struct Unsubscribe {
  std::uint16_t packet_id = 0;
  Properties properties;
  UnsubscribeFilters filters;  ///< at least one [MQTT-3.10.3-2]
};

struct Unsuback {
  std::uint16_t packet_id = 0;
  Properties properties;
  std::string_view codes;  ///< a Reason per filter, as bytes [MQTT-3.11.3-1]; not on the wire before MQTT 5
};

struct Pingreq {};
struct Pingresp {};

struct Disconnect {
  Reason reason = Reason::Success;  ///< not on the wire before MQTT 5
  Properties properties;
};

/// MQTT 5 only.
struct Auth {
  Reason reason = Reason::Success;
  Properties properties;
};

using Packet = std::variant<Connect, Connack, Publish, Ack, Subscribe, Suback, Unsubscribe, Unsuback, Pingreq, Pingresp,
                            Disconnect, Auth>;

}  // namespace ferrule::mqtt

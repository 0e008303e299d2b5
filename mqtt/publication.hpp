// What is published: one immutable object, shared by every session, outbox and retained entry that holds it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace ferrule::mqtt {

enum class Qos : std::uint8_t { AtMostOnce = 0, AtLeastOnce = 1, ExactlyOnce = 2 };

/// Immutable after construction; crosses threads as `PublicationPtr`.
struct Publication {
  std::string topic;    ///< valid topic name
  std::string payload;  ///< any bytes
  Qos qos = Qos::AtMostOnce;
  bool retain = false;
  /// The properties that travel with the message, encoded as MQTT 5 does, in the publisher's order: payload format, content
  /// type, response topic, correlation data, user properties. Without the length in front. Never topic alias,
  /// subscription identifier or message expiry, which belong to one hop.
  std::string properties;
  /// When it was published, and when it ends (Message Expiry Interval), on the monotonic clock.
  std::chrono::steady_clock::time_point published{};
  std::optional<std::chrono::steady_clock::time_point> expires;
  /// Client id of the publisher, for No Local [MQTT-3.8.3-3] and loop prevention; empty for the gateway's own readings.
  std::string origin;
};

using PublicationPtr = std::shared_ptr<const Publication>;

}  // namespace ferrule::mqtt

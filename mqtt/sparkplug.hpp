// What makes the broker a Sparkplug Aware MQTT Server (Sparkplug 3.0 chapter 10): births kept, deaths dated.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ferrule::mqtt::sparkplug {

inline constexpr std::string_view kNamespace = "spBv1.0";  ///< the first level of its topics

enum class Kind : std::uint8_t { Other, Birth, NodeDeath };

/// What a topic name says: `spBv1.0/group/NBIRTH/edge`, `spBv1.0/group/DBIRTH/edge/device`,
/// `spBv1.0/group/NDEATH/edge`.
Kind kind_of(std::string_view topic);

/// Where a birth is kept: `$sparkplug/certificates/` and its own topic.
std::string certificate_topic(std::string_view birth_topic);

/// An NDEATH's payload (protobuf, org.eclipse.tahu.protobuf.Payload) with field 1, its timestamp in milliseconds since
/// 1970 UTC, set to `now`; nothing when the payload is not well-formed protobuf.
std::optional<std::string> with_timestamp(std::string_view payload, std::chrono::system_clock::time_point now);

}  // namespace ferrule::mqtt::sparkplug

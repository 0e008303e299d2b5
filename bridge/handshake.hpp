// CONNECT and what comes back.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "bridge/dialer.hpp"
#include "bridge/settings.hpp"
#include "bridge/stream.hpp"
#include "mqtt/framer.hpp"
#include "mqtt/packets.hpp"

namespace ferrule::bridge {

// What we ask of the cloud.
inline constexpr std::uint32_t kMaxIncoming = 1 << 20;  ///< bytes of a packet
inline constexpr std::uint16_t kReceiveMaximum = 100;

/// The CONNECT, as bytes. `mqtt_version`: 5 or 4. `password`: empty for none. `bd_seq`: of the will of an edge node.
/// `anew`: the cloud forgets what it knows of our session [MQTT-3.1.2-4].
std::string connect_packet(const UplinkSettings& settings, int mqtt_version, std::string_view password,
                           std::uint8_t bd_seq, bool anew);
/// What the first packet of a connection says.
Attempt read_answer(const mqtt::Frame& frame, int mqtt_version);

/// Writes `connect` and reads until there is a CONNACK, or something else. What came behind it stays in `framer`.
Attempt shake_hands(Stream& stream, mqtt::Framer& framer, const std::string& connect, int mqtt_version, bool is_secure,
                    const Wait& wait);

}  // namespace ferrule::bridge

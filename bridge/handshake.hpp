// CONNECT and what comes back.
#pragma once

#include <string>

#include "bridge/dialer.hpp"
#include "bridge/stream.hpp"
#include "mqtt/framer.hpp"

namespace ferrule::bridge {

/// Writes `connect` and reads until there is a CONNACK, or something else. What came behind it stays in `framer`.
Attempt shake_hands(Stream& stream, mqtt::Framer& framer, const std::string& connect, int mqtt_version, bool is_secure,
                    const Wait& wait);

}  // namespace ferrule::bridge

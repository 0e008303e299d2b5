// Opens the socket that a listener's settings ask for.
#pragma once

#include "mqtt/settings.hpp"

namespace ferrule::mqtt {

/// A non-blocking listening descriptor: a TCP address bound, a Unix socket created (one that a dead program left behind
/// is replaced), or the one that systemd passed under that name. Throws config::Error with the place of the setting.
int open_listening(const ListenSettings& settings);

}  // namespace ferrule::mqtt

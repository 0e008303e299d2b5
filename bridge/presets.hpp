// What the great clouds demand of a client, so that a user need not know it: defaults, and what they forbid.
#pragma once

#include <string_view>

#include "bridge/settings.hpp"
#include "config/node.hpp"

namespace ferrule::bridge {

/// Reads `preset` of an uplink: `aws-iot`, `azure-iot-hub`, `azure-event-grid`, `emqx` or `hivemq`. Puts its defaults
/// into `settings`, whose other keys are not read yet but its addresses and its client id.
void apply_preset(const config::Node& node, UplinkSettings& settings);

/// Mistakes of an uplink that is read: what its preset's cloud would not take.
void check_preset(const config::Node& node, const UplinkSettings& settings);

}  // namespace ferrule::bridge

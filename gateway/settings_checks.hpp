// What `ferrule check` warns of because two sections, each right by itself, make no sense together.
#pragma once

#include "config/node.hpp"

namespace ferrule::gateway {

struct Settings;

/// The uplinks that carry what Home Assistant is told say at their cloud whether the gateway is there, where entities
/// look for it; warns of those that cannot.
void tell_clouds_of_status(const config::Node& root, Settings& settings);

/// Routes of uplinks that no publication ever gets to, because one above takes all that they would.
void warn_of_unreachable_routes(const config::Node& root, const Settings& settings);

/// Access rules that change nothing, because of another one in their list.
void warn_of_useless_rules(const config::Node& root, const Settings& settings);

/// Points that can be written, where the broker's rules let nobody publish a command. Modbus servers and the uplinks'
/// `in` routes are ways of their own.
void warn_of_shut_out_commands(const config::Node& root, const Settings& settings);

}  // namespace ferrule::gateway

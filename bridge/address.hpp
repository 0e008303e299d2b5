// From the name in an uplink's URL to addresses, and what is wrong with one.
#pragma once

#include <string>
#include <vector>

#include "bridge/settings.hpp"

namespace ferrule::bridge {

/// At most four, numeric with the port: "192.0.2.1:1883", "[2001:db8::1]:1883". Empty with `error` set when there is
/// none. Blocks for as long as the name server takes.
std::vector<std::string> resolve(const Endpoint& endpoint, std::string& error);

/// Why there is no TCP connection to such an address, e.g. "Connection refused": tries, for at most half a second.
std::string explain_no_connection(const std::string& address);

}  // namespace ferrule::bridge

// Where to listen, in one word of the configuration.
#pragma once

#include <cstdint>
#include <string>

#include "config/node.hpp"

namespace ferrule::gateway {

/// Reads `127.0.0.1:8080` or `[::1]:8080`, an address of this machine in numbers and a port. A mistake leaves both as
/// they are.
void read_host_port(const config::Node& node, std::string& host, std::uint16_t& port);

/// Only programs on this machine reach it.
bool is_loopback(const std::string& host);

}  // namespace ferrule::gateway

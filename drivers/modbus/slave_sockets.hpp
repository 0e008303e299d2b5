// The sockets of a slave on TCP.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <system_error>
#include <tl/expected.hpp>

#include "drivers/descriptor.hpp"

namespace ferrule::drivers::modbus {

struct Listener {
  Descriptor socket;
  std::uint16_t port;
};

/// `host` in numbers; `port` 0 means any free one.
tl::expected<Listener, std::error_code> listen_on(const std::string& host, std::uint16_t port);

/// A peer's address without its port, for people.
std::string address_text(const sockaddr_storage& address);

/// For an accepted socket: answers go out at once, and it makes way for the buses, which need descriptors below
/// FD_SETSIZE for select().
Descriptor as_connection(Descriptor socket);

}  // namespace ferrule::drivers::modbus

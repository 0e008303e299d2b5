// The least that any broker on sockets must do: an epoll loop that moves the publishers' bytes to every subscriber.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>

namespace ferrule::bench {

/// Serves the port it is given until it is ended. Reads CONNECT and SUBSCRIBE only as far as to answer them; a PUBLISH
/// is not looked into but for its length, by which it acknowledges QoS 1 at once. One read and one write per socket and
/// loop round.
[[noreturn]] void relay(std::uint16_t port);

}  // namespace ferrule::bench

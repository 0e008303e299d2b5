// Looking up a host name without being held up by a slow name server.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <memory>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "drivers/fault.hpp"
#include "drivers/stop_signal.hpp"

namespace ferrule::drivers {

/// A socket address of either family.
struct Endpoint {
  sockaddr_storage address{};
  socklen_t length = 0;
};

/// Resolves one host. A numeric address is answered at once; a name is looked up by getaddrinfo, which knows no
/// deadline, on a detached thread: at most one per resolver, and one that overran is waited for again instead of
/// started twice.
class Resolver {
 public:
  Resolver(std::string host, std::uint16_t port, const StopSignal& stop);
  ~Resolver();

  /// The addresses in the order to try, at least one; Failure::PortLost when there is none by `deadline`.
  tl::expected<std::vector<Endpoint>, Fault> resolve(TimePoint deadline);

 private:
  struct Lookup;

  const std::string host_;
  const std::string service_;
  const StopSignal& stop_;
  std::shared_ptr<Lookup> lookup_;  // the one under way, shared with its thread
};

}  // namespace ferrule::drivers

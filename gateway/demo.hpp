// `ferrule demo`: a simulated plant, the gateway, and a stand-in cloud that is cut off for a while.
#pragma once

#include <cstdint>
#include <string>

namespace ferrule::gateway {

struct DemoOptions {
  bool once = false;       ///< end by itself within 60 s and judge
  std::string cloud;       ///< URL of a broker to use as the cloud; empty: a second Ferrule in a process of its own
  std::uint64_t seed = 1;  ///< of the simulated values
};

/// Returns 0; with `once`, 1 unless every message published during the run reached the cloud exactly once and in order.
/// Throws config::Error when it cannot start.
int demo(const DemoOptions& options);

}  // namespace ferrule::gateway

// The verbs that ask the running gateway over its control socket: `ferrule status`.
#pragma once

#include <filesystem>

namespace ferrule::gateway {

struct AskOptions {
  std::filesystem::path socket;  ///< empty: default_control_socket()
  bool json = false;             ///< as the gateway answered
};

/// Prints how the gateway is. 0: all is well; 1: there are problems; EX_UNAVAILABLE: it does not run; EX_NOPERM: this
/// user may not ask.
int print_status(const AskOptions& options);

}  // namespace ferrule::gateway

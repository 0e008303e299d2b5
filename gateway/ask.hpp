// The verbs that ask the running gateway over its control socket: `ferrule status`, `reload`, `top` and `tap`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace ferrule::gateway {

struct AskOptions {
  std::filesystem::path socket;  ///< empty: default_control_socket()
  bool json = false;             ///< as the gateway answered
  bool all = false;              ///< more than one screen has room for
};

/// Prints how the gateway is. 0: all is well; 1: there are problems; EX_SOFTWARE: one of them only a restart mends;
/// EX_UNAVAILABLE: it does not run; EX_NOPERM: this user may not ask.
int print_status(const AskOptions& options);

/// Prints the newest `limit` events, the newest last.
int print_events(const AskOptions& options, std::uint64_t limit);

/// Has the gateway read its configuration again, and prints what has changed. EX_CONFIG: nothing has, and why.
int reload(const AskOptions& options);

/// The status and every point, again each second until Ctrl-C; once when standard output is no terminal.
int show_top(const AskOptions& options);

/// Prints publications that `filter` selects as they pass the broker, a line each; 0 after `count` of them, if that is
/// not 0.
int print_tap(const AskOptions& options, const std::string& filter, std::uint64_t count);

/// As much of a line of UTF-8 as has room in so many columns, a column for each character.
std::string_view fitted(std::string_view line, std::size_t columns);

}  // namespace ferrule::gateway

// The verbs of `ferrule`.
#pragma once

#include <filesystem>

namespace ferrule::gateway {

/// Returns the exit code: 0, or one of <sysexits.h>: EX_USAGE 64, EX_UNAVAILABLE 69 (address in use), EX_SOFTWARE 70,
/// EX_CANTCREAT 73 (state directory), EX_CONFIG 78 (anything wrong with the configuration file).
int run_command_line(int argc, char** argv);

}  // namespace ferrule::gateway

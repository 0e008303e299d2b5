// `ferrule test`: what a configuration makes of registers, proven without devices.
#pragma once

#include <filesystem>

namespace ferrule::gateway {

/// Feeds each test's steps, which are registers as a device would answer or a failure, through the mapping of the
/// configuration that the file names, and compares what is published with what is expected (docs/mapping.md). Prints a
/// line for each test, and where one differs. EX_OK when all hold, 1 when not. Throws config::Error for mistakes in the
/// tests or in the configuration.
int test_mapping(const std::filesystem::path& file);

}  // namespace ferrule::gateway

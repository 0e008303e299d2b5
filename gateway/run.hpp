// `ferrule run FILE`: the gateway as a service.
#pragma once

#include <filesystem>

namespace ferrule::gateway {

/// Runs until SIGTERM or SIGINT, then stops within 2 s and returns 0. Throws config::Error when it cannot start.
int run(const std::filesystem::path& file);

}  // namespace ferrule::gateway

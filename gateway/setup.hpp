// `ferrule run --setup`: a page that says what is wrong with the configuration, or makes a first one.
#pragma once

#include <filesystem>
#include <string>

namespace ferrule::gateway {

/// When `file` cannot be run, serves a page at `place` (`127.0.0.1:8080`: this machine only) until it can: with the
/// mistakes of a file that is there, or a form for one that is not. Returns true then, at once when nothing is wrong,
/// and false when SIGTERM or SIGINT comes first. Throws config::Error when it cannot listen there.
bool set_up(const std::filesystem::path& file, const std::string& place);

}  // namespace ferrule::gateway

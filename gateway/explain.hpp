// `ferrule explain`: the whole way of one point, from the wire to its subscribers.
#pragma once

#include <filesystem>
#include <string>

namespace ferrule::gateway {

struct Settings;

/// A line for each step of the way of the point `DEVICE/POINT`, as the configuration has it. Throws config::Error when
/// there is no such point, with the nearest name.
std::string explanation(const Settings& settings, const std::string& point);

/// Prints it. EX_OK. Throws config::Error.
int explain(const std::filesystem::path& file, const std::string& point);

}  // namespace ferrule::gateway

// Files that are wholly on disk before anybody relies on them.
#pragma once

#include <filesystem>
#include <string_view>

namespace ferrule::gateway {

/// Writes all of `text` at the descriptor's place and waits until it is on disk; false, with errno, when it is not.
bool write_durably(int descriptor, std::string_view text);

/// Waits until the names in a directory, such as that of a file renamed into it, are on disk. One that cannot be opened
/// is left as it is.
void sync_directory(const std::filesystem::path& directory);

}  // namespace ferrule::gateway

// `ferrule fmt`: brings configuration files into the form that everybody writes.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace ferrule::gateway {

struct FormatOptions {
  std::vector<std::filesystem::path> files;  ///< or directories, of which each `*.yaml` is meant
  bool check = false;                        ///< only say which are not in that form
};

/// Writes each file anew where that changes it, and prints its name. EX_OK; 1 when `check` found one. Throws
/// config::Error; what was written before stays written.
int format_files(const FormatOptions& options);

/// Beside the file first, so that at no time there is half of one; with its mode. Throws config::Error.
void replace_file(const std::filesystem::path& file, const std::string& text);

}  // namespace ferrule::gateway

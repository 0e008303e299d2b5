// `ferrule migrate`: a configuration in today's version of its language.
#pragma once

#include <filesystem>

namespace ferrule::gateway {

struct MigrateOptions {
  std::filesystem::path file;  ///< or a directory
  bool check = false;          ///< only say what would change
};

/// Writes the files that change, each beside a copy of what it was (`plant.yaml.v1`), and prints every place. EX_OK;
/// 1 when `check` found an older version. Throws config::Error.
int migrate(const MigrateOptions& options);

}  // namespace ferrule::gateway

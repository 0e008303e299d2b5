// `ferrule import`: configuration from files of other programs.
#pragma once

#include <filesystem>
#include <string>

namespace ferrule::gateway {

struct ImportDbcOptions {
  std::filesystem::path file;
  std::string device;  ///< empty: as the file is called
  std::string interface = "can0";
};

/// Prints a CAN bus and a device with a point for each signal of a DBC file. Throws config::Error when the file has a
/// mistake or cannot be read.
int import_dbc(const ImportDbcOptions& options);

}  // namespace ferrule::gateway

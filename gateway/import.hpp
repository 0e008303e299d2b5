// `ferrule import`: configuration from files of other programs.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace ferrule::gateway {

struct ImportDbcOptions {
  std::filesystem::path file;
  std::string device;  ///< empty: as the file is called
  std::string interface = "can0";
};

/// Prints a CAN bus and a device with a point for each signal of a DBC file. Throws config::Error when the file has a
/// mistake or cannot be read.
int import_dbc(const ImportDbcOptions& options);

struct ImportCsvOptions {
  std::filesystem::path file;
  std::string numbering = "wire";  ///< wire, one or modicon
  std::string table;
  std::string byte_order;
};

/// Prints a device template with a point for each row of a vendor's table. Throws config::Error with all mistakes in
/// it.
int import_csv(const ImportCsvOptions& options);

struct ImportSunspecOptions {
  std::vector<std::string> models;  ///< FILE or FILE@ADDRESS
  int repeat = 1;
};

/// Prints a device template with the points of SunSpec models. Throws config::Error.
int import_sunspec(const ImportSunspecOptions& options);

}  // namespace ferrule::gateway

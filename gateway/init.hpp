// `ferrule init`: a first configuration that runs, for somebody to go on with.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace ferrule::gateway {

struct InitOptions {
  std::filesystem::path file;
  std::string id;                ///< of the gateway; empty: the host name
  std::vector<std::string> tcp;  ///< `HOST` or `HOST:PORT` of Modbus TCP devices
  std::vector<std::string> rtu;  ///< serial ports with Modbus RTU devices
  std::string cloud;             ///< the URL of a broker; empty: none
};

/// The text of a configuration with a bus for each of them, and of the machine itself.
std::string first_configuration(const InitOptions& options);

/// Writes the text to a new file; why not, or nothing when it was written.
std::optional<std::string> write_configuration(const std::filesystem::path& file, const std::string& text);

/// Writes such a file and says what to do next. With nothing given, asks on a terminal, and takes the serial ports that
/// there are elsewhere. EX_CANTCREAT when the file is there already or cannot be made. Throws config::Error, and writes
/// nothing, when what was given makes no sense.
int init(InitOptions options);

}  // namespace ferrule::gateway

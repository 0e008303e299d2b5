// `ferrule ports` and `ferrule read`: for the person at the cabinet.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace ferrule::gateway {

/// Prints the serial ports of this machine.
int print_ports();

struct ReadOptions {
  std::filesystem::path file;
  std::string bus;  ///< its name in the file
  int unit = 1;
  std::string table = "holding";
  int address = 0;  ///< as on the wire
  int count = 10;
};

/// Reads registers or bits once and prints them, with every likely meaning as a point to paste. EX_UNAVAILABLE when
/// there is no answer. Throws config::Error when the file cannot be read.
int print_registers(const ReadOptions& options);

}  // namespace ferrule::gateway

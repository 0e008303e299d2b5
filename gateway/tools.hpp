// `ferrule ports`, `read`, `write` and `scan`: for the person at the cabinet.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "drivers/modbus/scan.hpp"

namespace ferrule::gateway {

/// Prints the serial ports and the CAN interfaces of this machine.
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

struct WriteOptions {
  std::filesystem::path file;
  std::string bus;
  int unit = 1;
  std::string table = "holding";
  int address = 0;  ///< as on the wire
  std::string value;
  std::string type;  ///< as in the configuration; empty: uint16, of a coil bool
  std::string byte_order = "ABCD";
};

/// Writes one value once, and reads back what the device holds then. EX_UNAVAILABLE when it does not confirm it,
/// EX_DATAERR when the type cannot hold the value. Throws like print_registers.
int write_value(const WriteOptions& options);

struct ScanVerbOptions {
  std::filesystem::path file;
  std::string bus;
  drivers::modbus::ScanOptions scan;
};

/// Prints each unit that answers, and shows its progress on standard error. EX_UNAVAILABLE when the port cannot be used
/// or nobody answers.
int print_scan(const ScanVerbOptions& options);

}  // namespace ferrule::gateway

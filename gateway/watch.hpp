// The verbs that watch a bus's wire: `ferrule trace` and `ferrule record`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace ferrule::gateway {

struct WatchOptions {
  std::filesystem::path socket;  ///< empty: default_control_socket()
  std::string bus;
  bool json = false;             ///< trace: as the gateway tells it
  std::filesystem::path pcap;    ///< trace: a capture instead of lines; "-": on standard output
  std::filesystem::path output;  ///< record: empty: standard output
  std::uint64_t count = 0;       ///< ends after so many requests; 0: never
};

/// Prints what goes over the bus's wire in words, or writes it as a capture, until the gateway ends or nobody reads.
int trace_bus(const WatchOptions& options);

/// Writes what goes over the bus's wire as a transcript: a line for what was sent (`>`) or received (`<`), with the
/// seconds since the beginning and the bytes; docs/modbus.md has the format.
int record_bus(const WatchOptions& options);

}  // namespace ferrule::gateway

// The masters under measurement: buses of Ferrule, and the least that can be written with libmodbus.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ferrule::bench {

/// What a master did in a time.
struct Polled {
  double seconds = 0;
  double processor = 0;  ///< seconds, of this process
  std::uint64_t points = 0;
  std::vector<std::uint64_t> requests_by_device{};
  std::size_t heap = 0;  ///< bytes that running buses hold, the configuration's text and tree not among them

  std::uint64_t requests() const;
};

/// Runs the buses of a configuration (YAML), and measures them for `time` when they have run for `warm_up`.
Polled run_buses(const std::string& yaml, std::chrono::milliseconds warm_up, std::chrono::milliseconds time);

/// How long writes wait on a bus that is busy with reads: from `submit` to the device's confirmation.
struct Waits {
  std::chrono::duration<double> longest{};
  std::chrono::duration<double> mean{};
  std::size_t confirmed = 0;
};
Waits time_writes(const std::string& yaml, std::size_t writes);

/// libmodbus, a thread for each port, reading `blocks` times 125 registers over and over (`pause`: between two rounds).
Polled run_libmodbus(const std::vector<std::uint16_t>& ports, int blocks, std::chrono::milliseconds pause,
                     std::chrono::milliseconds time);
/// The same by modbus-serial, if node has it (NODE_PATH); one process for all ports.
std::optional<Polled> run_modbus_serial(const std::vector<std::uint16_t>& ports, int blocks,
                                        std::chrono::milliseconds pause, std::chrono::milliseconds time);
/// libmodbus on a line, reading `registers` of each unit in turn.
Polled run_libmodbus(const std::string& path, int baud, int units, int registers, std::chrono::milliseconds timeout,
                     std::chrono::milliseconds time);

}  // namespace ferrule::bench

// `ferrule simulate`: the devices of a configuration without the devices, so that a site can be rehearsed.
#pragma once

#include <cstdint>
#include <filesystem>

#include "drivers/modbus/simulated_slave.hpp"

namespace ferrule::gateway {

struct SimulateOptions {
  std::filesystem::path file;
  std::uint64_t seed = 1;
  std::uint16_t first_port = 0;  ///< of the first bus, the others follow; 0: any free ones
  drivers::modbus::Faults faults;
};

/// Serves every Modbus device of the configuration: serial lines on pseudo-terminals, all other transports as Modbus
/// TCP on ports of 127.0.0.1. Prints the buses as a configuration has to name them to poll these devices, then serves
/// until SIGTERM or SIGINT. EX_UNAVAILABLE when a port is taken or there is nothing to simulate. Throws config::Error.
int simulate(const SimulateOptions& options);

}  // namespace ferrule::gateway

// Simulated Modbus slaves on TCP ports and pseudo-terminals.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <system_error>
#include <tl/expected.hpp>
#include <vector>

#include "drivers/clock.hpp"
#include "drivers/modbus/simulated_slave.hpp"
#include "drivers/settings.hpp"

namespace ferrule::drivers::modbus {

/// What a simulator did so far.
struct SimulatorStatus {
  std::uint64_t requests = 0;   ///< complete frames
  std::uint64_t answers = 0;    ///< sent, exceptions and faulty ones included
  std::uint64_t faults = 0;     ///< answers dropped, late, or made wrong on purpose
  std::uint64_t unsent = 0;     ///< answers that the peer did not take, or for which too many others were waiting
  std::uint64_t malformed = 0;  ///< bytes that are no frame: the connection was closed, or the line waited for silence
};

/// Serves any number of TCP ports and serial lines on one thread, each with its own slaves. Ports are added before
/// `start`. libmodbus checks and answers the requests (see Responder).
class Simulator {
 public:
  /// `seed` decides every value and fault; `clock` moves the values and must outlive the simulator. Throws
  /// std::system_error when the process is out of descriptors.
  Simulator(std::uint64_t seed, const Clock& clock);
  ~Simulator();  ///< stops
  Simulator(const Simulator&) = delete;
  Simulator& operator=(const Simulator&) = delete;

  /// Listens on 127.0.0.1; `port` 0 means any free one. Returns the port.
  tl::expected<std::uint16_t, std::error_code> add_tcp(std::uint16_t port, const std::vector<SimulatedSlave>& slaves);
  /// Opens a pseudo-terminal. Returns the path of the end that the master opens. An answer takes the time that it and
  /// its request need on a line with these settings.
  tl::expected<std::string, std::error_code> add_rtu(const LineSettings& line,
                                                     const std::vector<SimulatedSlave>& slaves);

  void start();
  void stop();                     ///< closes all ports, for good
  SimulatorStatus status() const;  ///< Any thread.

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// Slaves for the devices of a bus: each configured point gets a waveform that suits its unit and type, within what the
/// type can hold after its scale and offset; of points that overlap, the first. All slaves get `faults`.
std::vector<SimulatedSlave> simulated_slaves(const BusSettings& bus, const Faults& faults = {});

/// A waveform for a point of that unit (`V`, `kWh`, `°C` ...) and type, in register units. Pure: the same point, the
/// same wave.
Waveform plausible_waveform(const PointSettings& point);

}  // namespace ferrule::drivers::modbus

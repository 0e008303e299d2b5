// A Modbus server: points in the tables of its units, and units of buses as behind a gateway.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "drivers/clock.hpp"
#include "drivers/modbus/slave_ports.hpp"
#include "drivers/modbus_server/settings.hpp"
#include "drivers/modbus_server/unit_table.hpp"
#include "drivers/pass.hpp"
#include "drivers/write.hpp"

namespace ferrule::drivers::modbus_server {

struct ServerStatus {
  std::string name;
  std::string port;  ///< `127.0.0.1:1502`, `/dev/ttyUSB0`
  modbus::SlavePortsStatus ports;
  std::uint64_t exceptions = 0;  ///< answers that are one
  std::uint64_t writes = 0;      ///< of points, asked for
  std::uint64_t remembered = 0;  ///< requests to a shared bus that were answered from what it answered before
  std::uint64_t passed = 0;      ///< that went over the bus
};

/// One server on a thread of its own. An answer never has a value that its point has not: see UnitTable::refresh. A
/// write is answered when it is done: as it was asked when the device has it, else with exception 03 (refused), 04
/// (sent and not confirmed), 0B (never sent, and it will not be).
class Server {
 public:
  /// How the server reaches the gateway. Called on the server's thread; `done` may be called on any thread, once, and
  /// even when the server is no more.
  struct Way {
    UnitTable::Look look;
    std::function<void(const ExposedPoint&, Value, std::string who, std::function<void(const WriteResult&)> done)>
        write;
    std::function<std::optional<std::vector<std::uint8_t>>(std::size_t bus, std::uint8_t unit,
                                                           std::span<const std::uint8_t> request, TimePoint since)>
        recall;
    /// False, and `done` is not called, when the bus has no room.
    std::function<bool(std::size_t bus, PassRequest&&)> pass;
    /// For the audit: who wrote through to a bus, and what became of it.
    std::function<void(std::string who, std::string what)> note;
  };

  /// Listens, or throws std::system_error. A line that cannot be opened yet is tried again. `clock` outlives it.
  Server(ServerSettings settings, Way way, modbus::SlavePorts::Admits admits, const Clock& clock);
  ~Server();  ///< stops
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  void start();
  void stop();                  ///< closes all connections, for good
  ServerStatus status() const;  ///< Any thread.

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ferrule::drivers::modbus_server

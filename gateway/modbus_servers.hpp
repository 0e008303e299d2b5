// The Modbus servers of the gateway: values from the buses to them, writes from them to the commands.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "drivers/bus.hpp"
#include "drivers/modbus_server/server.hpp"
#include "mapping/mapper.hpp"
#include "mqtt/address.hpp"

namespace ferrule::gateway {

struct ModbusServerSettings {
  drivers::modbus_server::ServerSettings server;
  std::vector<mqtt::Network> allow;  ///< who may connect; empty: everybody
};

/// Reads `modbus_servers`. Mistakes go to the document, and a warning for a server that anybody on a network reaches.
std::vector<ModbusServerSettings> read_modbus_servers(const config::Node& root,
                                                      const std::vector<drivers::BusSettings>& buses);

/// All servers, and the latest of the points that they show.
class ModbusServers {
 public:
  /// What the servers need of the gateway; all of it is called on their threads.
  struct Way {
    /// Carries out a command to the point that takes its commands from that topic; `done` is called once, on any
    /// thread.
    std::function<void(const std::string& topic, drivers::Value value, std::string who,
                       std::function<void(const drivers::WriteResult&)> done)>
        command;
    std::function<drivers::Bus&(std::size_t bus)> bus;
    std::function<void(std::string who, std::string what)> note;  ///< for the audit
  };

  /// Listens; throws config::Error when one cannot. `mappings` are those of all buses. `clock` outlives it.
  ModbusServers(const std::vector<ModbusServerSettings>& settings, const std::vector<mapping::BusMappings>& mappings,
                Way way, const drivers::Clock& clock);

  void start();
  void stop();  ///< closes all connections, for good

  /// On the bus's thread: the readings have just been mapped. Of a bus that is not among `mappings` nothing is shown.
  void take(std::size_t bus, std::span<const drivers::Reading> readings, const mapping::Mapper& mapper);
  /// On the bus's thread: a write was read back. The poll that follows it may be far behind on a line.
  void show(std::size_t bus, drivers::PointIndex point, drivers::Value value);
  /// On the bus's thread: the readings were dropped unseen.
  void miss(std::size_t bus, std::span<const drivers::Reading> readings);

  std::vector<drivers::modbus_server::ServerStatus> status() const;  ///< Any thread.

 private:
  struct Point {
    std::string command_topic;
    drivers::modbus_server::Shown shown;  // guarded by mutex_
  };

  Point* find(std::size_t bus, drivers::PointIndex point);
  drivers::modbus_server::Server::Way way_of();

  const Way way_;
  std::vector<std::unordered_map<drivers::PointIndex, Point>> points_;  // by bus; its keys are constant
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<drivers::modbus_server::Server>> servers_;  // end before what they look at
};

}  // namespace ferrule::gateway

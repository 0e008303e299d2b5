// Which driver serves which type of bus.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "drivers/driver.hpp"
#include "drivers/settings_layers.hpp"

namespace ferrule::drivers {

/// What a driver brings: how its part of the configuration is read, and how it is made.
struct DriverEntry {
  BusType type;
  std::string_view word;  ///< the bus's `type` in the configuration
  /// Reads all keys of a bus but `type`. Mistakes go to the document, here and below.
  void (*read_bus)(const config::Node& node, BusSettings& bus);
  /// Reads all keys of a device but `bus`, `template` and those of publishing: its points, at least one unless there is
  /// a mistake. `bus` has the devices before this one; it is null where nobody knows it.
  void (*read_device)(const Layers& layers, const BusSettings* bus, DeviceSettings& device);
  std::unique_ptr<Driver> (*make)(const BusSettings& settings, const StopSignal& stop);
};

std::span<const DriverEntry> driver_entries();
const DriverEntry& driver_entry(BusType type);
bool is_modbus(BusType type);

/// Makes the driver for `settings.type`. Does no I/O.
std::unique_ptr<Driver> make_driver(const BusSettings& settings, const StopSignal& stop);

}  // namespace ferrule::drivers

// What a point of this machine is: the `system` bus in the configuration.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "drivers/settings.hpp"
#include "drivers/settings_layers.hpp"

namespace ferrule::drivers::system {

enum class Source : std::uint8_t {
  CpuTemperature,   ///< °C
  CpuUsed,          ///< percent since the last reading
  Load,             ///< of the last minute
  MemoryUsed,       ///< percent
  MemoryAvailable,  ///< bytes
  DiskUsed,         ///< percent of what ordinary users may fill, of the file system at `name`
  DiskFree,         ///< bytes
  Link,             ///< bool, of the network interface `name`
  Received,         ///< bytes, of the interface
  Sent,
  Uptime,   ///< seconds
  OneWire,  ///< °C, of the thermometer `name` (28-...)
  Gpio,     ///< bool, of `line` on the chip `name`
  File,     ///< a number in the file `name`, such as one of hwmon or iio
};

enum class Bias : std::uint8_t { AsIs, PullUp, PullDown, Disabled };

struct PointRule {
  Source source = Source::Load;
  std::string name;
  std::uint32_t line = 0;
  bool active_low = false;
  Bias bias = Bias::AsIs;
};

/// DeviceSettings::own of a device on a system bus.
struct MachineSettings final : DriverSettings {
  std::vector<PointRule> points;  ///< beside DeviceSettings::points
};

void read_bus(const config::Node& node, BusSettings& bus);

/// See DriverEntry::read_device.
void read_device(const Layers& layers, const BusSettings* bus, DeviceSettings& device);

}  // namespace ferrule::drivers::system

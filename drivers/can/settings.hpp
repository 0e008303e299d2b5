// What the configuration says of the points on a CAN bus: in which message, where in it, how it is written.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "drivers/can/signal.hpp"
#include "drivers/settings.hpp"
#include "drivers/settings_layers.hpp"

namespace ferrule::drivers::can {

struct PointRule {
  IdFilter message;
  Signal signal;
  std::uint8_t size = 8;                     ///< bytes of the message when it is written
  std::optional<std::uint8_t> fill;          ///< what its other bytes are while nobody has said them; nothing: unknown
  std::chrono::milliseconds stale_after{0};  ///< 0: never
};

/// DeviceSettings::own of a device on a CAN bus.
struct CanSettings final : DriverSettings {
  std::vector<PointRule> points;  ///< beside DeviceSettings::points
};

void read_bus(const config::Node& node, BusSettings& bus);

/// See DriverEntry::read_device.
void read_device(const Layers& layers, const BusSettings* bus, DeviceSettings& device);

}  // namespace ferrule::drivers::can

// The keys of Modbus buses and devices.
#pragma once

#include "drivers/settings.hpp"
#include "drivers/settings_layers.hpp"

namespace ferrule::drivers::modbus {

void read_bus(const config::Node& node, BusSettings& bus);

/// See DriverEntry::read_device.
void read_device(const Layers& layers, const BusSettings* bus, DeviceSettings& device);

}  // namespace ferrule::drivers::modbus

#include "drivers/registry.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>

#include "drivers/can/driver.hpp"
#include "drivers/can/settings.hpp"
#include "drivers/modbus/driver.hpp"
#include "drivers/modbus/settings.hpp"
#include "drivers/serial/driver.hpp"
#include "drivers/serial/settings.hpp"
#include "drivers/system/driver.hpp"
#include "drivers/system/settings.hpp"

namespace ferrule::drivers {

namespace {

// A driver is a folder and its lines here.
constexpr std::array kDrivers{
    DriverEntry{BusType::ModbusTcp, "modbus-tcp", modbus::read_bus, modbus::read_device, modbus::make_driver},
    DriverEntry{BusType::ModbusRtu, "modbus-rtu", modbus::read_bus, modbus::read_device, modbus::make_driver},
    DriverEntry{BusType::ModbusRtuTcp, "modbus-rtu-tcp", modbus::read_bus, modbus::read_device, modbus::make_driver},
    DriverEntry{BusType::ModbusAscii, "modbus-ascii", modbus::read_bus, modbus::read_device, modbus::make_driver},
    DriverEntry{BusType::ModbusAsciiTcp, "modbus-ascii-tcp", modbus::read_bus, modbus::read_device,
                modbus::make_driver},
    DriverEntry{BusType::ModbusUdp, "modbus-udp", modbus::read_bus, modbus::read_device, modbus::make_driver},
    DriverEntry{BusType::ModbusTls, "modbus-tls", modbus::read_bus, modbus::read_device, modbus::make_driver},
    DriverEntry{BusType::Serial, "serial", serial::read_bus, serial::read_device, serial::make_driver},
    DriverEntry{BusType::System, "system", system::read_bus, system::read_device, system::make_driver},
    DriverEntry{BusType::Can, "can", can::read_bus, can::read_device, can::make_driver},
};

}  // namespace

std::span<const DriverEntry> driver_entries() { return kDrivers; }

const DriverEntry& driver_entry(BusType type) {
  const auto* entry = std::ranges::find(kDrivers, type, &DriverEntry::type);
  if (entry == kDrivers.end()) throw std::logic_error("a bus type without a driver");
  return *entry;
}

bool is_modbus(BusType type) { return driver_entry(type).word.starts_with("modbus-"); }

std::unique_ptr<Driver> make_driver(const BusSettings& settings, const StopSignal& stop) {
  return driver_entry(settings.type).make(settings, stop);
}

}  // namespace ferrule::drivers

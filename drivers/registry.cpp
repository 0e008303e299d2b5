#include "drivers/registry.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>

#include "drivers/modbus/driver.hpp"

namespace ferrule::drivers {

namespace {

struct Entry {
  BusType type;
  std::unique_ptr<Driver> (*make)(const BusSettings&, const StopSignal&);
};

// A driver is a folder and its lines here.
constexpr std::array kDrivers{
    Entry{BusType::ModbusTcp, modbus::make_driver},
    Entry{BusType::ModbusRtu, modbus::make_driver},
    Entry{BusType::ModbusRtuTcp, modbus::make_driver},
};

}  // namespace

std::unique_ptr<Driver> make_driver(const BusSettings& settings, const StopSignal& stop) {
  const auto* entry = std::ranges::find(kDrivers, settings.type, &Entry::type);
  if (entry == kDrivers.end()) throw std::logic_error("a bus type without a driver");
  return entry->make(settings, stop);
}

}  // namespace ferrule::drivers

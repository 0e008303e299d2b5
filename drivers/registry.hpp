// Which driver serves which type of bus.
#pragma once

#include <memory>

#include "drivers/driver.hpp"

namespace ferrule::drivers {

/// Makes the driver for `settings.type`. Does no I/O.
std::unique_ptr<Driver> make_driver(const BusSettings& settings, const StopSignal& stop);

}  // namespace ferrule::drivers

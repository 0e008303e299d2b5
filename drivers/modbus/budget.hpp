// Whether a serial line has the time for what is to be read over it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "drivers/settings.hpp"

namespace ferrule::drivers::modbus {

/// The time that a line's reads take of every second.
struct LineBudget {
  double utilisation = 0;    ///< 1: all of it; above, the polls cannot keep up
  std::size_t requests = 0;  ///< in the plan
  /// When it is above kMostUtilisation: the change that costs least and brings it below. Empty otherwise.
  std::string advice;
};

/// Retries, dead units and writes need a part of the time too.
inline constexpr double kMostUtilisation = 0.8;

/// What reading costs, all units answering: the bytes of each request and answer at the line's rate, the silence before
/// each, and the time that a device takes to answer, for which 15 ms are assumed. Nothing for a bus that is no serial
/// line. `settings` as checked by read_buses.
std::optional<LineBudget> line_budget(const BusSettings& settings);

}  // namespace ferrule::drivers::modbus

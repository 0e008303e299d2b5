// Looking for the units of a bus, and for the settings of a line on which they answer.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "drivers/settings.hpp"
#include "drivers/stop_signal.hpp"

namespace ferrule::drivers::modbus {

struct ScanOptions {
  int first_unit = 1;
  int last_unit = 247;
  std::vector<int> bauds{};    ///< of a serial line; empty: its own, then the usual ones
  bool every_setting = false;  ///< a line that has answered is asked at its other settings too
  std::chrono::milliseconds timeout{200};
  std::chrono::milliseconds pause{20};  ///< before each request, so that the others on the wire get on
};

struct FoundUnit {
  std::uint8_t unit = 0;
  std::string line;      ///< "9600 8E1"; empty on a bus that is no serial line
  std::string identity;  ///< what it says it is; empty: nothing
};

/// How a scan tells what it does. Both may be empty.
struct ScanWatcher {
  std::function<void(const std::string& line, int unit, std::size_t found)> asks;
  std::function<void(const FoundUnit&)> finds;
};

/// Reads a register of each unit: whoever answers, be it with a refusal, is there. Returns why the port could not be
/// used, or "". `bus` needs no devices.
std::string scan(const BusSettings& bus, const ScanOptions& options, const StopSignal& stop,
                 const ScanWatcher& watcher);

/// The settings that a scan of this line tries, in order; the bus as it is when it is no serial line.
std::vector<LineSettings> scanned_lines(const BusSettings& bus, const ScanOptions& options);

/// "9600 8E1"
std::string text(const LineSettings& line);

}  // namespace ferrule::drivers::modbus

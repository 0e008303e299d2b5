// What the service manager (systemd) is told, by the protocol of sd_notify(3). Silent when there is none.
#pragma once

#include <chrono>
#include <string>

namespace ferrule::gateway {

class ServiceManager {
 public:
  void ready(const std::string& status) const;
  void status(const std::string& status) const;
  void stopping() const;
  void alive() const;  ///< feeds the watchdog
  /// How often `alive` must be called: half of WatchdogSec; zero when there is no watchdog.
  std::chrono::milliseconds watchdog_period() const;
};

}  // namespace ferrule::gateway

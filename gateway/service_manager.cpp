#include "gateway/service_manager.hpp"

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include <cstdint>

namespace ferrule::gateway {

void ServiceManager::ready(const std::string& status) const {
  sd_notify(0, fmt::format("READY=1\nSTATUS={}", status).c_str());
}

void ServiceManager::status(const std::string& status) const { sd_notify(0, fmt::format("STATUS={}", status).c_str()); }

void ServiceManager::stopping() const { sd_notify(0, "STOPPING=1\nSTATUS=stopping"); }

void ServiceManager::alive() const { sd_notify(0, "WATCHDOG=1"); }

std::chrono::milliseconds ServiceManager::watchdog_period() const {
  std::uint64_t microseconds = 0;
  if (sd_watchdog_enabled(0, &microseconds) <= 0) return {};
  return std::chrono::milliseconds{microseconds / 2000};
}

}  // namespace ferrule::gateway

// A bus: one wire (a serial line) or one socket (a TCP endpoint), its devices, and the thread that polls them.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "drivers/clock.hpp"
#include "drivers/reading.hpp"
#include "drivers/settings.hpp"

namespace ferrule::drivers {

/// Counters and state of a bus and of its devices, for status lines and metrics.
struct DeviceStatus {
  std::string name;
  bool online = false;
  Failure failure = Failure::None;
  std::uint64_t polls = 0;      ///< requests sent
  std::uint64_t failures = 0;   ///< requests without a good answer
};
struct BusStatus {
  std::string name;
  bool connected = false;
  std::vector<DeviceStatus> devices;
};

/// Receives what a bus found. Called on the bus's own thread, once per poll of a device, never with an empty span.
/// Readings of one point arrive in the order they were taken.
using ReadingSink = std::function<void(std::span<const Reading>)>;

/// Owns the port, device health and poll schedule of one bus on a thread of its own. The thread starts with `start`
/// and ends with `stop`, which returns within 2 s whatever the device does.
class Bus {
 public:
  /// `settings` as checked by read_buses; the points' indexes are those of `settings.points()`. Does no I/O yet.
  Bus(BusSettings settings, ReadingSink sink, Clock& clock);
  ~Bus();  ///< stops
  Bus(const Bus&) = delete;
  Bus& operator=(const Bus&) = delete;

  void start();
  void request_stop();  ///< Any thread. Returns at once, so that many buses stop together.
  void stop();          ///< request_stop, then join
  BusStatus status() const;  ///< Any thread.

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ferrule::drivers

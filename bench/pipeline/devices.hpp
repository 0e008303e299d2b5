// Simulated Modbus TCP devices in a process of their own, so that their cost is not the gateway's.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

namespace ferrule::bench {

class DeviceProcess {
 public:
  /// `count` devices, each on a loopback port of its own with unit 1 and `points` uint16 values in holding registers
  /// from 0 on that move all the time. Throws std::runtime_error when they cannot be had.
  DeviceProcess(std::size_t count, std::size_t points);
  ~DeviceProcess();
  DeviceProcess(const DeviceProcess&) = delete;
  DeviceProcess& operator=(const DeviceProcess&) = delete;

  const std::vector<std::uint16_t>& ports() const { return ports_; }

 private:
  pid_t process_ = -1;
  std::vector<std::uint16_t> ports_;
};

}  // namespace ferrule::bench

// Time as the drivers see it, so that tests can move it.
#pragma once

#include <chrono>

namespace ferrule::drivers {

/// Both clocks at once: monotonic for schedules and deadlines, UTC for time stamps.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual std::chrono::steady_clock::time_point now() const = 0;
  virtual std::chrono::system_clock::time_point utc() const = 0;
};

class SystemClock final : public Clock {
 public:
  std::chrono::steady_clock::time_point now() const override { return std::chrono::steady_clock::now(); }
  std::chrono::system_clock::time_point utc() const override { return std::chrono::system_clock::now(); }
};

}  // namespace ferrule::drivers

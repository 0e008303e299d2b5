// Time as the broker and the bridge see it, so that tests can move it.
#pragma once

#include <chrono>

namespace ferrule::mqtt {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual std::chrono::steady_clock::time_point now() const = 0;
  /// Time of day, for what is written into payloads; never for intervals.
  virtual std::chrono::system_clock::time_point utc() const { return std::chrono::system_clock::now(); }
};

class SystemClock final : public Clock {
 public:
  std::chrono::steady_clock::time_point now() const override { return std::chrono::steady_clock::now(); }
};

}  // namespace ferrule::mqtt

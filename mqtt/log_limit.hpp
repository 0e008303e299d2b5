// Keeps a misbehaving peer from filling the log.
#pragma once

#include <chrono>
#include <cstdint>

namespace ferrule::mqtt {

/// At most 20 lines in ten seconds; every event is counted elsewhere.
class LogLimit {
 public:
  using Time = std::chrono::steady_clock::time_point;

  bool allow(Time now) {
    if (now - begin_ >= kWindow) {
      begin_ = now;
      lines_ = 0;
    }
    return lines_ < kLines && ++lines_ != 0;
  }

 private:
  static constexpr std::chrono::seconds kWindow{10};
  static constexpr std::uint32_t kLines = 20;
  Time begin_{};
  std::uint32_t lines_ = 0;
};

}  // namespace ferrule::mqtt

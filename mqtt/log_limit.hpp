// Keeps a misbehaving peer from filling the log, and from writing into it what it likes.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

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

/// A peer's text as it may stand in a log line: without control characters, and at most 100 bytes of it.
std::string for_log(std::string_view text);

}  // namespace ferrule::mqtt

// A command to a field device: what is to be written, and what became of it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "drivers/reading.hpp"
#include "drivers/stop_signal.hpp"

namespace ferrule::drivers {

/// Says whether the device has the value. A write is sent at most once, whatever the outcome.
enum class Outcome : std::uint8_t {
  Ok,         ///< the device confirmed it, and read it back where that was asked for
  Rejected,   ///< refused by us or by the device: it was not executed
  Timeout,    ///< it never went out before its deadline: it was not executed and will not be
  Uncertain,  ///< it went out and was not confirmed: perhaps executed
};
std::string_view name(Outcome);  ///< "ok", "rejected", "timeout", "uncertain"

struct WriteResult {
  Outcome outcome = Outcome::Ok;
  std::string why;                   ///< for people; empty when Ok
  std::optional<Value> read_back{};  ///< what the device has; nothing when it was not read back, or is no value
};

struct WriteRequest {
  PointIndex point = 0;
  Value value;
  TimePoint deadline;                     ///< not sent after it
  std::chrono::milliseconds readback{0};  ///< how long the device may take until it reads back; 0: is not read back
  std::function<void(const WriteResult&)> done;  ///< called once, on the bus's thread
};

}  // namespace ferrule::drivers

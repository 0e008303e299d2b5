// Something that happened, which somebody may want to know about later.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace ferrule::gateway {

enum class EventState : std::uint8_t {
  Noted,     ///< happened, and that was it
  Open,      ///< still so
  Resolved,  ///< was so for a while
};

struct Event {
  using Time = std::chrono::sys_time<std::chrono::milliseconds>;

  std::uint64_t id = 0;  ///< counts from 1, across restarts
  Time at;               ///< when it began
  std::string kind;      ///< a word of ours: "device-silent", "write" ...
  std::string who;       ///< whom it is about, or who did it: "device plc2", "client hmi"
  std::string cause;     ///< for people
  EventState state = EventState::Noted;
  std::optional<Time> resolved;  ///< of a resolved one
};

}  // namespace ferrule::gateway

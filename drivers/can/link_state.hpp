// CAN interfaces of this machine as the kernel describes them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "drivers/can/error_frame.hpp"

namespace ferrule::drivers::can {

struct LinkState {
  std::string name;
  std::string kind;  ///< "can", "vcan", "vxcan"; empty: of another driver
  bool up = false;
  std::uint32_t bitrate = 0;             ///< bit/s; 0: not set, or it has none (vcan)
  std::optional<ControllerState> state;  ///< of what has a controller
  std::uint32_t restart_ms = 0;          ///< 0: it does not come back from bus-off by itself
};

/// What RTM_GETLINK answered: the first link in it. Nothing when it has none, or is no such answer.
std::optional<LinkState> parse_link(std::span<const std::uint8_t> answer);

/// Nothing when there is no such interface, or the kernel does not say.
std::optional<LinkState> link_state(const std::string& interface);

/// All CAN interfaces, by name.
std::vector<LinkState> list_links();

}  // namespace ferrule::drivers::can

// What a controller says of itself and its bus, in words.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "drivers/can/frame.hpp"

namespace ferrule::drivers::can {

/// How well a controller is connected, from the best on (ISO 11898-1 6.12); by the numbers of IFLA_CAN_STATE.
enum class ControllerState : std::uint8_t {
  Active,
  Warning,  ///< 96 errors counted
  Passive,  ///< 128: it does not tell others of errors any more
  BusOff,   ///< 256: it neither sends nor hears
  Stopped,  ///< the interface is down
  Sleeping,
};

std::string_view name(ControllerState state);  ///< "error-active", "error-warning", "error-passive", "bus-off" ...

/// What a state means and what may help; empty for Active.
std::string trouble_of(ControllerState state);

/// What an error frame says: the controller's new state, or something that went wrong, or nothing of interest.
struct ErrorReport {
  bool says_state = false;
  ControllerState state = ControllerState::Active;
  std::string trouble;
};

/// `frame.id` has Frame::kError (<linux/can/error.h>).
ErrorReport read_error(const Frame& frame);

}  // namespace ferrule::drivers::can

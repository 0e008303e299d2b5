#include "drivers/can/error_frame.hpp"

#include <fmt/format.h>
#include <linux/can/error.h>

namespace ferrule::drivers::can {

namespace {

constexpr std::uint8_t kActiveAgain = 0x40;  // CAN_ERR_CRTL_ACTIVE

ErrorReport in_state(ControllerState state) { return {true, state, {}}; }

}  // namespace

std::string_view name(ControllerState state) {
  switch (state) {
    case ControllerState::Active:
      return "error-active";
    case ControllerState::Warning:
      return "error-warning";
    case ControllerState::Passive:
      return "error-passive";
    case ControllerState::BusOff:
      return "bus-off";
    case ControllerState::Stopped:
      return "stopped";
    case ControllerState::Sleeping:
      return "sleeping";
  }
  return "";
}

std::string trouble_of(ControllerState state) {
  const auto with = [state](std::string_view why) { return fmt::format("{}: {}", name(state), why); };
  switch (state) {
    case ControllerState::Active:
      return {};
    case ControllerState::Warning:
      return with("many frames are damaged: look at bit rate, termination and wiring");
    case ControllerState::Passive:
      return with("most frames are damaged, or nobody acknowledges: look at bit rate, termination and wiring");
    case ControllerState::BusOff:
      return with(
          "the controller has left the bus after too many errors: a wrong bit rate, a short circuit; it comes back "
          "by itself if it was set up with restart-ms");
    case ControllerState::Stopped:
      return with("the interface is down");
    case ControllerState::Sleeping:
      return with("the controller sleeps");
  }
  return {};
}

ErrorReport read_error(const Frame& frame) {
  if ((frame.id & CAN_ERR_BUSOFF) != 0) return in_state(ControllerState::BusOff);
  if ((frame.id & CAN_ERR_RESTARTED) != 0) return in_state(ControllerState::Active);
  if ((frame.id & CAN_ERR_CRTL) != 0) {
    const auto said = frame.data[1];
    if ((said & (CAN_ERR_CRTL_RX_PASSIVE | CAN_ERR_CRTL_TX_PASSIVE)) != 0) {
      return in_state(ControllerState::Passive);
    }
    if ((said & (CAN_ERR_CRTL_RX_WARNING | CAN_ERR_CRTL_TX_WARNING)) != 0) {
      return in_state(ControllerState::Warning);
    }
    if ((said & kActiveAgain) != 0) return in_state(ControllerState::Active);
    if ((said & CAN_ERR_CRTL_RX_OVERFLOW) != 0) return {false, {}, "the controller's receive buffer overflowed"};
    if ((said & CAN_ERR_CRTL_TX_OVERFLOW) != 0) return {false, {}, "the controller's transmit buffer overflowed"};
  }
  if ((frame.id & CAN_ERR_TX_TIMEOUT) != 0) return {false, {}, "the controller could not send a frame in time"};
  return {};
}

}  // namespace ferrule::drivers::can

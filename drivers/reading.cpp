#include "drivers/reading.hpp"

namespace ferrule::drivers {

std::string_view name(Quality quality) {
  switch (quality) {
    case Quality::Good:
      return "good";
    case Quality::Uncertain:
      return "uncertain";
    case Quality::Bad:
      return "bad";
  }
  return "bad";
}

std::string_view name(Failure failure) {
  switch (failure) {
    case Failure::None:
      return "";
    case Failure::Timeout:
      return "timeout";
    case Failure::BadReply:
      return "bad-reply";
    case Failure::DeviceBusy:
      return "device-busy";
    case Failure::PointRejected:
      return "point-rejected";
    case Failure::UnitOffline:
      return "unit-offline";
    case Failure::PortLost:
      return "port-lost";
    case Failure::Invalid:
      return "invalid";
    case Failure::Stale:
      return "stale";
    case Failure::Clamped:
      return "clamped";
    case Failure::UnknownCode:
      return "unknown-code";
    case Failure::ClockNotSet:
      return "clock-not-set";
  }
  return "";
}

bool is_silent(Failure failure) {
  switch (failure) {
    case Failure::Timeout:
    case Failure::BadReply:
    case Failure::UnitOffline:
    case Failure::PortLost:
    case Failure::Stale:
      return true;
    default:
      return false;
  }
}

}  // namespace ferrule::drivers

#include "bridge/verdict.hpp"

namespace ferrule::bridge {

Verdict judge(mqtt::Reason reason) {
  using mqtt::Reason;
  if (!is_error(reason)) return Verdict::Delivered;
  switch (reason) {
    case Reason::QuotaExceeded:
    case Reason::ServerBusy:
    case Reason::ServerUnavailable:
    case Reason::MessageRateTooHigh:
    case Reason::ReceiveMaximumExceeded:
    case Reason::PacketIdentifierInUse:
      return Verdict::Later;
    case Reason::UnspecifiedError:
    case Reason::ImplementationSpecificError:
      return Verdict::AgainOrPark;
    default:
      return Verdict::Park;
  }
}

}  // namespace ferrule::bridge

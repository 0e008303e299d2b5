// What an uplink asks of its link, on the way to the link's thread.
#pragma once

#include <cstdint>
#include <string>

#include "bridge/link.hpp"

namespace ferrule::bridge {

struct LinkOrder {
  enum class Kind : std::uint8_t { Connect, ConnectAnew, ConnectElsewhere, Send, Subscribe, Acknowledge };
  Kind kind = Kind::Connect;
  Seq seq = 0;  ///< or Arrival
  mqtt::PublicationPtr publication;
  std::string topic;  ///< or filter
  mqtt::Qos qos = mqtt::Qos::AtMostOnce;
  mqtt::Reason reason = mqtt::Reason::Success;

  bool is_unqueued() const { return kind == Kind::Send && qos == mqtt::Qos::AtMostOnce; }
  bool may_be_dropped() const { return is_unqueued() && seq == 0; }
};

}  // namespace ferrule::bridge

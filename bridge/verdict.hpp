// What the cloud's answer means for a message.
#pragma once

#include <cstdint>

#include "mqtt/reason.hpp"

namespace ferrule::bridge {

/// What to do with a message after the cloud's answer to it.
enum class Verdict : std::uint8_t {
  Delivered,
  Later,        ///< the cloud cannot take it now: all wait for a while
  AgainOrPark,  ///< it does not say why: tried a few times
  Park,         ///< it will not be taken later either
};

Verdict judge(mqtt::Reason reason);  ///< of a PUBACK, PUBREC or PUBCOMP (MQTT 5 section 2.4)

}  // namespace ferrule::bridge

// How a refusal by the cloud reads in the log.
#pragma once

#include <string>

#include "mqtt/reason.hpp"

namespace ferrule::bridge {

std::string with_code(mqtt::Reason reason);  ///< "Not authorized (0x87)"
/// Of a CONNACK of MQTT 3.1.1 (table 3.1 there): "not authorized (5)".
std::string return_code_text(int code);

}  // namespace ferrule::bridge

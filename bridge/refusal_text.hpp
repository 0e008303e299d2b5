// How a refusal by the cloud, or of what it says, reads in the log.
#pragma once

#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "mqtt/reason.hpp"

namespace ferrule::bridge {

std::string with_code(mqtt::Reason reason);  ///< "Not authorized (0x87)"
/// Of a CONNACK of MQTT 3.1.1 (table 3.1 there): "not authorized (5)".
std::string return_code_text(int code);
/// Why a connection has to end.
tl::unexpected<std::string> breach(const mqtt::Refusal& refusal);
tl::unexpected<std::string> breach(std::string_view what);

}  // namespace ferrule::bridge

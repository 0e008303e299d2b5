// Values of Sparkplug metrics between the types of their wire, of their births and of commands.
#pragma once

#include <string>

#include "mqtt/sparkplug_payload.hpp"

namespace ferrule::bridge {

/// `value` of type `from` as one of type `to`: a number beyond it becomes its limit, what is no value of it null.
mqtt::sparkplug::Value cast(const mqtt::sparkplug::Value& value, mqtt::sparkplug::Datatype from,
                            mqtt::sparkplug::Datatype to);

/// As a command's payload: -5, 23.5, true, "auto"; empty when it is null. `type` says whether a number is signed.
std::string json_of(const mqtt::sparkplug::Value& value, mqtt::sparkplug::Datatype type);

}  // namespace ferrule::bridge

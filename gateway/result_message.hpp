// What a request that came as a publication is answered with: a command's result, and a configuration's.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "mqtt/publication.hpp"

namespace ferrule::gateway {

/// A publication of QoS 1 with the payload `{"ts":..,"result":"..","why":".."}`: `at` as milliseconds since 1970, and
/// `why` unless it is empty. `more`, such as `,"v":1`, comes before the brace that ends it.
mqtt::Publication result_message(std::string topic, std::chrono::system_clock::time_point at, std::string_view result,
                                 std::string_view why, std::string_view more = {});

/// The Correlation Data of a request as an answer's properties [MQTT-3.3.2-16]; empty when it has none.
std::string correlation_of(const mqtt::Publication& request);

}  // namespace ferrule::gateway

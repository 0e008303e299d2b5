#include "gateway/result_message.hpp"

#include <fmt/format.h>

#include <utility>

#include "mapping/json.hpp"
#include "mqtt/properties.hpp"

namespace ferrule::gateway {

mqtt::Publication result_message(std::string topic, std::chrono::system_clock::time_point at, std::string_view result,
                                 std::string_view why, std::string_view more) {
  const auto since_1970 = std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch());
  mqtt::Publication message;
  message.topic = std::move(topic);
  message.payload = fmt::format(R"({{"ts":{},"result":"{}")", since_1970.count(), result);
  if (!why.empty()) {
    message.payload += ",\"why\":";
    mapping::append_json(message.payload, why);
  }
  message.payload += more;
  message.payload += '}';
  message.qos = mqtt::Qos::AtLeastOnce;
  return message;
}

std::string correlation_of(const mqtt::Publication& request) {
  const auto data = mqtt::Properties::trusted(request.properties).text(mqtt::PropertyId::CorrelationData);
  return data ? mqtt::PropertyBuilder().add(mqtt::PropertyId::CorrelationData, *data).encoded() : std::string();
}

}  // namespace ferrule::gateway

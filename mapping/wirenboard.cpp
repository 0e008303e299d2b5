#include "mapping/wirenboard.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

namespace ferrule::mapping {

namespace {

using drivers::Type;
using Json = nlohmann::ordered_json;

/// Types of controls that have a unit of their own, by that unit.
constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kTypes{{
    {"°C", "temperature"},
    {"%RH", "rel_humidity"},
    {"mbar", "atmospheric_pressure"},
    {"bar", "pressure"},
    {"V", "voltage"},
    {"W", "power"},
    {"kWh", "power_consumption"},
    {"Ohm", "resistance"},
    {"lx", "lux"},
    {"dB", "sound_level"},
    {"m³", "water_consumption"},
}};

std::shared_ptr<mqtt::Publication> retained(std::string topic, mqtt::Qos qos) {
  auto publication = std::make_shared<mqtt::Publication>();
  publication->topic = std::move(topic);
  publication->qos = qos;
  publication->retain = true;
  return publication;
}

bool is_switch(const drivers::PointSettings& point, const Conversion& conversion) {
  return point.type == Type::Bool && conversion.expression.empty() && conversion.words.empty();
}

}  // namespace

mqtt::PublicationPtr control_meta(const drivers::PointSettings& point, const PointMapping& mapping, std::size_t order) {
  const auto& conversion = mapping.rule->conversion;
  Json meta;
  const bool is_text = point.type == Type::String || !conversion.words.empty();
  const bool limited = point.write && point.write->min && point.write->max;
  const auto known = std::ranges::find(kTypes, point.unit, &std::pair<std::string_view, std::string_view>::first);
  if (is_switch(point, conversion)) {
    meta["type"] = "switch";
  } else if (is_text) {
    meta["type"] = "text";
  } else if (limited) {
    meta["type"] = "range";
  } else if (known != kTypes.end()) {
    meta["type"] = known->second;
  } else {
    meta["type"] = "value";
  }
  if (!point.unit.empty() && (meta["type"] == "value" || limited)) meta["units"] = point.unit;
  if (point.write && point.write->min) meta["min"] = *point.write->min;
  if (point.write && point.write->max) meta["max"] = *point.write->max;
  meta["readonly"] = !point.write;
  meta["order"] = order;
  auto publication = retained(fmt::format("{}/meta", mapping.topic), mqtt::Qos::AtLeastOnce);
  publication->payload = meta.dump(-1, ' ', false, Json::error_handler_t::replace);
  return publication;
}

mqtt::PublicationPtr device_meta(const std::string& device) {
  auto publication = retained(fmt::format("/devices/{}/meta", device), mqtt::Qos::AtLeastOnce);
  publication->payload =
      Json{{"driver", "ferrule"}, {"title", {{"en", device}}}}.dump(-1, ' ', false, Json::error_handler_t::replace);
  return publication;
}

std::shared_ptr<mqtt::Publication> control_error(const PointMapping& mapping, bool is_bad) {
  auto publication = retained(fmt::format("{}/meta/error", mapping.topic), mapping.rule->publish.qos);
  if (is_bad) publication->payload = "r";
  return publication;
}

void append_control(std::string& out, const PointMapping& mapping, const KeptValue& value) {
  if (const auto* flag = std::get_if<bool>(&value); flag != nullptr && mapping.rule->conversion.words.empty()) {
    out += *flag ? '1' : '0';
  } else {
    append_text(out, mapping, value);
  }
}

}  // namespace ferrule::mapping

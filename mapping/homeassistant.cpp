#include "mapping/homeassistant.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <utility>

#include "mqtt/topic.hpp"

namespace ferrule::mapping {

namespace {

using drivers::Type;
using Json = nlohmann::ordered_json;

/// Units that Home Assistant accepts for one device class, where the class is beyond doubt.
constexpr std::array<std::pair<std::string_view, std::string_view>, 34> kClasses{{
    {"V", "voltage"},
    {"mV", "voltage"},
    {"A", "current"},
    {"mA", "current"},
    {"W", "power"},
    {"kW", "power"},
    {"MW", "power"},
    {"Wh", "energy"},
    {"kWh", "energy"},
    {"MWh", "energy"},
    {"VA", "apparent_power"},
    {"kVA", "apparent_power"},
    {"var", "reactive_power"},
    {"kvar", "reactive_power"},
    {"Hz", "frequency"},
    {"kHz", "frequency"},
    {"°C", "temperature"},
    {"°F", "temperature"},
    {"K", "temperature"},
    {"Pa", "pressure"},
    {"hPa", "pressure"},
    {"kPa", "pressure"},
    {"mbar", "pressure"},
    {"bar", "pressure"},
    {"psi", "pressure"},
    {"lx", "illuminance"},
    {"W/m²", "irradiance"},
    {"m³", "volume"},
    {"L", "volume"},
    {"m³/h", "volume_flow_rate"},
    {"L/min", "volume_flow_rate"},
    {"s", "duration"},
    {"min", "duration"},
    {"h", "duration"},
}};

/// One level of a topic of letters, digits, `_` and `-`; different for different names.
std::string object_id(std::string_view name) {
  std::string id;
  std::uint32_t hash = 2166136261U;  // FNV-1a
  bool changed = false;
  for (const char c : name) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    id += plain ? c : '_';
    changed = changed || !plain;
  }
  return changed ? fmt::format("{}_{:08x}", id, hash) : id;
}

/// How a template of Home Assistant (Jinja) gets at the point in a payload.
struct Access {
  std::string value;     // an expression
  std::string holds;     // whether the payload speaks of the point; empty: always
  std::string bad;       // whether it says that there is no good value
  bool is_text = false;  // a bool is "true" or "false"
};

Access access(const PointRule& rule) {
  const auto& publish = rule.publish;
  if (publish.window.every.count() > 0) {
    constexpr std::array kNames{"min", "max", "mean", "last", "count"};
    const auto first = static_cast<std::size_t>(publish.window.values.front());
    return {fmt::format("value_json.{}", kNames.at(first)), {}, "value_json.q == 'bad'"};
  }
  switch (publish.format) {
    case Format::Json:
      return {"value_json.v", {}, "value_json.q == 'bad'"};
    case Format::Raw:
      return {"value", {}, "value == ''", true};
    case Format::JsonDevice: {
      const auto name = Json(rule.point).dump();  // a string of JSON is one of Jinja
      return {fmt::format("value_json.v[{}]", name), fmt::format("{} in value_json.v", name),
              fmt::format("{} in value_json.err|default({{}})", name)};
    }
    case Format::Influx:
    case Format::Template:
    case Format::Sparkplug:
    case Format::WirenBoard:
      break;
  }
  return {};
}

std::string availability(const Access& access) {
  if (access.holds.empty()) return fmt::format("{{{{ 'offline' if {} else 'online' }}}}", access.bad);
  // A message about other points of the device says nothing of this one: neither word changes nothing.
  return fmt::format("{{{{ 'offline' if {} else 'online' if {} else '' }}}}", access.bad, access.holds);
}

std::string value_template(const Access& access, bool is_bool) {
  auto value = access.value;
  if (is_bool) value = fmt::format("'on' if {} else 'off'", access.is_text ? "value == 'true'" : value);
  if (access.holds.empty()) return fmt::format("{{{{ {} }}}}", value);
  return fmt::format("{{% if {} %}}{{{{ {} }}}}{{% endif %}}", access.holds, value);
}

/// What the raw values of a type can be, scaled; Home Assistant's own limits of a number are 1 and 100.
std::pair<double, double> range_of(const drivers::PointSettings& point) {
  std::pair<double, double> raw{-1e9, 1e9};
  switch (point.type) {
    case Type::Int8:
      raw = {-128, 127};
      break;
    case Type::Uint8:
      raw = {0, 255};
      break;
    case Type::Int16:
      raw = {-32768, 32767};
      break;
    case Type::Uint16:
      raw = {0, 65535};
      break;
    case Type::Uint32:
    case Type::Uint64:
      raw.first = 0;
      break;
    case Type::Bcd16:
      raw = {0, 9999};
      break;
    case Type::Bcd32:
      raw = {0, 99'999'999};
      break;
    default:
      break;
  }
  if (point.bit_count > 0)
    raw = {0, static_cast<double>((std::uint64_t{1} << std::min<unsigned>(point.bit_count, 32)) - 1)};
  const double low = raw.first * point.scale + point.offset;
  const double high = raw.second * point.scale + point.offset;
  return {std::min(low, high), std::max(low, high)};
}

Json words_of(const Conversion& conversion) {
  Json words = Json::array();
  for (const auto& [code, word] : conversion.words) words.push_back(word);
  return words;
}

void describe_switch(Json& component) {
  component["platform"] = "switch";
  component["state_on"] = "on", component["state_off"] = "off";
  component["payload_on"] = "true", component["payload_off"] = "false";
}

void describe_number(Json& component, const drivers::PointSettings& point) {
  const auto [low, high] = range_of(point);
  component["platform"] = "number";
  component["mode"] = "box";
  component["min"] = point.write->min.value_or(low);
  component["max"] = point.write->max.value_or(high);
  const bool real = point.type == Type::Float16 || point.type == Type::Float32 || point.type == Type::Float64;
  const double step = point.write->step > 0 ? point.write->step : real ? 0.001 : std::abs(point.scale);
  component["step"] = std::max(step, 0.001);  // the least that Home Assistant takes
}

/// What a reading is: its class by its unit, and whether it makes sense to draw it as a curve or as a sum.
void describe_quantity(Json& component, const drivers::PointSettings& point, const HomeAssistant& settings) {
  auto device_class = settings.device_class;
  const auto known = std::ranges::find(kClasses, point.unit, &std::pair<std::string_view, std::string_view>::first);
  if (device_class.empty() && known != kClasses.end()) device_class = known->second;
  if (!point.unit.empty()) component["unit_of_measurement"] = point.unit;
  if (!device_class.empty()) component["device_class"] = device_class;
  if (component["platform"] != "sensor") return;
  const bool sum = device_class == "energy" || device_class == "volume";
  std::string state_class = point.counter ? "total_increasing" : sum ? "total" : "measurement";
  if (!settings.state_class.empty()) state_class = settings.state_class;
  component["state_class"] = state_class;
}

}  // namespace

struct Discovery::Parts {
  std::string gateway, device, prefix;
  Json components = Json::object();
};

HomeAssistant read_home_assistant(const config::Node& node, const HomeAssistant& defaults) {
  auto settings = defaults;
  if (node.is_scalar()) {
    if (node.boolean(true)) node.mistake("must be false, or a map", "e.g. homeassistant: {discovery: homeassistant}");
    return {};
  }
  const auto discovery = node["discovery"];
  settings.discovery = discovery.text(settings.discovery);
  if (discovery.present() && !mqtt::is_valid_topic_name(settings.discovery + "/device")) {
    discovery.mistake("must be the beginning of a topic", "Home Assistant's own default is \"homeassistant\"");
  }
  settings.name = node["name"].text(settings.name);
  settings.device_class = node["device_class"].text(settings.device_class);
  settings.state_class = node["state_class"].text(settings.state_class);
  return settings;
}

std::string status_topic(std::string_view gateway) { return fmt::format("{}/status", gateway); }

mqtt::PublicationPtr online_status(std::string_view gateway) {
  auto publication = std::make_shared<mqtt::Publication>();
  publication->topic = status_topic(gateway);
  publication->payload = R"({"state":"online"})";
  publication->qos = mqtt::Qos::AtLeastOnce;
  publication->retain = true;
  return publication;
}

Discovery::Discovery(std::string_view gateway, std::string_view device)
    : parts_(new Parts{std::string(gateway), std::string(device), {}}) {}
Discovery::~Discovery() = default;

bool Discovery::add(const drivers::PointSettings& point, const PointMapping& mapping, const HomeAssistant& settings) {
  if (settings.discovery.empty()) return true;
  const auto access = mapping::access(*mapping.rule);
  if (access.value.empty()) return false;
  parts_->prefix = settings.discovery;
  const auto& conversion = mapping.rule->conversion;
  const bool is_bool = point.type == Type::Bool && conversion.expression.empty() && conversion.words.empty();
  const bool is_text = point.type == Type::String;
  const bool writable = point.write && conversion.expression.empty() && !is_text;
  Json component;
  component["platform"] = is_bool ? "binary_sensor" : "sensor";
  component["unique_id"] = fmt::format("ferrule/{}/{}/{}", parts_->gateway, parts_->device, point.name);
  component["name"] = settings.name.empty() ? point.name : settings.name;
  component["state_topic"] = mapping.topic;
  component["value_template"] = value_template(access, is_bool);
  component["availability"] =
      Json::array({{{"topic", mapping.topic}, {"value_template", availability(access)}},
                   {{"topic", status_topic(parts_->gateway)}, {"value_template", "{{ value_json.state }}"}}});
  component["availability_mode"] = "all";
  if (writable) component["command_topic"] = command_topic(mapping);
  if (is_bool) {
    component["payload_on"] = "on", component["payload_off"] = "off";
    if (writable) describe_switch(component);
    if (!settings.device_class.empty()) component["device_class"] = settings.device_class;
  } else if (!conversion.words.empty()) {
    component["options"] = words_of(conversion);
    if (writable) {
      component["platform"] = "select";
      component["command_template"] = "{{ value | to_json }}";
    } else {
      component["device_class"] = "enum";
    }
  } else if (!is_text) {
    if (writable) describe_number(component, point);
    describe_quantity(component, point, settings);
  }
  parts_->components[object_id(point.name)] = std::move(component);
  return true;
}

mqtt::PublicationPtr Discovery::publication() const {
  if (parts_->components.empty()) return nullptr;
  const auto id = object_id(parts_->gateway + "_" + parts_->device);
  Json payload;
  payload["device"] = {{"identifiers", Json::array({fmt::format("ferrule/{}/{}", parts_->gateway, parts_->device)})},
                       {"name", parts_->device}};
  payload["origin"] = {{"name", "Ferrule"}, {"sw_version", FERRULE_VERSION}};
  payload["components"] = parts_->components;
  payload["qos"] = 1;
  auto publication = std::make_shared<mqtt::Publication>();
  publication->topic = fmt::format("{}/device/{}/config", parts_->prefix, id);
  publication->payload = payload.dump(-1, ' ', false, Json::error_handler_t::replace);
  publication->qos = mqtt::Qos::AtLeastOnce;
  publication->retain = true;
  return publication;
}

}  // namespace ferrule::mapping

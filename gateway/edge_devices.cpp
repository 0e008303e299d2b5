#include "gateway/edge_devices.hpp"

#include <fmt/format.h>

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "config/text.hpp"

namespace ferrule::gateway {

namespace {

using drivers::Type;
using mqtt::sparkplug::Datatype;

Datatype plain_type(Type type) {
  switch (type) {
    case Type::Bool:
      return Datatype::Boolean;
    case Type::Int8:
      return Datatype::Int8;
    case Type::Uint8:
      return Datatype::UInt8;
    case Type::Int16:
      return Datatype::Int16;
    case Type::Uint16:
    case Type::Bcd16:
      return Datatype::UInt16;
    case Type::Int32:
      return Datatype::Int32;
    case Type::Int64:
      return Datatype::Int64;
    case Type::Uint32:  // of a UInt32 hosts do not agree which field holds it
    case Type::Bcd32:
    case Type::Uint64:
      return Datatype::UInt64;
    case Type::Float16:
    case Type::Float32:
      return Datatype::Float;
    case Type::Float64:
      return Datatype::Double;
    case Type::String:
      break;
  }
  return Datatype::String;
}

/// Metric names that are the same in lower case confuse hosts [tck-id-case-sensitivity-metric-names].
void check_names(const drivers::DeviceSettings& device, const bridge::EdgeDevice& edge) {
  if (!bridge::is_topic_level(edge.name)) {
    device.publish.mistake(fmt::format("\"{}\" cannot be a level of Sparkplug's topics", edge.name),
                           "a name without / + #");
  }
  std::set<std::string> seen;
  for (const auto& metric : edge.metrics) {
    if (!seen.insert(config::lower(metric.name)).second) {
      device.publish.warning(fmt::format("\"{}\" differs from another metric only by capital letters", metric.name));
    }
  }
}

bridge::EdgeDevice edge_device(const drivers::DeviceSettings& device, const mapping::PointMapping* mappings) {
  bridge::EdgeDevice edge;
  edge.name = device.name;
  for (std::size_t i = 0; i < device.points.size(); ++i) {
    const auto& point = device.points[i];
    const auto& rule = *mappings[i].rule;
    if (rule.publish.format != mapping::Format::Sparkplug) continue;
    edge.topic = mappings[i].topic;
    const bool writable = point.write && rule.conversion.expression.empty();
    edge.metrics.push_back({point.name, metric_type(point, rule), point.unit,
                            writable ? mapping::command_topic(mappings[i]) : std::string()});
  }
  return edge;
}

}  // namespace

mqtt::sparkplug::Datatype metric_type(const drivers::PointSettings& point, const mapping::PointRule& rule) {
  const auto& conversion = rule.conversion;
  if (!conversion.words.empty()) return Datatype::String;
  const bool calculated = !conversion.expression.empty() || conversion.min || conversion.max || conversion.round != 0 ||
                          point.scale != 1 || point.offset != 0 || point.scale_factor;
  const bool number = point.type != Type::String && point.type != Type::Bool;
  return calculated && (number || !conversion.expression.empty()) ? Datatype::Double : plain_type(point.type);
}

void find_edge_devices(const config::Node& uplinks, Settings& settings) {
  std::vector<bridge::EdgeDevice> devices;
  const drivers::DeviceSettings* first = nullptr;
  for (std::size_t bus = 0; bus < settings.buses.size(); ++bus) {
    const auto* mappings = settings.mappings[bus].points.data();
    for (const auto& device : settings.buses[bus].devices) {
      auto edge = edge_device(device, mappings);
      mappings += device.points.size();
      if (edge.metrics.empty()) continue;
      check_names(device, edge);
      if (first == nullptr) first = &device;
      devices.push_back(std::move(edge));
    }
  }
  bool any = false;
  const auto shared = std::make_shared<const std::vector<bridge::EdgeDevice>>(std::move(devices));
  for (auto& uplink : settings.uplinks) {
    if (!uplink.sparkplug) continue;
    any = true;
    uplink.sparkplug->devices = shared;
    if (shared->empty()) {
      uplinks[uplink.name]["sparkplug"].warning("no point has the format sparkplug, so there is nothing to tell");
    }
  }
  if (first != nullptr && !any) {
    first->publish.warning("no uplink is a Sparkplug edge node (key \"sparkplug\"): its metrics stay here");
  }
}

}  // namespace ferrule::gateway

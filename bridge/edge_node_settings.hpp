// The key `sparkplug` of an uplink, which makes the uplink the session of a Sparkplug edge node.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/node.hpp"
#include "mqtt/sparkplug_payload.hpp"

namespace ferrule::bridge {

/// One point of a device.
struct EdgeMetric {
  std::string name;
  mqtt::sparkplug::Datatype type = mqtt::sparkplug::Datatype::Double;
  std::string unit;
  std::string command_topic;  ///< local, where values for it are taken; empty: it cannot be written
};

/// One device with points in the format `sparkplug`.
struct EdgeDevice {
  std::string name;   ///< one topic level
  std::string topic;  ///< local, where its metrics are published
  std::vector<EdgeMetric> metrics;
};

/// `sparkplug: {group: site1, node: plant1, primary_host: scada}`.
struct EdgeNodeSettings {
  std::string group, node;
  std::string primary_host;  ///< whose STATE has to be online before anything is published; empty: nobody's
  /// The gateway's; filled in by who knows them.
  std::shared_ptr<const std::vector<EdgeDevice>> devices = std::make_shared<const std::vector<EdgeDevice>>();
};

bool is_topic_level(std::string_view name);  ///< may stand between the slashes of a topic

/// Nothing without the key. Mistakes go to the document.
std::optional<EdgeNodeSettings> read_edge_node(const config::Node& node, const std::string& default_node);

}  // namespace ferrule::bridge

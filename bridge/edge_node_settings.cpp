#include "bridge/edge_node_settings.hpp"

#include <fmt/format.h>

#include "mqtt/topic.hpp"

namespace ferrule::bridge {

namespace {

void check_level(const config::Node& node, const std::string& level) {
  if (is_topic_level(level)) return;
  node.mistake(fmt::format("\"{}\" cannot be a level of a topic", level), "not empty, and without / + #");
}

}  // namespace

bool is_topic_level(std::string_view name) {
  return !name.empty() && name.find('/') == std::string_view::npos && mqtt::is_valid_topic_name(name);
}

std::optional<EdgeNodeSettings> read_edge_node(const config::Node& node, const std::string& default_node) {
  if (!node.present()) return std::nullopt;
  EdgeNodeSettings settings;
  settings.group = node["group"].required_text();
  if (node["group"].present()) check_level(node["group"], settings.group);
  settings.node = node["node"].text(default_node);
  check_level(node["node"], settings.node);
  settings.primary_host = node["primary_host"].text();
  if (node["primary_host"].present()) check_level(node["primary_host"], settings.primary_host);
  return settings;
}

}  // namespace ferrule::bridge

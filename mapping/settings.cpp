#include "mapping/settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "mqtt/topic.hpp"

namespace ferrule::mapping {

namespace {

using config::Choice;

constexpr std::array kWhens{Choice<When>{"change", When::Change}, Choice<When>{"poll", When::Poll}};
constexpr std::size_t kTextBlock = 16 * 1024;

/// Replaces the placeholders of a topic template. An unknown one is a mistake at `node`.
std::string render_topic(const std::string& pattern, const config::Node& node,
                         std::span<const std::pair<std::string_view, std::string_view>> names) {
  std::string topic;
  for (std::size_t at = 0; at < pattern.size();) {
    if (pattern[at] != '{') {
      topic += pattern[at++];
      continue;
    }
    const auto end = pattern.find('}', at);
    const auto word = pattern.substr(at + 1, end == std::string::npos ? end : end - at - 1);
    const auto found = std::find_if(names.begin(), names.end(), [&](const auto& name) { return name.first == word; });
    if (end == std::string::npos || found == names.end()) {
      node["topic"].mistake(fmt::format("unknown placeholder \"{{{}}}\"", word),
                            "placeholders are {gateway} {bus} {device} {point}");
      return topic;
    }
    topic += found->second;
    at = end + 1;
  }
  return topic;
}

/// How many significant digits a scaled value deserves: those of its source type, so that 234 * 0.1 reads 23.4.
int significant_digits(const drivers::PointSettings& point) {
  const bool scaled = point.scale != 1 || point.offset != 0 || point.scale_factor;
  if (point.type == drivers::Type::Float32) return scaled ? 7 : 9;
  if (point.type == drivers::Type::Float16) return 4;
  return scaled ? 15 : 0;
}

}  // namespace

std::string_view Catalogue::text(std::string_view text) {
  if (texts_.empty() || texts_.back().capacity() - texts_.back().size() < text.size()) {
    texts_.emplace_back().reserve(std::max(kTextBlock, text.size()));
  }
  auto& block = texts_.back();
  return {block.append(text).data() + block.size() - text.size(), text.size()};
}

PublishSettings read_publish(const config::Node& node, const PublishSettings& defaults) {
  PublishSettings publish{node["topic"].text(defaults.topic), defaults.rule};
  auto& rule = publish.rule;
  rule.when = node["when"].one_of(rule.when, kWhens);
  rule.heartbeat = node["heartbeat"].duration(rule.heartbeat);
  rule.min_interval = node["min_interval"].duration(rule.min_interval);
  rule.deadband = node["deadband"].number(rule.deadband, 0);
  rule.qos = static_cast<mqtt::Qos>(node["qos"].integer(static_cast<int>(rule.qos), 0, 2));
  rule.retain = node["retain"].boolean(rule.retain);
  return publish;
}

std::vector<BusMappings> read_mappings(const std::vector<drivers::BusSettings>& buses, const PublishSettings& defaults,
                                       const std::string& gateway_id) {
  const auto catalogue = std::make_shared<Catalogue>();
  std::unordered_set<std::string_view> taken;
  std::vector<BusMappings> mappings;
  for (const auto& bus : buses) {
    auto& points = mappings.emplace_back(BusMappings{catalogue, {}}).points;
    std::size_t count = 0;
    for (const auto& device : bus.devices) count += device.points.size();
    points.reserve(count);
    for (const auto& device : bus.devices) {
      const auto* name = catalogue->name(device.name);
      const auto of_device = read_publish(device.publish, read_publish(device.publish_template, defaults));
      for (const auto& point : device.points) {
        const auto publish = read_publish(point.publish, read_publish(point.publish_template, of_device));
        const std::array<std::pair<std::string_view, std::string_view>, 4> names{
            {{"gateway", gateway_id}, {"bus", bus.name}, {"device", device.name}, {"point", point.name}}};
        const auto topic = catalogue->text(render_topic(publish.topic, point.publish, names));
        if (!mqtt::is_valid_topic_name(topic)) {
          point.publish.mistake(fmt::format("\"{}\" is not a valid topic to publish to", topic));
        } else if (!taken.insert(topic).second) {
          point.publish.mistake(fmt::format("topic \"{}\" is already used by another point", topic),
                                "a topic template needs {device} and {point}");
        }
        points.push_back(
            {topic, name, catalogue->rule({point.name, point.unit, publish.rule, significant_digits(point)})});
      }
    }
  }
  return mappings;
}

}  // namespace ferrule::mapping

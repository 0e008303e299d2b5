#include "drivers/settings_points.hpp"

#include <fmt/format.h>

namespace ferrule::drivers {

using config::Node;

std::vector<std::pair<std::string, Layers>> named_points(const Layers& device) {
  const auto own = device.own["points"];
  const auto base = device.base["points"];
  std::vector<std::pair<std::string, Layers>> named;
  for (const auto& [name, node] : base.entries()) named.push_back({name, {{}, node}});
  const auto inherited = named.size();
  for (const auto& [name, node] : own.entries()) {
    const auto end = named.begin() + static_cast<std::ptrdiff_t>(inherited);
    const auto same =
        std::find_if(named.begin(), end, [&wanted = name](const auto& other) { return other.first == wanted; });
    if (same != end) {
      same->second.own = node;
    } else {
      named.push_back({name, {node, {}}});
    }
  }
  for (const auto& [name, layers] : named) {
    check_topic_level(name, layers.base.present() ? layers.base : layers.own);
  }
  return named;
}

PointSettings read_common(std::string name, const Layers& layers, std::chrono::milliseconds interval) {
  PointSettings point;
  point.name = std::move(name);
  point.publish = layers.own;
  point.publish_template = layers.base;
  point.unit = layers["unit"].text();
  point.interval = layers["interval"].duration(interval, kMinInterval, kMaxInterval);
  return point;
}

bool read_write(const Node& node, PointSettings& point) {
  if (!node.present() || (!node.is_map() && !node.boolean(false))) return false;
  auto& write = point.write.emplace();
  if (!node.is_map()) return true;
  for (const auto* key : {"min", "max", "step"}) {
    const auto limit = node[key];
    const bool has_none = point.type == Type::Bool || point.type == Type::String;
    if (limit.present() && has_none) limit.mistake(fmt::format("a {} has none", word_of(point.type, kTypes)));
  }
  if (const auto min = node["min"]; min.present()) write.min = min.number(0);
  if (const auto max = node["max"]; max.present()) {
    write.max = max.number(0);
    if (write.min && *write.max < *write.min) max.mistake("must not be below `min`");
  }
  write.step = node["step"].number(0, 0);
  write.per_minute = static_cast<int>(node["per_minute"].integer(0, 0, 6000));
  write.readback = node["readback"].duration(write.readback, std::chrono::milliseconds{0}, std::chrono::minutes{1});
  write.timeout = node["timeout"].duration(write.timeout, std::chrono::milliseconds{100}, std::chrono::hours{1});
  return true;
}

void check_topic_level(std::string_view name, const Node& node) {
  const bool wild = name.find_first_of("/+#") != std::string_view::npos;
  const bool control = std::any_of(name.begin(), name.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7F;
  });
  if (!name.empty() && !wild && !control) return;
  node.mistake("this name becomes a level of a topic: it must not be empty nor contain / + # or control characters");
}

}  // namespace ferrule::drivers

#include "gateway/withheld.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace ferrule::gateway {

std::string withheld_topic(const Settings& settings) {
  return settings.remote ? settings.remote->request_topic() : std::string();
}

Withheld::Withheld(const Settings& settings, const std::string& uplink) : topic_(withheld_topic(settings)) {
  const auto of = std::ranges::find(settings.uplinks, uplink, &bridge::UplinkSettings::name);
  if (topic_.empty() || of == settings.uplinks.end()) return;
  const auto route = std::ranges::find_if(of->out, [&](const auto& one) { return one.from.matches(topic_); });
  if (route == of->out.end()) return;
  at_cloud_ = bridge::rewrite(route->to, topic_);
  if (bridge::find_batch(of->out, at_cloud_) != nullptr) named_ = nlohmann::json(topic_).dump();
}

/// What was queued under other routes is known by its end.
bool Withheld::holds(const bridge::Row& row) const {
  if (topic_.empty()) return false;
  if (row.topic == topic_ || row.topic.ends_with("/" + topic_)) return true;
  return row.topic == at_cloud_ && row.payload.find(named_) != std::string::npos;
}

}  // namespace ferrule::gateway

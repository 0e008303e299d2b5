#include "bridge/inbound.hpp"

#include <algorithm>
#include <memory>

namespace ferrule::bridge {

namespace {

constexpr std::string_view kOrigin = "$uplink/";

}  // namespace

bool is_from_cloud(const mqtt::Publication& publication) { return publication.origin.starts_with(kOrigin); }

std::string from_cloud(const std::string& uplink) { return std::string(kOrigin) + uplink; }

void Inbound::subscribe(Link& link) const {
  for (const auto& route : settings_.in) link.subscribe(route.from.text(), route.qos);
}

tl::expected<mqtt::Ticket, mqtt::Reason> Inbound::take(mqtt::Publication publication,
                                                       std::chrono::steady_clock::time_point now) {
  const auto route =
      std::ranges::find_if(settings_.in, [&](const InRoute& one) { return one.from.matches(publication.topic); });
  if (route == settings_.in.end()) {
    ++unroutable_;
    return 0;
  }
  publication.topic = rewrite(route->to, publication.topic);
  if (!mqtt::is_valid_topic_name(publication.topic)) {
    ++unroutable_;
    return 0;
  }
  if (route->max_age.count() > 0) {
    const auto end = now + route->max_age;
    publication.expires = publication.expires ? std::min(*publication.expires, end) : end;
  }
  publication.qos = std::min(publication.qos, route->qos);
  publication.retain = false;
  publication.origin = from_cloud(settings_.name);
  ++received_;
  const bool durable = publication.qos != mqtt::Qos::AtMostOnce;
  return publish_(std::make_shared<const mqtt::Publication>(std::move(publication)), durable);
}

}  // namespace ferrule::bridge

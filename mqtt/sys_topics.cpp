// The broker's own figures as retained publications below `$SYS/broker`.
#include <fmt/format.h>

#include "mqtt/broker_core.hpp"

namespace ferrule::mqtt {

namespace {

constexpr std::chrono::seconds kInterval{10};

}  // namespace

/// Publishes what has changed since the last time. Consumers get none of it: it is of use to local clients only.
void BrokerCore::publish_sys() {
  next_sys_ = now_ + kInterval;
  const auto uptime = std::chrono::duration_cast<std::chrono::seconds>(now_ - started_).count();
  const BrokerCounters figures = counters();
  const auto publish_value = [this](std::string_view name, std::string value) {
    const auto known = sys_values_.find(name);
    if (known != sys_values_.end() && known->second == value) return;
    sys_values_.insert_or_assign(std::string(name), value);
    auto publication = std::make_shared<Publication>();
    publication->topic = fmt::format("$SYS/broker/{}", name);
    publication->payload = std::move(value);
    publication->retain = true;
    publication->published = now_;
    retained_.keep(*publication);
    deliver_all(publication, nullptr);
  };
  const auto publish_count = [&](std::string_view name, std::uint64_t count) {
    publish_value(name, std::to_string(count));
  };
  publish_value("version", "ferrule version " FERRULE_VERSION);
  publish_value("uptime", fmt::format("{} seconds", uptime));
  publish_count("clients/connected", figures.clients_connected);
  publish_count("clients/disconnected", figures.sessions - figures.clients_connected);
  publish_count("clients/total", figures.sessions);
  publish_count("clients/expired", figures.sessions_expired);
  publish_count("bytes/received", figures.bytes_received);
  publish_count("bytes/sent", figures.bytes_sent);
  publish_count("publish/messages/received", figures.publications_received);
  publish_count("publish/messages/sent", figures.publications_sent);
  publish_count("publish/messages/dropped", figures.publications_dropped);
  publish_count("subscriptions/count", figures.subscriptions);
  publish_count("shared_subscriptions/count", subscriptions_.shared());
  publish_count("retained messages/count", figures.retained);
}

}  // namespace ferrule::mqtt

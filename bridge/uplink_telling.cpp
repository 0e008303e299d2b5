// What an uplink tells of itself: to subscribers here, and to those at its cloud.
#include <utility>

#include "bridge/uplink_impl.hpp"

namespace ferrule::bridge {

namespace {

using namespace std::chrono_literals;

constexpr auto kShowMetrics = 10s;
constexpr auto kTellCloud = 1min;  // clouds count messages

}  // namespace

/// To local subscribers, as mosquitto does.
void Uplink::Impl::show(UplinkState state) {
  const bool is_news = (state == UplinkState::Online) != (now_ == UplinkState::Online) || connections_ == 0;
  now_ = state;
  const bool online = state == UplinkState::Online;
  outbox_->online(online);
  if (is_news) static_cast<void>(publish_(local_status(settings_.name, online), false));
}

/// To those at the cloud, whom the will tells of the end.
void Uplink::Impl::tell_cloud() {
  if (now_ != UplinkState::Online || settings_.status_topic.empty()) return;
  tell_cloud_at_ = clock_.now() + kTellCloud;
  auto told = cloud_status(settings_.status_topic, status());
  if (told->payload == told_cloud_) return;
  told_cloud_ = told->payload;
  link_->send(0, std::move(told), settings_.status_topic, mqtt::Qos::AtMostOnce);
}

void Uplink::Impl::show_metrics() {
  if (clock_.now() < metrics_at_) return;
  metrics_at_ = clock_.now() + kShowMetrics;
  if (edge_) edge_->report(outbox_->size());
  if (clock_.now() >= tell_cloud_at_) tell_cloud();
  auto metrics = local_metrics(status());
  if (metrics->payload == shown_metrics_) return;
  shown_metrics_ = metrics->payload;
  static_cast<void>(publish_(std::move(metrics), false));
}

}  // namespace ferrule::bridge

// An uplink that is the session of a Sparkplug edge node.
#include <spdlog/spdlog.h>

#include <utility>

#include "bridge/uplink_impl.hpp"
#include "mqtt/log_limit.hpp"

namespace ferrule::bridge {

namespace {

using namespace std::chrono_literals;

constexpr auto kHostWait = 30s;  // for a STATE, at each of several servers

}  // namespace

/// Births and commands need the subscriptions first; births follow at once, or when the host is there.
void Uplink::Impl::meet_host() {
  for (const auto& [filter, qos] : edge_->subscriptions()) link_->subscribe(filter, qos);
  edge_->connected(limits_.bd_seq);
  if (!edge_->is_born() && settings_.urls.size() > 1) walk_at_ = clock_.now() + kHostWait;
}

/// One connection ends before the next begins
/// [tck-id-operational-behavior-primary-application-state-with-multiple-servers-single-server].
void Uplink::Impl::leave_server() {
  walk_at_.reset();
  edge_->disconnected();
  show(UplinkState::Connecting);
  link_->connect_elsewhere();
}

/// With a death when it was born [tck-id-message-flow-edge-node-birth-publish-phid-offline]
/// [tck-id-operational-behavior-edge-node-termination-host-offline], to the next server
/// [tck-id-operational-behavior-primary-application-state-with-multiple-servers-walk]
/// [tck-id-operational-behavior-edge-node-termination-host-offline-reconnect]. One that has only one server waits
/// there.
void Uplink::Impl::host_gone(bool was_born) {
  if (was_born) {
    spdlog::warn("uplink {}: the primary host {} is offline", settings_.name, settings_.sparkplug->primary_host);
    return leave_server();
  }
  if (settings_.urls.size() > 1) walk_at_ = clock_.now() + back_off_.jittered();
}

/// Of the gateway's own only, whatever else is published under that topic.
tl::expected<mqtt::Ticket, mqtt::Reason> Uplink::Impl::append_metrics(const mqtt::PublicationPtr& publication,
                                                                      bool durable) {
  if (!publication->origin.empty() || !edge_->takes(publication->topic) || !edge_->note(*publication)) return 0;
  const auto ticket = outbox_->append({publication, {}, mqtt::Qos::AtLeastOnce, Priority::Normal}, durable);
  pump();
  return ticket;
}

void Uplink::Impl::send_metrics(Outbox::Entry& entry) {
  const auto seq = entry.seq;
  const auto publication = entry.publication;
  if (outbox_->in_flight() == 0) answered_at_ = clock_.now();
  outbox_->sent(entry);
  if (!edge_->tell(seq, *publication)) delivered({seq});
}

/// [tck-id-topics-nbirth-mqtt] [tck-id-topics-dbirth-mqtt] [tck-id-topics-ndata-mqtt] [tck-id-topics-ddata-mqtt]
/// [tck-id-topics-ddeath-mqtt] [tck-id-payloads-nbirth-qos] [tck-id-payloads-nbirth-retain]
/// [tck-id-payloads-dbirth-qos] [tck-id-payloads-dbirth-retain] [tck-id-payloads-ndata-qos]
/// [tck-id-payloads-ndata-retain] [tck-id-payloads-ddata-qos] [tck-id-payloads-ddata-retain]
/// [tck-id-message-flow-edge-node-birth-publish-nbirth-qos]
/// [tck-id-message-flow-edge-node-birth-publish-nbirth-retained] [tck-id-message-flow-device-birth-publish-dbirth-qos]
/// [tck-id-message-flow-device-birth-publish-dbirth-retained]
void Uplink::Impl::send_for_edge(Seq seq, const std::string& topic, std::string payload) {
  auto message = std::make_shared<mqtt::Publication>();
  message->topic = topic;
  message->payload = std::move(payload);
  if (!exceeds_limit(*message, topic)) return link_->send(seq, std::move(message), topic, mqtt::Qos::AtMostOnce);
  ++skipped_;
  spdlog::error("uplink {}: {} has {} bytes, more than the cloud takes", settings_.name, topic,
                message->payload.size());
  if (seq != EdgeNode::kOwn) park(seq, mqtt::Reason::PacketTooLarge);
}

void Uplink::Impl::take_for_edge(const mqtt::Publication& publication, Arrival arrival) {
  if (stopped_) return;
  inbound_.owe(arrival, 0, mqtt::Reason::Success);
  ++host_messages_;
  const bool was_born = edge_->is_born();
  const auto taken = edge_->take(publication);
  for (const auto& [topic, value] : taken.writes) {
    auto command = std::make_shared<mqtt::Publication>();
    command->topic = topic;
    command->payload = value;
    command->qos = mqtt::Qos::AtLeastOnce;
    command->published = clock_.now();
    command->expires = publication.expires;
    command->origin = from_cloud(settings_.name);
    static_cast<void>(publish_(std::move(command), false));
  }
  if (!taken.refused.empty()) {
    inbound_.refused();
    if (logged_refusals_.is_news(taken.refused, clock_.now())) {
      spdlog::warn("uplink {}: from the host, {}: {}", settings_.name, mqtt::for_log(publication.topic),
                   mqtt::for_log(taken.refused));
    }
  }
  if (taken.host_offline) host_gone(was_born);
  if (!taken.born) return;
  walk_at_.reset();
  back_off_.reset();
  pump();
}

}  // namespace ferrule::bridge

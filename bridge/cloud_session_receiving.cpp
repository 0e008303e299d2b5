// What a CloudSession gets from the cloud, and asks for.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "bridge/cloud_session.hpp"
#include "bridge/exchange_record.hpp"
#include "bridge/handshake.hpp"
#include "bridge/refusal_text.hpp"
#include "mqtt/codec.hpp"

namespace ferrule::bridge {

namespace {

using mqtt::PacketType;
using mqtt::PropertyId;
using mqtt::Qos;
using mqtt::Reason;

constexpr std::uint8_t kNoRetained = 2;  // Retain Handling
// mosquitto 2.0 sends new messages beside those that it repeats to a session that goes on, and would do so for ever.
constexpr std::size_t kMostReceived = 10 * kReceiveMaximum;

}  // namespace

void CloudSession::subscribe(const std::string& filter, Qos qos) {
  std::string entries;
  mqtt::SubscriptionOptions options;
  options.qos = qos;
  options.no_local = mqtt_version_ == 5;  // what we sent does not come back
  options.retain_handling = mqtt_version_ == 5 && !settings_.sparkplug ? kNoRetained : 0;  // a host's STATE is
  mqtt::append_subscription(entries, filter, options);
  mqtt::Subscribe subscribe;
  subscribe.packet_id = take_packet_id();
  subscribe.entries = mqtt::SubscribeEntries(entries);
  subscribing_[subscribe.packet_id] = filter;
  encode(subscribe, version(), output_);
}

void CloudSession::take_suback(const mqtt::Suback& packet) {
  const auto asked = subscribing_.extract(packet.packet_id);
  if (!asked || packet.codes.empty()) return;
  const auto reason = static_cast<Reason>(packet.codes.front());
  if (!is_error(reason)) return;
  spdlog::warn("uplink {}: the cloud refused the subscription to {}: {}", settings_.name, asked.mapped(),
               with_code(reason));
}

tl::expected<void, std::string> CloudSession::take_publish(const mqtt::Publish& packet, Time now) {
  if (packet.topic.empty()) return breach("a Topic Alias, and we allow none");
  if (packet.qos == Qos::ExactlyOnce) {
    if (!received_.insert(packet.packet_id)) {  // [MQTT-4.3.3-10]
      const auto same = [&](const auto& one) {
        return one.second.qos == Qos::ExactlyOnce && one.second.packet_id == packet.packet_id;
      };
      if (std::ranges::none_of(unanswered_, same)) hold_ack(PacketType::Pubrec, packet.packet_id);
      return {};
    }
    if (received_.size() > kMostReceived && mqtt_version_ == 5) return breach("more than our Receive Maximum");
    records_.push_back({LinkState::kNoRow, record_key("r", packet.packet_id, mqtt_version_), {}});
  }
  mqtt::Publication publication;
  publication.topic = packet.topic;
  publication.payload = packet.payload;
  publication.qos = packet.qos;
  publication.retain = packet.retain;
  publication.published = now;
  publication.properties = mqtt::forwardable(packet.properties, forwarded_);
  if (const auto left = packet.properties.number(PropertyId::MessageExpiryInterval)) {
    publication.expires = now + std::chrono::seconds(*left);
  }
  arrived_.emplace_back(std::move(publication), expect_answer(packet));
  return {};
}

Arrival CloudSession::expect_answer(const mqtt::Publish& packet) {
  if (packet.qos == Qos::AtMostOnce) return 0;
  unanswered_[++last_arrival_] = {packet.packet_id, packet.qos};
  return last_arrival_;
}

void CloudSession::acknowledge(Arrival arrival, Reason reason) {
  const auto asked = unanswered_.extract(arrival);
  if (!asked) return;
  const auto [packet_id, qos] = asked.mapped();
  if (qos == Qos::AtLeastOnce) return send_ack(PacketType::Puback, packet_id, reason);
  hold_ack(PacketType::Pubrec, packet_id, reason);
  if (is_error(reason) && mqtt_version_ == 5) forget_received(packet_id);  // it ends so
}

void CloudSession::take_release(std::uint16_t packet_id) {
  const bool known = received_.contains(packet_id);
  forget_received(packet_id);
  hold_ack(PacketType::Pubcomp, packet_id, known ? Reason::Success : Reason::PacketIdentifierNotFound);
}

/// On disk before our answer leaves: then the cloud may use the packet identifier for another one.
void CloudSession::forget_received(std::uint16_t packet_id) {
  received_.erase(packet_id);
  const auto key = record_key("r", packet_id, mqtt_version_);
  std::erase_if(records_, [&](const auto& record) { return record.key == key; });
  std::erase_if(unanswered_, [&](const auto& one) {
    return one.second.qos == Qos::ExactlyOnce && one.second.packet_id == packet_id;
  });
  state_.released(key);
  released_ = true;
}

}  // namespace ferrule::bridge

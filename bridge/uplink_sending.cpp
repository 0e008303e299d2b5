#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "bridge/uplink_impl.hpp"
#include "bridge/verdict.hpp"
#include "mqtt/failpoint.hpp"

namespace ferrule::bridge {

namespace {

using namespace std::chrono_literals;

constexpr auto kResume = 20s;                 // for the exchanges of the last connection
constexpr std::size_t kPacketOverhead = 128;  // bytes: header, lengths, packet id, expiry and our message id

/// Bytes, at most.
std::size_t packet_size(const mqtt::Publication& publication, const std::string& topic) {
  return topic.size() + publication.payload.size() + publication.properties.size() + kPacketOverhead;
}

}  // namespace

tl::expected<mqtt::Ticket, mqtt::Reason> Uplink::Impl::append(const mqtt::PublicationPtr& publication, bool durable,
                                                              const mqtt::Receipt* receipt) {
  if (stopped_ || is_from_cloud(*publication)) return 0;
  auto routed = find_route(settings_.out, publication);
  if (!routed) return 0;
  if (!routed->topic.empty() && !mqtt::is_valid_topic_name(routed->topic)) {  // grown too long
    ++skipped_;
    return 0;
  }
  if (routed->qos == mqtt::Qos::AtMostOnce) {
    send_unqueued(routed->publication, routed->topic.empty() ? publication->topic : routed->topic);
    return 0;
  }
  const auto ticket = outbox_->append(routed->publication, std::move(routed->topic), routed->qos, durable, receipt);
  pump();
  return ticket;
}

void Uplink::Impl::send_unqueued(const mqtt::PublicationPtr& publication, const std::string& topic) {
  if (now_ != UplinkState::Online || exceeds_limit(*publication, topic) || !takes_now(*publication, topic)) {
    ++skipped_;
  } else {
    link_->send(0, publication, topic, mqtt::Qos::AtMostOnce);
  }
}

/// Of what the cloud takes [MQTT-3.2.2-15].
bool Uplink::Impl::exceeds_limit(const mqtt::Publication& publication, const std::string& topic) const {
  return limits_.maximum_packet_size != 0 && packet_size(publication, topic) > limits_.maximum_packet_size;
}

/// Of messages and bytes per second.
bool Uplink::Impl::takes_now(const mqtt::Publication& publication, const std::string& topic) {
  const auto size = static_cast<double>(packet_size(publication, topic));
  const auto now = clock_.now();
  if (!rate_.allows(1, now) || !byte_rate_.allows(size, now)) return false;
  rate_.take(1);
  byte_rate_.take(size);
  return true;
}

void Uplink::Impl::pump() {
  if (stopped_ || now_ != UplinkState::Online || renew_by_ || patience_.waits(clock_.now()) || is_resuming()) return;
  while (outbox_->in_flight() < std::min(window_, suspicion_.window())) {
    auto* entry = outbox_->next();
    if (entry == nullptr || !takes_now(*entry->publication, entry->cloud_topic())) return;
    send(*entry);
  }
}

/// Exchanges that go on from an earlier connection end before a new one begins: so packet identifiers rise with the
/// Seqs within every window, and what is resumed once more after another loss is resumed in order [MQTT-4.6.0-1].
bool Uplink::Impl::is_resuming() {
  if (resuming_ && outbox_->in_flight() > 0 && clock_.now() - online_since_ >= kResume) {
    spdlog::warn("uplink {}: the cloud does not answer for {} exchanges of the last connection; going on without",
                 settings_.name, outbox_->in_flight());
    resuming_ = false;
  }
  resuming_ = resuming_ && outbox_->in_flight() > 0;
  return resuming_;
}

void Uplink::Impl::send(Outbox::Entry& entry) {
  const auto qos = std::min(entry.qos, limits_.maximum_qos);  // [MQTT-3.2.2-11]
  const auto seq = entry.seq;
  if (exceeds_limit(*entry.publication, entry.cloud_topic())) {
    park(seq, mqtt::Reason::PacketTooLarge);
    return;
  }
  if (qos == mqtt::Qos::ExactlyOnce) state_->prepare(outbox_->row_of(entry));
  if (outbox_->in_flight() == 0) answered_at_ = clock_.now();
  outbox_->sent(entry);
  mqtt::failpoint("uplink.send");
  link_->send(seq, entry.publication, entry.cloud_topic(), qos);
  mqtt::failpoint("uplink.sent");
  if (qos == mqtt::Qos::AtMostOnce && outbox_->settle(seq)) ++acknowledged_;  // nothing will be heard of it
}

void Uplink::Impl::settled(Seq seq, mqtt::Reason reason) {
  mqtt::failpoint("uplink.settled");
  answered_at_ = clock_.now();
  switch (judge(reason)) {
    case Verdict::Delivered:
      if (outbox_->settle(seq)) ++acknowledged_;
      patience_.accepted(seq);
      suspicion_.settled();
      if (now_ == UplinkState::Online) back_off_.reset();
      break;
    case Verdict::Later:
      outbox_->requeue(seq);
      pause();
      break;
    case Verdict::AgainOrPark:
      if (!patience_.try_again(seq)) {
        park(seq, reason);
        break;
      }
      outbox_->requeue(seq);
      pause();
      break;
    case Verdict::Park:
      park(seq, reason);
      break;
  }
  renew();
  pump();
}

void Uplink::Impl::park(Seq seq, mqtt::Reason reason) {
  outbox_->park(seq, reason);
  spdlog::warn("uplink {}: the cloud refused message {}-{} for good: {} (0x{:02X}); it is parked in the database",
               settings_.name, settings_.client_id, seq, mqtt::name(reason), static_cast<unsigned>(reason));
}

void Uplink::Impl::pause() {
  if (const auto time = patience_.pause(clock_.now())) {
    spdlog::warn("uplink {}: the cloud takes no more for now; waiting {} ms", settings_.name, time->count());
  }
}

}  // namespace ferrule::bridge

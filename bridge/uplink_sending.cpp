#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "bridge/uplink_impl.hpp"
#include "bridge/verdict.hpp"
#include "mqtt/failpoint.hpp"

namespace ferrule::bridge {

namespace {

using namespace std::chrono_literals;

constexpr auto kResume = 20s;                 // for the exchanges of the last connection
constexpr std::size_t kMaxMembers = 1'000;    // of a batch
constexpr std::size_t kPacketOverhead = 128;  // bytes: header, lengths, packet id, expiry and our message id

/// Bytes, at most.
std::size_t packet_size(const mqtt::Publication& publication, const std::string& topic) {
  return topic.size() + publication.payload.size() + publication.properties.size() + kPacketOverhead;
}

}  // namespace

tl::expected<mqtt::Ticket, mqtt::Reason> Uplink::Impl::append(const mqtt::PublicationPtr& publication, bool durable,
                                                              const mqtt::Receipt* receipt) {
  if ((stopped_ && !next_) || is_from_cloud(*publication)) return 0;
  if (edge_) return append_metrics(publication, durable);
  auto routed = find_route(settings_.out, publication);
  if (!routed || is_own_status(*routed)) return 0;
  if (!routed->topic.empty() && !mqtt::is_valid_topic_name(routed->topic)) {  // grown too long
    ++skipped_;
    return 0;
  }
  if (routed->qos == mqtt::Qos::AtMostOnce) {
    send_unqueued(routed->publication, routed->topic.empty() ? publication->topic : routed->topic);
    return 0;
  }
  const auto ticket = outbox_->append(std::move(*routed), durable, receipt);
  pump();
  return ticket;
}

/// There the connection says whether we are there, and its will; what has waited in the queue would be of before.
bool Uplink::Impl::is_own_status(const Routed& routed) const {
  const auto& topic = routed.topic.empty() ? routed.publication->topic : routed.topic;
  return !settings_.status_topic.empty() && topic == settings_.status_topic;
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
  if (!rate_.allows(1, now) || !byte_rate_.allows(size, now) || !moderation_.allows(now)) return false;
  moderation_.sent();
  rate_.take(1);
  byte_rate_.take(size);
  return true;
}

void Uplink::Impl::pump() {
  if (stopped_ || now_ != UplinkState::Online || missed_ || renew_by_ || patience_.waits(clock_.now()) || is_resuming())
    return;
  if (edge_ && !edge_->is_born()) return;
  while (under_way() < (sends_ahead() ? 2 : 1) * window() + followers_ && pump_one()) {
  }
  if (edge_ && outbox_->size() == outbox_->in_flight()) edge_->bury();
}

/// Of QoS 2, whatever of it is under way: see Link::send. Not to a cloud that gets less for now.
bool Uplink::Impl::sends_ahead() const {
  return limits_.takes_ahead && limits_.maximum_qos == mqtt::Qos::ExactlyOnce && window() == window_;
}

/// False when there is nothing to send, or not yet.
bool Uplink::Impl::pump_one() {
  auto* entry = outbox_->next(window());
  const auto qos = batch_ ? batch_->qos() : entry != nullptr ? entry->qos : mqtt::Qos::AtMostOnce;
  if (under_way() >= window() + followers_ && qos != mqtt::Qos::ExactlyOnce) return false;
  if (batch_ && entry != nullptr && gathers(*entry)) {
    gather(*entry);
    return true;
  }
  if (batch_) {
    const auto* route = find_batch(settings_.out, batch_->topic());
    const bool waits = entry == nullptr && route && clock_.now() - batch_since_ < route->batch->wait;
    return !waits && send_batch();
  }
  if (entry == nullptr) return false;
  if (find_batch(settings_.out, entry->cloud_topic()) && is_batch_item(entry->publication->payload)) {
    batch_.emplace(entry->cloud_topic(), entry->qos);
    batch_since_ = clock_.now();
    gather(*entry);
    return true;
  }
  if (!takes_now(*entry->publication, entry->cloud_topic())) return false;
  send(*entry);
  return true;
}

/// Whether it may join the batch.
bool Uplink::Impl::gathers(const Outbox::Entry& entry) const {
  const auto* route = find_batch(settings_.out, batch_->topic());
  if (route == nullptr || entry.qos != batch_->qos()) return false;
  std::size_t size = route->batch->max_size;
  if (limits_.maximum_packet_size != 0) {
    const auto overhead = batch_->topic().size() + kPacketOverhead;
    size = std::min<std::size_t>(
        size, limits_.maximum_packet_size - std::min<std::size_t>(overhead, limits_.maximum_packet_size));
  }
  const bool single =
      entry.seq <= single_until_ || batch_->members().front() <= single_until_ || suspicion_.window() == 1;
  return batch_->takes(entry.cloud_topic(), entry.publication->payload, size, single ? 1 : kMaxMembers);
}

void Uplink::Impl::gather(Outbox::Entry& entry) {
  if (entry.qos == mqtt::Qos::ExactlyOnce) batch_rows_.push_back(prepared(entry));
  batch_->add(entry.seq, entry.publication->payload);
  outbox_->sent(entry);
}

/// Its members are acknowledged together. False when the cloud takes no more for now.
bool Uplink::Impl::send_batch() {
  const auto* route = find_batch(settings_.out, batch_->topic());
  auto message = std::make_shared<mqtt::Publication>();
  message->topic = batch_->topic();
  message->payload = batch_->payload();
  compress(*message, route ? route->compress : Compression::None);
  if (!takes_now(*message, message->topic)) return false;
  const auto leader = batch_->members().front();
  if (exceeds_limit(*message, message->topic)) {  // it is one that is too large alone
    batch_.reset();
    batch_rows_.clear();
    park(leader, mqtt::Reason::PacketTooLarge);
    return true;
  }
  if (under_way() == 0) answered_at_ = clock_.now();
  const auto qos = std::min(batch_->qos(), limits_.maximum_qos);
  followers_ += batch_->members().size() - 1;
  auto rows = std::exchange(batch_rows_, {});
  if (qos == mqtt::Qos::ExactlyOnce) {
    std::ranges::sort(rows, {}, [](const RowState::Prepared& one) { return one.row.seq; });
    state_->prepare(std::move(rows));
  } else {
    batches_[leader] = batch_->members();
  }
  batch_.reset();
  link_->send(leader, message, message->topic, qos);
  if (qos == mqtt::Qos::AtMostOnce && is_told_nothing()) delivered(ended(leader));
  return true;
}

void Uplink::Impl::delivered(const std::vector<Seq>& members) {
  for (const auto seq : members) {
    if (outbox_->settle(seq)) ++acknowledged_;
  }
}

/// The messages that went by this Seq, which comes first.
std::vector<Seq> Uplink::Impl::ended(Seq seq) {
  auto members = state_->take_followers(seq);
  members.insert(members.begin(), seq);
  if (auto batch = batches_.extract(seq)) members = std::move(batch.mapped());
  followers_ -= std::min(followers_, members.size() - 1);
  return members;
}

/// One of them is to blame.
void Uplink::Impl::send_singly(const std::vector<Seq>& members) {
  single_until_ = members.back();
  std::ranges::for_each(members, [this](Seq seq) { outbox_->requeue(seq); });
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
  if (edge_) return send_metrics(entry);
  const auto qos = std::min(entry.qos, limits_.maximum_qos);  // [MQTT-3.2.2-11]
  const auto seq = entry.seq;
  if (exceeds_limit(*entry.publication, entry.cloud_topic())) {
    park(seq, mqtt::Reason::PacketTooLarge);
    return;
  }
  if (qos == mqtt::Qos::ExactlyOnce) state_->prepare({prepared(entry)});
  if (outbox_->in_flight() == 0) answered_at_ = clock_.now();
  outbox_->sent(entry);
  mqtt::failpoint("uplink.send");
  link_->send(seq, entry.publication, entry.cloud_topic(), qos);
  mqtt::failpoint("uplink.sent");
  if (qos == mqtt::Qos::AtMostOnce && is_told_nothing()) delivered({seq});
}

void Uplink::Impl::settled(Seq seq, mqtt::Reason reason) {
  mqtt::failpoint("uplink.settled");
  answered_at_ = clock_.now();
  const auto members = ended(seq);
  const auto again = [&] { std::ranges::for_each(members, [this](Seq one) { outbox_->requeue(one); }); };
  auto verdict = judge(reason);
  if (members.size() > 1 && (verdict == Verdict::Park || verdict == Verdict::AgainOrPark)) {
    send_singly(members);
    verdict = Verdict::Later;
  }
  switch (verdict) {
    case Verdict::Delivered:
      if (const auto sent = outbox_->sent_at(seq)) ack_times_.add(answered_at_ - *sent);
      delivered(members);
      patience_.accepted(seq);
      suspicion_.settled();
      if (now_ == UplinkState::Online) back_off_.reset();
      break;
    case Verdict::Later:
      again();
      pause();
      break;
    case Verdict::AgainOrPark:
      if (!patience_.try_again(seq)) {
        park(seq, reason);
        break;
      }
      again();
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

void Uplink::Impl::slow_down(mqtt::Reason reason) {
  if (reason == mqtt::Reason::ReceiveMaximumExceeded) {
    moderation_.too_many(window(), clock_.now());
  } else {
    moderation_.too_fast(clock_.now());
  }
  spdlog::warn("uplink {}: too much for the cloud: {} (0x{:02X}); it gets half as much for ten minutes", settings_.name,
               mqtt::name(reason), static_cast<unsigned>(reason));
}

void Uplink::Impl::pause() {
  if (const auto time = patience_.pause(clock_.now())) {
    spdlog::warn("uplink {}: the cloud takes no more for now; waiting {} ms", settings_.name, time->count());
  }
}

}  // namespace ferrule::bridge

// Publications through the broker core: to consumers, retained publications and sessions; and their acknowledgements.
#include <spdlog/spdlog.h>

#include <algorithm>

#include "mqtt/broker_core.hpp"
#include "mqtt/failpoint.hpp"
#include "mqtt/sparkplug.hpp"

namespace ferrule::mqtt {

namespace {

/// Payload Format Indicator 1 promises UTF-8, in which U+0000 is a character like others (section 3.3.2.3.2).
bool has_valid_format(const Properties& properties, std::string_view payload) {
  if (properties.number(PropertyId::PayloadFormatIndicator).value_or(0) == 0) return true;
  for (;;) {
    const std::size_t null = payload.find('\0');
    if (!is_valid_utf8(payload.substr(0, null))) return false;
    if (null == std::string_view::npos) return true;
    payload.remove_prefix(null + 1);
  }
}

/// FNV-1a.
std::uint64_t digest_of(const Publication& publication) {
  std::uint64_t digest = 0xCBF29CE484222325;
  const auto add = [&](unsigned char byte) { digest = (digest ^ byte) * 0x100000001B3; };
  for (const char c : publication.topic) add(static_cast<unsigned char>(c));
  add(0);
  for (const char c : publication.payload) add(static_cast<unsigned char>(c));
  return digest;
}

}  // namespace

// A client's publication

void BrokerCore::publish_from(Connection& connection, const Publish& packet) {
  Client& client = *connection.client;
  PendingAck ack{.packet_id = packet.packet_id, .reason = Reason::Success};
  if (packet.qos == Qos::ExactlyOnce) {
    ack.type = PacketType::Pubrec;
    if (client.incoming().contains(packet.packet_id)) {  // a repetition [MQTT-4.3.3-10]
      ack.ticket = client.last_ticket;
      return acknowledge(connection, std::move(ack));
    }
  }
  if (packet.qos != Qos::AtMostOnce && connection.version() == Version::V5 &&
      connection.unacknowledged() >= settings.receive_maximum) {
    return connection.refuse(
        {Reason::ReceiveMaximumExceeded, "MQTT-3.3.4-7", "more unacknowledged PUBLISH than we accept"});
  }
  const SessionJournal::Whole whole(journal_.get());  // with its packet identifier, if it is QoS 2
  Receipt receipt{.packet_id = packet.packet_id, .repeated = packet.dup};
  Outcome outcome = may_publish(connection, packet);
  if (outcome.refused == Reason::PayloadFormatInvalid && packet.qos == Qos::AtMostOnce) {
    return connection.disconnect(outcome.refused, outcome.detail);  // the only way to tell
  }
  if (outcome.refused == Reason::Success) {
    Publication& publication = publications_.take();
    publication.topic = packet.topic;
    publication.payload = packet.payload;
    publication.qos = packet.qos;
    publication.retain = packet.retain;
    publication.properties.clear();
    publication.published = now_;
    publication.expires.reset();
    if (!packet.properties.empty()) {
      publication.properties = forwardable(packet.properties, forwarded_);
      if (const auto expiry = packet.properties.number(PropertyId::MessageExpiryInterval)) {
        publication.expires = now_ + std::chrono::seconds(*expiry);
      }
    }
    publication.origin = client.client_id();
    date_death(publication);
    if (packet.qos != Qos::AtMostOnce && connection.version() == Version::V5 && !can_retain(publication)) {
      outcome = {.refused = Reason::QuotaExceeded, .detail = "the limit of retained publications is reached"};
      ++totals.retained_dropped;
    } else {
      const bool kept = packet.qos == Qos::ExactlyOnce && client.persistent();
      if (kept) {
        receipt.number = journal_->new_receipt();
        receipt.digest = digest_of(publication);
      }
      outcome = route(publications_.last(), &client, packet.qos != Qos::AtMostOnce, kept ? &receipt : nullptr);
    }
  }
  if (packet.qos == Qos::AtMostOnce) return;
  if (outcome.refused != Reason::Success && outcome.refused != Reason::NotAuthorized &&
      connection.version() != Version::V5) {  // [MQTT-3.3.5-2 (3.1.1)]
    // There is no way to say "not taken" before MQTT 5, and an acknowledgement would be a lie: the client repeats it
    // later.
    if (may_log())
      spdlog::warn("broker: {}: publication refused ({}); closing", connection.who(), name(outcome.refused));
    return connection.close();
  }
  ack.ticket = outcome.ticket;
  ack.reason = outcome.refused != Reason::Success ? outcome.refused
               : outcome.taken                    ? Reason::Success
                                                  : Reason::NoMatchingSubscribers;
  ack.detail = outcome.detail;
  client.last_ticket = std::max(client.last_ticket, outcome.ticket);
  if (packet.qos == Qos::ExactlyOnce && !is_error(ack.reason)) {  // refused: a new publication next time [MQTT-4.3.3-9]
    client.incoming().insert(packet.packet_id);
    ++connection.unreleased;
    if (client.persistent() && outcome.ticket != 0) {
      journal_->add_incoming(client.row, packet.packet_id, receipt.number);
      client.incoming_on_disk.insert(packet.packet_id);
      ack.ticket = std::max(ack.ticket, journal_->post());
    }
  }
  acknowledge(connection, std::move(ack));
}

/// PUBREL: from now on the packet identifier may stand for another publication [MQTT-4.3.3-12], which must not be taken
/// for this one after a restart: PUBCOMP waits for the disk. Whether this one has expired makes no difference
/// [MQTT-4.3.3-13].
void BrokerCore::release_from(Connection& connection, const Ack& pubrel) {
  Client& client = *connection.client;
  const bool known = client.incoming().erase(pubrel.packet_id);
  if (known && connection.unreleased > 0) --connection.unreleased;
  if (!known) ++totals.unknown_acks;
  PendingAck ack{.packet_id = pubrel.packet_id, .type = PacketType::Pubcomp};  // [MQTT-4.3.3-11]
  ack.reason = known ? Reason::Success : Reason::PacketIdentifierNotFound;
  if (!client.incoming_on_disk.erase(pubrel.packet_id)) return connection.send_ack(ack);
  journal_->drop_incoming(client.row, pubrel.packet_id);
  ack.ticket = journal_->post();
  acknowledge(connection, std::move(ack));
}

/// Whether a client's PUBLISH is let in; if not, `refused` and `detail` say why.
BrokerCore::Outcome BrokerCore::may_publish(Connection& connection, const Publish& packet) {
  Outcome outcome;
  if (packet.topic.front() == '$') {  // ours alone (section 4.7.2)
    outcome.refused = Reason::NotAuthorized;
    outcome.detail = "topics that begin with $ are the broker's own";
  } else if (const auto& access = connection.client->access;
             access != nullptr && !access->may_publish.allow(packet.topic)) {
    ++totals.publications_denied;
    outcome.refused = Reason::NotAuthorized;  // [MQTT-3.3.5-2 (3.1.1)]
    outcome.detail = "no rule allows it";
  } else if (over_memory()) {
    ++totals.memory_refusals;
    outcome.refused = Reason::QuotaExceeded;
    outcome.detail = "the broker has no memory left";
  } else if (settings.check_payload_format && !has_valid_format(packet.properties, packet.payload)) {
    outcome.refused = Reason::PayloadFormatInvalid;
    outcome.detail = "payload is not the UTF-8 it is said to be";
  } else {
    return outcome;
  }
  ++totals.publications_refused;
  if (may_log()) {
    spdlog::warn("broker: {}: may not publish to {}: {}", connection.who(), for_log(packet.topic), outcome.detail);
  }
  return outcome;
}

bool BrokerCore::can_retain(const Publication& publication) const {
  return !publication.retain || retained_.has_room_for(publication);
}

// Routing

void BrokerCore::publish(const PublicationPtr& publication) { route(publication, nullptr, false); }

tl::expected<Ticket, Reason> BrokerCore::publish_durably(const PublicationPtr& publication) {
  const auto outcome = route(publication, nullptr, true);
  if (outcome.refused != Reason::Success) return tl::unexpected(outcome.refused);
  return outcome.ticket;
}

/// `durable`: a client waits for the acknowledgement. Then a consumer's refusal is the publisher's to hear, and nobody
/// gets the publication; otherwise what one uplink cannot take must not keep it from the others.
BrokerCore::Outcome BrokerCore::route(const PublicationPtr& publication, const Subscriber* publisher, bool durable,
                                      const Receipt* receipt) {
  const SessionJournal::Whole whole(journal_.get());
  Outcome outcome;
  if (durable && journal_ != nullptr && (journal_->full() || journal_->failing()) &&
      needs_disk(publication, publisher)) {
    ++totals.publications_refused;
    outcome.refused = journal_->full() ? Reason::QuotaExceeded : Reason::ImplementationSpecificError;
    outcome.detail = journal_->full() ? "the disk is full" : "the disk does not take it";
    return outcome;
  }
  for (Consumer* consumer : consumers) {
    const auto taken =
        receipt != nullptr ? consumer->append_once(publication, *receipt) : consumer->append(publication, durable);
    if (taken) {
      outcome.ticket = std::max(outcome.ticket, *taken);
    } else {
      ++totals.publications_refused;
      if (!durable) continue;
      outcome.refused = taken.error();
      outcome.detail = "a consumer of this topic does not take it";
      return outcome;
    }
  }
  if (journal_ != nullptr) journal_->follow(outcome.ticket);
  bool kept = publication->retain && keep_retained(publication);  // [MQTT-3.3.1-5] [MQTT-3.3.1-8]
  outcome.delivered = deliver_all(publication, publisher);
  outcome.taken = outcome.delivered || outcome.ticket != 0 ||
                  (durable && std::ranges::any_of(consumers, [&](const Consumer* consumer) {
                     return consumer->subscribes(publication->topic);
                   }));
  kept |= outcome.delivered && journal_ != nullptr && journal_->added();
  if (settings.sparkplug_certificates && sparkplug::kind_of(publication->topic) == sparkplug::Kind::Birth) {
    kept |= keep_certificate(*publication);
  }
  if (durable && kept) outcome.ticket = std::max(outcome.ticket, journal_->post());
  return outcome;
}

/// A Sparkplug birth at the topic where hosts find it later [tck-id-conformance-mqtt-aware-store], retained whatever
/// its own flag says [tck-id-conformance-mqtt-aware-nbirth-mqtt-retain]
/// [tck-id-conformance-mqtt-aware-dbirth-mqtt-retain].
bool BrokerCore::keep_certificate(const Publication& birth) {
  auto certificate = std::make_shared<Publication>(birth);
  // [tck-id-conformance-mqtt-aware-nbirth-mqtt-topic] [tck-id-conformance-mqtt-aware-dbirth-mqtt-topic]
  certificate->topic = sparkplug::certificate_topic(birth.topic);
  certificate->retain = true;
  const bool kept = keep_retained(certificate);
  return (deliver_all(certificate, nullptr) && journal_ != nullptr && journal_->added()) || kept;
}

/// To every session that subscribed [MQTT-4.5.0-1], in one round per publication: so each of them sees the publications
/// of each publisher in the order they came, whatever the topic [MQTT-4.6.0-5] [MQTT-4.6.0-6].
bool BrokerCore::deliver_all(const PublicationPtr& publication, const Subscriber* publisher) {
  subscriptions_.match(publication->topic, publisher, matches_);  // [MQTT-3.3.2-3]
  const auto receivers = matches_.all();
  if (receivers.empty()) return false;
  const SessionJournal::Whole whole(journal_.get());
  if (journal_ != nullptr) journal_->begin(publication);
  FanOut fan_out(publication, now_);
  for (const Match& match : receivers) deliver(publication, fan_out, match, matches_.identifiers(match));
  return true;
}

void BrokerCore::deliver(const PublicationPtr& publication, FanOut& fan_out, const Match& match,
                         std::span<const std::uint32_t> identifiers) {
  auto& client = static_cast<Client&>(*match.subscriber);
  if (client.access != nullptr && !client.access->may_receive.allow(publication->topic)) {
    ++deliveries.denied;
    return;
  }
  const Grant grant{
      .qos = std::min(publication->qos, match.qos),                // [MQTT-4.8.2-3]
      .retain = publication->retain && match.retain_as_published,  // [MQTT-3.3.1-12] [MQTT-3.3.1-13]
      .identifiers = identifiers,
      .group = match.group,
  };
  if (client.deliver(publication, fan_out, grant)) touch(*client.connection);
  await_disk(client);
  if (client.take_overflow()) {
    overflowed_.push_back(client.client_id());
    need_flush();
  }
}

/// To another member of the share group whose last choice is gone for good.
void BrokerCore::pass_on(const Orphan& orphan) {
  if (orphan.publication->expires && *orphan.publication->expires <= now_) {
    ++deliveries.expired;
    return;
  }
  const Match match = subscriptions_.next_of_group(orphan.group);
  if (match.subscriber == nullptr) return;
  const SessionJournal::Whole whole(journal_.get());
  if (journal_ != nullptr) journal_->begin(orphan.publication);
  FanOut fan_out(orphan.publication, now_);
  const std::uint32_t identifier = match.identifier;
  deliver(orphan.publication, fan_out, match,
          identifier == 0 ? std::span<const std::uint32_t>() : std::span(&identifier, 1));
}

// Acknowledging

/// PUBACK or PUBREC, as the QoS demands [MQTT-3.3.4-1] [MQTT-4.3.2-4] [MQTT-4.3.3-8], after which a QoS 1 identifier is
/// free again [MQTT-4.3.2-5]. At once, unless it has to wait for the disk or for one before it that does.
void BrokerCore::acknowledge(Connection& connection, PendingAck ack) {
  if (connection.pending_acks.empty() && ack.ticket <= committed_) return connection.send_ack(ack);
  if (ack.type == PacketType::Puback) ++connection.pending_pubacks;
  connection.pending_acks.push_back(std::move(ack));
  if (!connection.awaits_commit) {
    connection.awaits_commit = true;
    awaiting_commit_.push_back(&connection);
  }
  // Before MQTT 5 a client knows no Receive Maximum, and it does not bound repetitions and subscriptions. It is not
  // read from then, however long the disk takes.
  const std::size_t most =
      connection.version() == Version::V5 ? 2 * settings.receive_maximum : settings.receive_maximum;
  if (connection.pending_acks.size() >= most) connection.pause_reading(Connection::Pause::Disk, true);
}

void BrokerCore::committed(Ticket ticket) {
  start_turn();
  committed_ = std::max(committed_, ticket);
  std::erase_if(awaiting_commit_, [&](Connection* connection) {
    auto& acks = connection->pending_acks;
    while (!acks.empty() && acks.front().ticket <= committed_) {
      failpoint("broker.acknowledge");
      const PendingAck ack = acks.pop_front();
      if (ack.type == PacketType::Puback) --connection->pending_pubacks;
      connection->send_ack(ack);
    }
    touch(*connection);
    if (acks.size() < settings.receive_maximum) connection->pause_reading(Connection::Pause::Disk, false);
    connection->awaits_commit = !acks.empty();
    return acks.empty();
  });
}

}  // namespace ferrule::mqtt

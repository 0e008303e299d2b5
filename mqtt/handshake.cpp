// CONNECT and what follows from it in the broker core: sessions found, taken over, begun and ended, and wills.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <random>

#include "mqtt/broker_core.hpp"
#include "mqtt/sparkplug.hpp"

namespace ferrule::mqtt {

using std::chrono::milliseconds;
using std::chrono::seconds;

void BrokerCore::connect(Connection& connection, const Frame& frame) {
  ++totals.connects_received;
  const auto packet = decode_connect(frame);
  if (!packet) return reject(connection, version_to_answer(frame), packet.error());  // [MQTT-3.1.4-1]
  connection.answer_in(packet->version, packet->properties.number(PropertyId::MaximumPacketSize).value_or(SIZE_MAX));
  if (packet->will && packet->will->topic.front() == '$') {
    return reject(connection, packet->version,
                  {Reason::NotAuthorized, "MQTT-3.1.4-2", "will for a topic that begins with $"});
  }
  log_in(connection, *packet, frame);
}

/// Its client is who it says: from here on the session is there.
void BrokerCore::enter(Connection& connection, const Connect& packet, Identity identity) {
  if (const auto refusal = refusal_of(packet)) return reject(connection, packet.version, *refusal);  // [MQTT-3.1.4-2]
  if (!may_enter(connection, packet, identity)) return;
  half_open_.erase(std::exchange(connection.half_open, 0));
  bool present = false;
  Client& client = session_for(packet, present);
  const std::string user = identity.user;
  grant(client, std::move(identity));
  offline_.erase({std::min(client.will_due, client.expires), &client});
  client.will_due = client.expires = Time::max();  // [MQTT-3.1.2-26]
  client.will.reset();
  client.connection = &connection;
  client.expiry = session_expiry(packet);
  store_will(client, packet);
  connection.client = &client;
  save(client);
  connection.accepted(packet);
  spdlog::debug("broker: {} connected", connection.who());
  if (login_told && !user.empty()) login_told({user, connection.who(), true, {}});
  ++totals.clients_connected;
  ++totals.clients_total;
  totals.clients_maximum = std::max<std::uint64_t>(totals.clients_maximum, clients_.size());
  send_connack(connection, packet, client, present);  // before anything else, and once [MQTT-3.2.0-1] [MQTT-3.2.0-2]
  if (connection.client == nullptr) return;           // its CONNACK was too large for it
  const auto receive_maximum = packet.properties.number(PropertyId::ReceiveMaximum);
  client.attach({.output = &connection.output(),
                 .version = packet.version,
                 .receive_maximum = static_cast<std::uint16_t>(receive_maximum.value_or(65535)),
                 .max_packet_size = connection.max_packet_size(),
                 .aliases = connection.sent_aliases()},
                now_);
  refill(client);
}

/// Why a CONNECT that is right in itself is not accepted now.
std::optional<Refusal> BrokerCore::refusal_of(const Connect& packet) {
  const auto known = clients_.find(packet.client_id);
  const bool takes_over = known != clients_.end() && known->second->connection != nullptr;
  if (totals.clients_connected >= settings.max_connections && !takes_over) {
    ++totals.connections_refused;
    const bool elsewhere = !settings.server_reference.empty() && packet.version == Version::V5;
    return Refusal{elsewhere ? Reason::UseAnotherServer : Reason::ServerBusy, "MQTT-3.1.4-2",
                   "as many clients are connected as may be"};
  }
  // Only of those that stay: whoever leaves sessions behind under ever new identifiers shuts out his like, not those
  // that are gone with their connection.
  if (known == clients_.end() && clients_.size() >= settings.max_sessions && session_expiry(packet).count() > 0) {
    ++totals.sessions_refused;
    return Refusal{Reason::QuotaExceeded, "MQTT-3.1.4-2", "as many sessions are kept as may be"};
  }
  if (over_memory() && known == clients_.end()) {
    ++totals.memory_refusals;
    return Refusal{Reason::ServerBusy, "MQTT-3.1.4-2", "the broker has no memory left"};
  }
  return std::nullopt;
}

/// CONNACK with the reason where the version has a word for it, and the end of the connection [MQTT-3.2.2-7]
/// [MQTT-3.1.4-6] [MQTT-3.1.3-8].
void BrokerCore::reject(Connection& connection, Version version, const Refusal& refusal) {
  if (may_log()) {
    spdlog::warn("broker: {}: CONNECT refused: {} [{}]", connection.who(), refusal.detail, refusal.statement);
  }
  answer_refused(connection, version, refusal);
}

void BrokerCore::answer_refused(Connection& connection, Version version, const Refusal& refusal) {
  ++totals.connects_rejected;
  connection.answer_in(version, connection.max_packet_size());
  const bool malformed = refusal.code == Reason::MalformedPacket || refusal.code == Reason::ProtocolError;
  if (version == Version::V5) {
    PropertyBuilder properties;
    if (refusal.code == Reason::UseAnotherServer) {
      properties.add(PropertyId::ServerReference, settings.server_reference);
    }
    const std::size_t without_string = properties.encoded().size();
    properties.add(PropertyId::ReasonString, refusal.detail);
    Connack connack{.session_present = false, .reason = refusal.code, .properties = properties.view()};
    if (!connection.send(connack)) {  // [MQTT-3.2.2-19]
      connack.properties = Properties::trusted(std::string_view(properties.encoded()).substr(0, without_string));
      connection.send(connack);
    }
  } else if (!malformed) {
    connection.send(Connack{.session_present = false, .reason = refusal.code, .properties = {}});
  }
  connection.close();
}

// Sessions

/// Finds or begins the session of a CONNECT [MQTT-3.1.2-5] [MQTT-3.1.2-6] by its client identifier [MQTT-3.1.3-2],
/// after ending or taking over what stands against it [MQTT-3.1.4-4].
Client& BrokerCore::session_for(const Connect& packet, bool& present) {
  const auto found = clients_.find(packet.client_id);
  if (!packet.client_id.empty() && found != clients_.end()) {
    Client& client = *found->second;
    if (client.connection != nullptr) take_over(client, packet.clean_start);
    // Taking over may have ended it: a session without expiry lasts as long as its connection.
    const auto still = clients_.find(packet.client_id);
    const bool lasts = still != clients_.end() && still->second->expiry.count() > 0;  // not so: restored for its will
    if (lasts && !packet.clean_start) {
      present = true;
      return *still->second;
    }
    if (still != clients_.end()) end_session(*still->second);  // [MQTT-3.1.2-4]
  }
  auto id = packet.client_id.empty() ? assign_client_id() : std::string(packet.client_id);
  auto client = std::make_unique<Client>(std::move(id), settings, deliveries);
  Client& begun = *client;
  clients_.emplace(begun.client_id(), std::move(client));
  return begun;
}

void BrokerCore::take_over(Client& client, bool clean_start) {
  ++totals.takeovers;
  // A delayed will of a session that goes on is not published [MQTT-3.1.2-26].
  const bool goes_on = !clean_start && client.expiry.count() > 0;
  if (goes_on && client.will != nullptr && client.will->delay.count() > 0) client.will.reset();
  client.connection->disconnect(Reason::SessionTakenOver);  // [MQTT-3.1.4-3]
}

/// Its connection is over, or about to be closed: from here on the session counts as offline.
void BrokerCore::leave(Connection& connection) {
  half_open_.erase(std::exchange(connection.half_open, 0));
  forget_login(connection);
  connection.pending_acks.clear();  // unacknowledged: the client repeats those publications
  connection.pending_pubacks = 0;
  if (connection.awaits_commit) drop_from(awaiting_commit_, connection);
  connection.awaits_commit = false;
  if (connection.client == nullptr) return;
  Client& client = *connection.client;
  connection.client = nullptr;
  client.connection = nullptr;
  client.detach();
  --totals.clients_connected;
  resume_timers(client);
}

/// Publishes the will now or later [MQTT-3.1.2-8], and ends the session now or later [MQTT-3.1.2-25] [MQTT-4.1.0-2].
void BrokerCore::resume_timers(Client& client) {
  const SessionJournal::Whole whole(journal_.get());
  if (client.expiry.count() == 0) return end_session(client);  // not before the connection is over [MQTT-4.1.0-1]
  client.expires = now_ + client.expiry;
  if (client.will != nullptr) {
    client.will_due = now_ + client.will->delay;
    if (client.will->delay.count() == 0) publish_will(client);
  }
  offline_.emplace(std::min(client.will_due, client.expires), &client);
  save(client);
}

/// A will or an expiry is due.
void BrokerCore::expire(Client& client) {
  const SessionJournal::Whole whole(journal_.get());
  if (client.expires <= now_) {
    ++totals.sessions_expired;
    return end_session(client);
  }
  offline_.erase({client.will_due, &client});
  publish_will(client);
  offline_.emplace(client.expires, &client);
  save(client);
}

/// Offline, and gone when this returns. A will that was not published yet is now, whatever its delay [MQTT-3.1.2-8].
void BrokerCore::end_session(Client& client) {
  const SessionJournal::Whole whole(journal_.get());
  offline_.erase({std::min(client.will_due, client.expires), &client});
  const auto orphans = client.take_orphans();
  subscriptions_.remove_all(client);
  for (const Orphan& orphan : orphans) pass_on(orphan);
  publish_will(client);
  forget(client);
  clients_.erase(client.client_id());
}

seconds BrokerCore::session_expiry(const Connect& packet) const {
  if (packet.version != Version::V5) return packet.clean_start ? seconds(0) : settings.max_session_expiry;
  const seconds asked(packet.properties.number(PropertyId::SessionExpiryInterval).value_or(0));
  return std::min(asked, settings.max_session_expiry);
}

/// Nobody else's [MQTT-3.1.3-6] [MQTT-3.2.2-16], and not to be guessed.
std::string BrokerCore::assign_client_id() {
  std::random_device random;
  std::string id;
  do {
    id = fmt::format("auto-{:08x}{:08x}-{}", random(), random(), ++assigned_ids_);
  } while (clients_.contains(id));
  return id;
}

// Answering

void BrokerCore::send_connack(Connection& connection, const Connect& packet, const Client& client, bool present) {
  seconds keep_alive = packet.keep_alive;
  PropertyBuilder properties;
  if (packet.version == Version::V5) {
    const seconds longest = settings.max_keep_alive;
    if (longest.count() > 0 && (keep_alive.count() == 0 || keep_alive > longest)) {
      keep_alive = longest;
      properties.add(PropertyId::ServerKeepAlive, static_cast<std::uint32_t>(longest.count()));  // [MQTT-3.2.2-21]
    }
    const auto asked = packet.properties.number(PropertyId::SessionExpiryInterval).value_or(0);
    const auto given = static_cast<std::uint32_t>(client.expiry.count());
    if (given != asked) properties.add(PropertyId::SessionExpiryInterval, given);
    properties.add(PropertyId::ReceiveMaximum, settings.receive_maximum);
    properties.add(PropertyId::MaximumPacketSize, static_cast<std::uint32_t>(settings.max_packet_size));
    if (settings.topic_alias_maximum > 0) properties.add(PropertyId::TopicAliasMaximum, settings.topic_alias_maximum);
    if (packet.client_id.empty()) {
      properties.add(PropertyId::AssignedClientIdentifier, client.client_id());  // [MQTT-3.1.3-7]
    }
    const bool wants_response = packet.properties.number(PropertyId::RequestResponseInformation).value_or(0) == 1;
    // A topic to begin with: not out of an identifier that is no part of one.
    if (wants_response && client.client_id().find_first_of("+#") == std::string::npos) {  // [MQTT-3.1.2-31]
      properties.add(PropertyId::ResponseInformation, fmt::format("response/{}", client.client_id()));
    }
    if (connection.login != nullptr) {  // [MQTT-4.12.0-5] [MQTT-4.12.0-6]
      properties.add(PropertyId::AuthenticationMethod, kScramMethod);
      properties.add(PropertyId::AuthenticationData, std::exchange(connection.login->verifier, {}));
    }
  }
  connection.silence = milliseconds(keep_alive) * 3 / 2;  // [MQTT-3.1.2-24] [MQTT-3.2.2-22]
  look_again(connection, keep_alive.count() > 0 ? now_ + connection.silence : Time{});
  present = present && packet.version != Version::V31;  // 3.1 has no such flag
  const Connack connack{.session_present = present, .reason = Reason::Success, .properties = properties.view()};
  if (!connection.send(connack)) {  // [MQTT-3.1.4-5] [MQTT-3.2.2-2] [MQTT-3.2.2-3]
    ++totals.connects_rejected;
    if (may_log())
      spdlog::warn("broker: {}: accepts no packet as large as a CONNACK [MQTT-3.1.2-27]", connection.who());
    connection.close();  // without DISCONNECT, which must not be the first packet [MQTT-3.14.0-1]
  }
}

// Wills

void BrokerCore::store_will(Client& client, const Connect& packet) {
  if (!packet.will) return;  // [MQTT-3.1.2-12]
  const Will& will = *packet.will;
  auto stored = std::make_unique<StoredWill>();
  Publication& publication = stored->publication;
  publication.topic = will.topic;
  publication.payload = will.payload;
  publication.qos = will.qos;
  publication.retain = will.retain;  // [MQTT-3.1.2-16] [MQTT-3.1.2-17]
  publication.properties = forwardable(will.properties, forwarded_);
  publication.origin = client.client_id();
  stored->delay = seconds(will.properties.number(PropertyId::WillDelayInterval).value_or(0));
  if (const auto expiry = will.properties.number(PropertyId::MessageExpiryInterval)) stored->expiry = seconds(*expiry);
  client.will = std::move(stored);
}

/// A Sparkplug NDEATH says when it was written, which for a will is long before the death; on request it says when it
/// is delivered [tck-id-conformance-mqtt-aware-ndeath-timestamp].
void BrokerCore::date_death(Publication& publication) const {
  if (!settings.sparkplug_death_time || sparkplug::kind_of(publication.topic) != sparkplug::Kind::NodeDeath) return;
  if (auto dated = sparkplug::with_timestamp(publication.payload, clock_.utc())) {
    publication.payload = std::move(*dated);
  }
}

/// Once [MQTT-3.1.2-10]; nothing when there is none.
void BrokerCore::publish_will(Client& client) {
  client.will_due = Time::max();
  const auto will = std::exchange(client.will, nullptr);
  if (will == nullptr) return;
  if (client.access != nullptr && !client.access->may_publish.allow(will->publication.topic)) {  // rules have changed
    ++totals.publications_denied;
    return;
  }
  auto publication = std::make_shared<Publication>(std::move(will->publication));
  publication->published = now_;
  if (will->expiry) publication->expires = now_ + *will->expiry;
  date_death(*publication);
  route(publication, &client, false);
}

}  // namespace ferrule::mqtt

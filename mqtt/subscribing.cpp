// SUBSCRIBE and UNSUBSCRIBE in the broker core, and the retained publications that a new subscription gets.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "mqtt/broker_core.hpp"

namespace ferrule::mqtt {

namespace {

/// A replay adds to the output while it is shorter than this: enough for a full socket, little for 10,000 clients at
/// once.
constexpr std::size_t kReplayOutput = 128 * 1024;  // bytes
/// Nodes of the tree and publications that one client's replays look at in a turn, whether they are sent or not: a
/// thousand filters under which it may receive nothing must not hold up the others.
constexpr std::size_t kReplayLooks = 4096;

char code(Reason reason) { return static_cast<char>(reason); }

}  // namespace

void BrokerCore::subscribe(Connection& connection, const Subscribe& packet) {
  Client& client = *connection.client;
  const auto identifier = packet.properties.number(PropertyId::SubscriptionIdentifier).value_or(0);
  std::string codes;  // one for each entry [MQTT-3.8.4-6]
  std::string_view detail;
  for (const auto& entry : packet.entries) {  // as if each had come by itself [MQTT-3.8.4-5]
    if (!may_subscribe(connection, entry)) {
      const Reason refused = connection.version() == Version::V5 ? Reason::NotAuthorized : Reason::UnspecifiedError;
      detail = "no rule allows it";
      codes.push_back(code(refused));
      continue;
    }
    const auto added = subscriptions_.add(client, entry.group, entry.filter, entry.options, identifier);
    const bool is_new = added == SubscriptionTree::Added::New;
    if (is_new && (client.subscriptions() > settings.max_subscriptions || over_memory())) {
      subscriptions_.remove(client, entry.group, entry.filter);
      ++(over_memory() ? totals.memory_refusals : totals.subscriptions_refused);
      detail = over_memory() ? "the broker has no memory left" : "the limit of subscriptions is reached";
      codes.push_back(code(connection.version() == Version::V5 ? Reason::QuotaExceeded : Reason::UnspecifiedError));
      continue;
    }
    codes.push_back(static_cast<char>(entry.options.qos));  // [MQTT-3.8.4-7]
    save_subscription(client, entry, identifier);
    // Shared subscriptions get none (section 4.8.2). [MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11]
    const bool wants_retained = entry.options.retain_handling == 0 || (entry.options.retain_handling == 1 && is_new);
    if (!wants_retained || !entry.group.empty()) continue;
    std::erase_if(client.replays, [&](const Replay& replay) { return replay.filter.text() == entry.filter; });
    client.replays.emplace_back(*TopicFilter::parse(std::string(entry.filter)), entry.options.qos, identifier,
                                entry.options.no_local);
  }
  // [MQTT-3.8.4-1] [MQTT-3.8.4-2]
  if (!answer(connection, PacketType::Suback, packet.packet_id, std::move(codes), detail)) {
    return connection.refuse(
        {Reason::PacketTooLarge, "MQTT-3.1.2-27", "Maximum Packet Size is below that of the SUBACK"});
  }
  refill(client);
}

/// A filter of which something may be received is granted, and each delivery is checked. One that is shared must be
/// allowed as a whole: what a member may not receive would be lost for its group.
bool BrokerCore::may_subscribe(Connection& connection, const SubscribeEntry& entry) {
  const Client& client = *connection.client;
  if (client.access == nullptr) return true;
  const Coverage covered = client.access->may_receive.coverage(entry.filter);
  if (covered == Coverage::All || (covered == Coverage::Some && entry.group.empty())) return true;
  ++totals.subscriptions_denied;
  if (may_log()) {
    spdlog::warn("broker: {}: no rule lets it subscribe to {} [MQTT5 3.9.3]", connection.who(), for_log(entry.text));
  }
  return false;
}

/// What is in flight or waits already is still delivered [MQTT-3.10.4-3].
void BrokerCore::unsubscribe(Connection& connection, const Unsubscribe& packet) {
  Client& client = *connection.client;
  std::string codes;
  for (const auto text : packet.filters) {  // as if each had come by itself [MQTT-3.10.4-6]
    const auto parts = split_share(text);
    const bool removed = parts && subscriptions_.remove(client, parts->group, parts->filter);  // [MQTT-3.10.4-2]
    if (removed) std::erase_if(client.replays, [&](const Replay& replay) { return replay.filter.text() == text; });
    if (removed && client.persistent()) journal_->unsubscribe(client.row, std::string(text));
    codes.push_back(code(removed ? Reason::Success : Reason::NoSubscriptionExisted));
  }
  // [MQTT-3.10.4-4] [MQTT-3.10.4-5]
  if (!answer(connection, PacketType::Unsuback, packet.packet_id, std::move(codes))) {
    connection.refuse({Reason::PacketTooLarge, "MQTT-3.1.2-27", "Maximum Packet Size is below that of the UNSUBACK"});
  }
}

/// SUBACK or UNSUBACK, once the disk has what they answer. False when it is larger than the client accepts.
bool BrokerCore::answer(Connection& connection, PacketType type, std::uint16_t packet_id, std::string codes,
                        std::string_view detail) {
  const Packet packet =
      type == PacketType::Suback ? Packet(Suback{packet_id, {}, codes}) : Packet(Unsuback{packet_id, {}, codes});
  if (encoded_size(packet, connection.version()) > connection.max_packet_size()) return false;
  PendingAck ack{.packet_id = packet_id, .type = type, .detail = detail};
  if (connection.client->persistent()) ack.ticket = journal_->post();
  ack.codes = std::make_unique<const std::string>(std::move(codes));
  acknowledge(connection, std::move(ack));
  return true;
}

void BrokerCore::refill(Client& client) {
  if (client.can_resume()) client.resume(now_);
  client.update_ready();
  await_disk(client);
  if (!client.replays.empty()) continue_replays(client);
  if (client.connection != nullptr && !client.connection->output().empty()) touch(*client.connection);
}

void BrokerCore::continue_replays(Client& client) {
  std::size_t looked_at = 0;
  while (!client.replays.empty() && client.idle_below(kReplayOutput)) {
    if (looked_at >= kReplayLooks) return touch(*client.connection);  // the next flush goes on
    Replay& replay = client.replays.front();
    if (!std::exchange(replay.begun, true)) looked_at += retained_.find(replay.filter.text(), replay.ids);
    if (replay.next == replay.ids.size()) {
      client.replays.erase(client.replays.begin());
      continue;
    }
    ++looked_at;
    const PublicationPtr publication = retained_.get(replay.ids[replay.next++], now_);
    if (publication == nullptr || !replay.filter.matches(publication->topic)) continue;
    if (client.access != nullptr && !client.access->may_receive.allow(publication->topic)) {
      ++deliveries.denied;
      continue;
    }
    if (replay.no_local && publication->origin == client.client_id()) continue;  // [MQTT-3.8.3-3]
    FanOut fan_out(publication, now_);
    Grant grant{.qos = std::min(publication->qos, replay.qos),
                .retain = true};  // [MQTT-3.8.4-8] [MQTT-3.3.1-8 (3.1.1)]
    if (replay.identifier != 0) grant.identifiers = {&replay.identifier, 1};
    const SessionJournal::Whole whole(journal_.get());
    if (journal_ != nullptr) journal_->begin(publication);
    client.deliver(publication, fan_out, grant);
    await_disk(client);
  }
  if (client.replays.empty()) client.replays.shrink_to_fit();
}

}  // namespace ferrule::mqtt

// What a client may do, in the broker core: from CONNECT on, and from the next set of rules on.
#include <spdlog/spdlog.h>

#include <vector>

#include "mqtt/broker_core.hpp"

namespace ferrule::mqtt {

/// From now on the session is this one's, by the rules as they are. A shared subscription that they do not allow as a
/// whole gives its group's publications to other members.
void BrokerCore::grant(Client& client, Identity identity) {
  client.access.reset();
  client.identity = std::move(identity);
  const Rights may_publish = access_->may_publish(client.identity, client.client_id());
  const Rights may_receive = access_->may_receive(client.identity, client.client_id());
  if (may_publish.restricted() || may_receive.restricted()) {
    client.access = std::make_unique<ClientAccess>(ClientAccess{may_publish, may_receive});
  }
  client.restrict_to(client.access == nullptr ? nullptr : &client.access->may_receive);
  subscriptions_.suspend_shared(client, [&](std::string_view filter) {
    return client.access != nullptr && client.access->may_receive.coverage(filter) != Coverage::All;
  });
}

/// What else of a CONNECT is a matter of who it is: its client id and its will. Refuses it and returns false when it
/// may not. A session belongs to its user: another one gets it neither by its client id nor ended, as long as that user
/// exists.
bool BrokerCore::may_enter(Connection& connection, const Connect& packet, const Identity& identity) {
  if (!access_->restricted()) return true;
  const auto refuse = [&](Reason reason, const char* statement, std::string_view detail) {
    ++totals.logins_failed;
    reject(connection, packet.version, {reason, statement, detail});
    return false;
  };
  const char* unfit = packet.client_id.empty() ? nullptr : access_->unfit_name(identity, packet.client_id);
  if (unfit != nullptr) return refuse(Reason::ClientIdentifierNotValid, "MQTT-3.1.4-2", unfit);
  if (packet.will && !access_->may_publish(identity, packet.client_id).allow(packet.will->topic)) {
    ++totals.publications_denied;
    return refuse(Reason::NotAuthorized, "MQTT-3.1.4-2", "no rule lets it publish its will");
  }
  const auto found = clients_.find(packet.client_id);
  if (packet.client_id.empty() || found == clients_.end()) return true;
  Client& holder = *found->second;
  const Identity& owner = holder.identity;
  if (owner.user == identity.user) return true;
  if (!owner.user.empty() && access_->admits(owner)) {
    return refuse(Reason::ClientIdentifierNotValid, "MQTT-3.1.4-2", "client identifier belongs to another user");
  }
  if (holder.connection != nullptr) take_over(holder, true);
  const auto still = clients_.find(packet.client_id);
  if (still != clients_.end()) end_session(*still->second);
  return true;
}

bool BrokerCore::client_may_publish(std::string_view client_id, std::string_view topic) const {
  const auto found = clients_.find(client_id);
  if (found == clients_.end() || topic.starts_with('$')) return false;
  const auto& access = found->second->access;
  return access == nullptr || access->may_publish.allow(topic);
}

void BrokerCore::set_access(std::shared_ptr<const Access> access) {
  start_turn();
  const auto old = std::exchange(access_, std::move(access));  // kept until nobody borrows from it
  std::vector<Connection*> unwelcome;
  for (const auto& [id, client] : clients_) {
    grant(*client, std::move(client->identity));
    if (client->connection != nullptr && !access_->admits(client->identity)) unwelcome.push_back(client->connection);
  }
  std::vector<Orphan> orphans;
  for (const auto& [id, client] : clients_) client->take_denied_orphans(orphans);
  for (Connection* connection : unwelcome) {
    if (may_log()) spdlog::warn("broker: {}: its user may no longer be here; closing", connection->who());
    connection->disconnect(Reason::NotAuthorized, "no longer authorized");
  }
  for (const Orphan& orphan : orphans) pass_on(orphan);
}

}  // namespace ferrule::mqtt

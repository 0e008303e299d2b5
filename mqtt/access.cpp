#include "mqtt/access.hpp"

#include <algorithm>
#include <functional>

namespace ferrule::mqtt {

Access::Access(AccessSettings settings)
    : settings_(std::move(settings)), everyone_(settings_.everyone), anonymous_(settings_.anonymous) {
  for (const auto& [name, user] : settings_.users) {
    users_.emplace(name, user.rules);
    if (!user.credentials.empty()) decoys_.push_back(&user.credentials);
    if (user.credentials.scram && scram_decoy_ == nullptr) scram_decoy_ = &*user.credentials.scram;
  }
  for (const auto& [id, rules] : settings_.clients) clients_.emplace(id, rules);
}

ListenerAccess Access::listener(std::size_t index) const {
  if (index < settings_.listeners.size()) return settings_.listeners[index];
  ListenerAccess access;  // of a broker without a configuration
  access.anonymous = !has_users();
  return access;
}

bool Access::admits(const Identity& identity) const {
  const bool known = identity.listener != Identity::kNoListener || settings_.listeners.empty();
  if (known) return admits(identity, listener(identity.listener));
  return std::ranges::any_of(settings_.listeners, [&](const ListenerAccess& at) { return admits(identity, at); });
}

bool Access::admits(const Identity& identity, const ListenerAccess& at) const {
  if (identity.user.empty()) return at.anonymous;
  if (identity.proof == Proof::Certificate && !at.certificate_login) return false;
  if (identity.proof == Proof::Password && !has_user(identity.user)) return false;
  return at.users.empty() || std::ranges::find(at.users, identity.user) != at.users.end();
}

const Credentials& Access::credentials(std::string_view user) const {
  static const Credentials kNone;
  const auto found = settings_.users.find(user);
  if (found != settings_.users.end() && !found->second.credentials.empty()) return found->second.credentials;
  // Always the same one for a name, so that hashes of different cost among the users show nothing either.
  return decoys_.empty() ? kNone : *decoys_[std::hash<std::string_view>{}(user) % decoys_.size()];
}

ScramKeys Access::scram_keys(std::string_view user) const {
  const auto found = settings_.users.find(user);
  if (found != settings_.users.end() && found->second.credentials.scram) return *found->second.credentials.scram;
  return mqtt::scram_decoy(*scram_decoy_, user);
}

std::array<const Access::Lists*, 3> Access::lists_of(const Identity& identity, std::string_view client_id) const {
  const auto find = [](const auto& map, std::string_view name) -> const Lists* {
    const auto found = map.find(name);
    return found == map.end() ? nullptr : &found->second;
  };
  return {identity.user.empty() ? &anonymous_ : find(users_, identity.user), find(clients_, client_id), &everyone_};
}

Rights Access::may_publish(const Identity& identity, std::string_view client_id) const {
  std::array<const RuleList*, 3> lists{};
  if (!admits(identity)) return {lists, {}};
  if (!restricted()) return {};
  std::ranges::transform(lists_of(identity, client_id), lists.begin(),
                         [](const Lists* both) { return both == nullptr ? nullptr : &both->publish; });
  return {lists, {client_id, identity.user}};
}

Rights Access::may_receive(const Identity& identity, std::string_view client_id) const {
  std::array<const RuleList*, 3> lists{};
  if (!admits(identity)) return {lists, {}};
  if (!restricted()) return {};
  std::ranges::transform(lists_of(identity, client_id), lists.begin(),
                         [](const Lists* both) { return both == nullptr ? nullptr : &both->subscribe; });
  return {lists, {client_id, identity.user}};
}

const char* Access::unfit_name(const Identity& identity, std::string_view client_id) const {
  for (const Lists* both : lists_of(identity, client_id)) {
    if (both == nullptr) continue;
    if ((both->subscribe.names_client() || both->publish.names_client()) && !fits_a_level(client_id)) {
      return "client identifier with + # or /, where rules use %c";
    }
    const bool uses_user = both->subscribe.names_user() || both->publish.names_user();
    if (uses_user && !identity.user.empty() && !fits_a_level(identity.user)) {
      return "user name with + # or /, where rules use %u";
    }
  }
  return nullptr;
}

}  // namespace ferrule::mqtt

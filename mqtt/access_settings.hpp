// Who may connect and do what, as the `broker` section of the configuration says it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "config/node.hpp"
#include "mqtt/bans.hpp"
#include "mqtt/credentials.hpp"
#include "mqtt/rules.hpp"

namespace ferrule::mqtt {

struct ListenSettings;

struct RuleSettings {
  std::vector<Rule> subscribe, publish;
};

struct UserSettings {
  Credentials credentials;  ///< empty: can only log in by certificate
  RuleSettings rules;
};

/// Who may come in at one listener.
struct ListenerAccess {
  bool anonymous = false;          ///< clients that name no user
  bool certificate_login = false;  ///< a verified certificate's identity is a user's name
  std::vector<std::string> users;  ///< nobody else; empty: every user
};

struct AccessSettings {
  std::map<std::string, UserSettings, std::less<>> users;
  std::map<std::string, RuleSettings, std::less<>> clients;  ///< by client id
  RuleSettings everyone, anonymous;
  /// False: there are neither users nor rules, and whoever is let in may do everything.
  bool restricted = false;
  std::vector<ListenerAccess> listeners;  ///< in the order of BrokerSettings::listen
  BanSettings bans;
  std::size_t max_logins_waiting = 64;  ///< for their password to be checked; more are told Server busy
};

/// Reads its keys of the `broker` section (docs/access.md). `listeners` were read from its `listen`. Passwords from
/// secrets are hashed at once. A listener that others reach needs users, certificates or `anonymous: true`.
///   broker:
///     listen: [{port: 1883, bind: 0.0.0.0, anonymous: false, users: [hmi], certificate_login: false}]
///     password_file: users
///     users: {hmi: {password: !file secrets/hmi, subscribe: ["plant1/#", "!plant1/pay/#"], publish: ["plant1/+/set"]}}
///     clients: {press4: {publish: ["press4/#"]}}
///     everyone: {subscribe: ["clients/%c/#"]}
///     anonymous: {subscribe: ["plant1/#"]}
///     limits: {failed_logins: 5, ban: 1s..5m, logins_waiting: 64}
AccessSettings read_access(const config::Node& broker, const std::vector<ListenSettings>& listeners);

}  // namespace ferrule::mqtt

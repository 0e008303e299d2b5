// What `gateway.http` says: where metrics, the API and the page are served, and to whom.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "mqtt/bans.hpp"
#include "mqtt/credentials.hpp"
#include "mqtt/settings.hpp"

namespace ferrule::gateway {

enum class HttpRole : std::uint8_t {
  Read,     ///< sees everything
  Operate,  ///< and writes values, and decides over parked messages
};

struct HttpUser {
  mqtt::Credentials credentials;
  HttpRole role = HttpRole::Read;
};

/// For a program. The token itself is forgotten.
struct HttpToken {
  std::string name;
  HttpRole role = HttpRole::Read;
};

struct HttpSettings {
  mqtt::ListenSettings listen;
  std::map<std::string, HttpUser, std::less<>> users;
  std::map<std::string, HttpToken, std::less<>> tokens;  ///< by the token's SHA-256
  mqtt::BanSettings bans;

  /// Nobody can prove who they are: only this machine gets in, and only to read.
  bool without_users() const { return users.empty() && tokens.empty(); }
};

/// Reads `gateway.http`; nothing when it is absent.
///   http: 127.0.0.1:8080
///   http:
///     listen: 0.0.0.0:8443
///     tls: {cert: gw.crt, key: gw.key}
///     password_file: page-users
///     users: {anna: {role: operate}, guest: {password: !file secrets/guest}}
///     tokens: {scada: {token: !file secrets/scada-token, role: read}}
std::optional<HttpSettings> read_http(const config::Node& node);

}  // namespace ferrule::gateway

#include "gateway/http_settings.hpp"

#include <fmt/format.h>

#include <array>

#include "gateway/host_port.hpp"
#include "mqtt/crypto.hpp"
#include "mqtt/listen_settings.hpp"
#include "mqtt/password_file.hpp"
#include "mqtt/user_settings.hpp"

namespace ferrule::gateway {

namespace {

constexpr std::size_t kShortestToken = 20;  // characters: nobody guesses it, so a fast hash is enough
constexpr std::array kRoles{config::Choice<HttpRole>{"read", HttpRole::Read},
                            config::Choice<HttpRole>{"operate", HttpRole::Operate}};

void read_users(const config::Node& node, HttpSettings& settings) {
  for (auto& [name, credentials] : mqtt::read_password_file(node["password_file"])) {
    settings.users[name].credentials = std::move(credentials);
  }
  for (const auto& [name, entry] : node["users"].entries()) {
    if (const auto fault = mqtt::fault_in_user_name(name); !fault.empty()) entry.mistake("the user's name " + fault);
    auto& user = settings.users[name];
    auto credentials = mqtt::read_credentials(entry);
    if (!credentials.empty() && !user.credentials.empty()) {
      entry["password"].mistake("has a password here and a line in password_file", "keep one of the two");
    }
    if (!credentials.empty()) user.credentials = std::move(credentials);
    user.role = entry["role"].one_of<HttpRole>(user.role, kRoles);
    if (user.credentials.empty() && !entry["password"].present() && !entry["password_hash"].present()) {
      entry.mistake("has no password", "add password: !file ..., password_hash: or a line in password_file");
    }
  }
}

void read_tokens(const config::Node& node, HttpSettings& settings) {
  for (const auto& [name, entry] : node.entries()) {
    auto token = entry["token"].required_secret();
    HttpToken found{name, entry["role"].one_of<HttpRole>(HttpRole::Read, kRoles)};
    if (token.empty()) continue;
    if (token.size() < kShortestToken) {
      entry["token"].mistake(
          fmt::format("is too short: at least {} characters, so that nobody guesses it", kShortestToken),
          "openssl rand -hex 32 makes one");
    }
    settings.tokens.insert_or_assign(mqtt::sha256(token), std::move(found));
    mqtt::wipe(token);
  }
}

}  // namespace

std::optional<HttpSettings> read_http(const config::Node& node) {
  if (!node.present()) return std::nullopt;
  HttpSettings settings;
  auto& listen = settings.listen;
  const auto place = node.is_map() ? node["listen"] : node;
  listen.where = place.where();
  listen.setting = node.is_map() ? "gateway.http.listen" : "gateway.http";
  read_host_port(place, listen.bind, listen.port);
  if (node.is_map()) {
    if (node["tls"].present()) listen.tls = mqtt::read_tls(node["tls"]);
    read_users(node, settings);
    read_tokens(node["tokens"], settings);
  }
  if (is_loopback(listen.bind)) return settings;
  if (settings.without_users()) {
    place.warning(
        "whoever reaches this address reads the metrics without a password; the page and the API answer this "
        "machine only, as long as gateway.http has no users");
  } else if (!listen.tls) {
    place.warning("passwords and tokens cross the network as they are: give gateway.http a tls section");
  }
  return settings;
}

}  // namespace ferrule::gateway

#include "mqtt/access_settings.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "mqtt/password_file.hpp"
#include "mqtt/settings.hpp"
#include "mqtt/topic.hpp"
#include "mqtt/user_settings.hpp"

namespace ferrule::mqtt {

namespace {

using std::chrono::duration_cast;
using std::chrono::hours;
using std::chrono::seconds;

std::vector<Rule> read_rules(const config::Node& list) {
  std::vector<Rule> rules;
  for (const auto& item : list.items()) {
    std::string text = item.required_text();
    if (text.empty()) continue;
    const bool deny = text.starts_with('!');
    if (deny) text.erase(0, 1);
    if (text.starts_with("$share/")) {
      item.mistake("a rule names topics, not shared subscriptions", "leave out $share/ and the name behind it");
    } else if (const auto checked = check_topic_filter(text); !checked) {
      item.mistake(fmt::format("is no topic filter: {}", checked.error().detail));
    } else {
      rules.push_back({std::move(text), !deny});
    }
  }
  return rules;
}

RuleSettings read_rule_settings(const config::Node& node) {
  return {.subscribe = read_rules(node["subscribe"]), .publish = read_rules(node["publish"])};
}

void read_user(const std::string& name, const config::Node& node, AccessSettings& settings) {
  if (const auto fault = fault_in_user_name(name); !fault.empty()) node.mistake("the user's name " + fault);
  UserSettings& user = settings.users[name];
  auto credentials = read_credentials(node);
  if (!credentials.empty() && !user.credentials.empty()) {
    node["password"].mistake("has a password here and a line in password_file", "keep one of the two");
  }
  if (!credentials.empty()) user.credentials = std::move(credentials);
  user.rules = read_rule_settings(node);
}

/// `%u` and `%c` in rules, and names that could not stand there.
bool names_user(const RuleSettings& rules) {
  const auto has = [](const Rule& rule) { return rule.filter.find("%u") != std::string::npos; };
  return std::ranges::any_of(rules.subscribe, has) || std::ranges::any_of(rules.publish, has);
}

void check_names(const config::Node& users, const AccessSettings& settings) {
  for (const auto& [name, node] : users.entries()) {
    const auto found = settings.users.find(name);
    if (found == settings.users.end() || fits_a_level(name)) continue;
    if (names_user(settings.everyone) || names_user(found->second.rules)) {
      node.mistake("a name with + # or / cannot stand where a rule has %u", "rename the user");
    }
  }
}

bool is_loopback(const ListenSettings& listener) {
  if (!listener.unix_path.empty()) return true;
  if (!listener.systemd.empty()) return false;  // whatever its unit says
  return listener.bind == "localhost" || (!listener.bind.empty() && is_loopback_address(listener.bind));
}

bool has_certificates(const ListenSettings& listener) {
  return listener.tls && listener.tls->client_certificate != ClientCertificate::None;
}

void check_listener(const config::Node& node, const ListenSettings& listener, const ListenerAccess& access,
                    AccessSettings& settings) {
  if (access.certificate_login && !has_certificates(listener)) {
    node["certificate_login"].mistake("needs tls with client_certificate: optional or required");
  }
  if (is_loopback(listener)) return;
  const std::string place = listener.systemd.empty() ? listener.bind : fmt::format("systemd's {}", listener.systemd);
  const bool certificate = listener.tls && listener.tls->client_certificate == ClientCertificate::Required;
  if (!access.anonymous && settings.users.empty() && !certificate) {
    node[listener.systemd.empty() ? "bind" : "systemd"].mistake(
        fmt::format("{} is not a loopback address, and without users anybody who reaches it could write to the plant",
                    place),
        "use 127.0.0.1, add broker.users, or say anonymous: true");
  }
  if (access.anonymous && !settings.restricted) {
    node["anonymous"].warning(fmt::format("anybody who reaches {} may read and write everything", place));
  }
}

void read_listeners(const config::Node& list, const std::vector<ListenSettings>& listeners, AccessSettings& settings) {
  const auto nodes = list.items();
  for (std::size_t i = 0; i < listeners.size(); ++i) {
    const config::Node node = i < nodes.size() ? nodes[i] : config::Node();
    ListenerAccess access;
    access.anonymous = node["anonymous"].boolean(is_loopback(listeners[i]) && settings.users.empty());
    access.certificate_login = node["certificate_login"].boolean(has_certificates(listeners[i]));
    for (const auto& item : node["users"].items()) {
      access.users.push_back(item.required_text());
      if (settings.users.contains(access.users.back()) || access.users.back().empty()) continue;
      std::vector<std::string_view> known;
      for (const auto& user : settings.users) known.push_back(user.first);
      const auto meant = config::nearest(access.users.back(), known);
      item.mistake(fmt::format("there is no user \"{}\"", access.users.back()),
                   meant.empty() ? "add it to broker.users" : fmt::format("did you mean {}?", meant));
    }
    check_listener(node, listeners[i], access, settings);
    settings.listeners.push_back(std::move(access));
  }
}

/// Rules and users that can never matter.
void check_use(const config::Node& broker, AccessSettings& settings) {
  const auto any = [&](auto member) { return std::ranges::any_of(settings.listeners, member); };
  if (broker["anonymous"].present() && !any(&ListenerAccess::anonymous)) {
    broker["anonymous"].mistake("no listener lets anonymous clients in",
                                "say anonymous: true at a listener, or remove this");
  }
  const bool certificates = any(&ListenerAccess::certificate_login);
  const auto nothing = [](const RuleSettings& rules) { return rules.subscribe.empty() && rules.publish.empty(); };
  for (const auto& [name, node] : broker["users"].entries()) {
    const auto found = settings.users.find(name);
    if (found != settings.users.end() && found->second.credentials.empty() && !certificates &&
        !node["password"].present() && !node["password_hash"].present()) {
      node.mistake("has no password", "add password: !file ..., password_hash: or a line in password_file");
    }
  }
  for (const auto& [name, user] : settings.users) {
    if (nothing(user.rules) && nothing(settings.everyone) && settings.clients.empty()) {
      broker["users"].warning(fmt::format("user \"{}\" may log in but neither subscribe nor publish", name));
    }
  }
}

}  // namespace

AccessSettings read_access(const config::Node& broker, const std::vector<ListenSettings>& listeners) {
  AccessSettings settings;
  for (auto& [name, credentials] : read_password_file(broker["password_file"])) {
    settings.users[name].credentials = std::move(credentials);
  }
  for (const auto& [name, node] : broker["users"].entries()) read_user(name, node, settings);
  for (const auto& [id, node] : broker["clients"].entries()) settings.clients[id] = read_rule_settings(node);
  settings.everyone = read_rule_settings(broker["everyone"]);
  settings.anonymous = read_rule_settings(broker["anonymous"]);
  settings.restricted = !settings.users.empty() || broker["users"].present() || broker["password_file"].present() ||
                        broker["clients"].present() || broker["everyone"].present() || broker["anonymous"].present();
  check_names(broker["users"], settings);
  read_listeners(broker["listen"], listeners, settings);
  check_use(broker, settings);
  const auto limits = broker["limits"];
  settings.bans.attempts = static_cast<std::uint32_t>(limits["failed_logins"].integer(settings.bans.attempts, 1, 1000));
  const auto [shortest, longest] = limits["ban"].duration_range({settings.bans.shortest, settings.bans.longest});
  settings.bans.shortest = std::max(seconds(1), duration_cast<seconds>(shortest));
  settings.bans.longest = std::min<seconds>(hours(24), duration_cast<seconds>(longest));
  settings.max_logins_waiting = static_cast<std::size_t>(
      limits["logins_waiting"].integer(static_cast<std::int64_t>(settings.max_logins_waiting), 1, 10'000));
  return settings;
}

}  // namespace ferrule::mqtt

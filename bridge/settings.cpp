#include "bridge/settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "bridge/credentials.hpp"
#include "bridge/presets.hpp"

namespace ferrule::bridge {

namespace {

using namespace std::chrono_literals;
using config::Choice;
using mqtt::Qos;

constexpr std::size_t kLongestAlpn = 255, kLongestProxyWord = 255;
constexpr std::size_t kLongestName = 64;
constexpr auto kShortestBackOff = 100ms;
constexpr std::chrono::milliseconds kShortestHoldDown = 1s, kLongestHoldDown = 24h * 365;
constexpr std::int64_t kMaxWindow = 10'000, kMaxRate = 1'000'000;
constexpr std::uint64_t kSmallestPacket = 1024;

bool is_plain_name(std::string_view name) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  };
  return !name.empty() && name.size() <= kLongestName && name.front() != '.' && std::ranges::all_of(name, plain);
}

std::string read_url(const config::Node& node) {
  const auto url = node.required_text();
  if (url.empty() || parse_url(url)) return url;
  if (url.find('@') != url.npos) {
    node.mistake("a user name does not belong into the address", "use the keys \"username\" and \"password\"");
  } else {
    node.mistake(fmt::format("\"{}\" is not the address of a broker", url),
                 "mqtt://host, mqtts://host:8883, ws://host/mqtt or wss://host/mqtt");
  }
  return url;
}

/// One address, or a list of them.
void read_urls(const config::Node& node, UplinkSettings& settings) {
  if (!node.is_list()) {
    settings.urls.push_back(read_url(node));
    return;
  }
  for (const auto& item : node.items()) settings.urls.push_back(read_url(item));
  if (settings.urls.empty()) node.mistake("an uplink needs an address", "mqtt://host");
}

/// Relative paths start at the configuration's directory.
std::filesystem::path read_path(const config::Node& node) {
  const auto text = node.text();
  return text.empty() ? std::filesystem::path() : std::filesystem::path(node.where().file).parent_path() / text;
}

bool any_endpoint(const UplinkSettings& settings, bool (*holds)(const Endpoint&)) {
  return std::ranges::any_of(settings.urls, [&](const std::string& url) {
    const auto endpoint = parse_url(url);
    return endpoint && holds(*endpoint);
  });
}

void read_proxy(const config::Node& node, UplinkSettings& settings) {
  if (!node.present()) return;
  const auto url = node.is_scalar() ? node : node["url"];
  const auto text = url.required_text();
  ProxySettings proxy;
  if (const auto server = parse_proxy_url(text)) {
    proxy.server = *server;
  } else if (!text.empty()) {
    url.mistake(fmt::format("\"{}\" is not the address of a proxy", text), "http://host:3128 or socks5://host:1080");
  }
  if (!node.is_scalar()) {
    proxy.username = node["username"].text();
    proxy.password = node["password"].secret();
    if (proxy.username.empty() && !proxy.password.empty()) node["password"].mistake("a password needs a user name");
    if (proxy.username.find(':') != std::string::npos) node["username"].mistake("a \":\" cannot stand in it");
    for (const auto* key : {"username", "password"}) {  // RFC 1929
      const auto& value = key == std::string_view("username") ? proxy.username : proxy.password;
      if (value.size() > kLongestProxyWord) node[key].mistake("longer than 255 bytes");
    }
  }
  if (settings.client == Client::Paho) node.mistake("only \"client: ferrule\" takes a proxy");
  settings.proxy = std::move(proxy);
}

void read_tls(const config::Node& node, UplinkSettings& settings) {
  auto& tls = settings.tls;
  const auto ca = node["ca"];
  if (ca.text("system") != "system") tls.ca = read_path(ca);
  tls.cert = read_path(node["cert"]);
  tls.key = read_path(node["key"]);
  if (tls.cert.empty() != tls.key.empty()) node.mistake("a certificate needs its key, and a key its certificate");
  const auto alpn = node["alpn"];
  if (alpn.present()) tls.alpn.clear();
  for (const auto& item : alpn.items()) {
    tls.alpn.push_back(item.required_text());
    if (tls.alpn.back().size() > kLongestAlpn) item.mistake("longer than 255 bytes");
  }
  const bool any = any_endpoint(settings, [](const Endpoint& endpoint) { return endpoint.tls; });
  if (node.present() && !any) node.mistake("no address of this uplink asks for TLS", "mqtts://host");
  if (any && settings.client == Client::Paho) node.mistake("only \"client: ferrule\" speaks TLS");
  const bool web = any_endpoint(settings, [](const Endpoint& endpoint) { return endpoint.is_websocket(); });
  if (web && settings.client == Client::Paho) node.mistake("only \"client: ferrule\" speaks WebSocket");
}

void read_password(const config::Node& node, UplinkSettings& settings) {
  settings.username = node["username"].text(settings.username);
  settings.password = node["password"].secret();
  settings.password_file = read_path(node["password_file"]);
  const auto sas = node["sas"];
  if (sas.present()) {
    SasSettings made;
    made.key = sas["key"].required_secret();
    const auto device = parse_url(settings.urls.empty() ? std::string() : settings.urls.front()).value_or(Endpoint{});
    made.resource = sas["resource"].text(fmt::format("{}/devices/{}", device.host, settings.client_id));
    made.policy = sas["policy"].text();
    made.lifetime = std::chrono::duration_cast<std::chrono::seconds>(sas["lifetime"].duration(1h, 1min, 365 * 24h));
    if (!made.key.empty() && !shared_access_signature(made.resource, made.key, made.policy, 0)) {
      sas["key"].mistake("not base64, as Azure shows its keys");
    }
    settings.sas = std::move(made);
  }
  const int ways =
      (settings.password.empty() ? 0 : 1) + (settings.password_file.empty() ? 0 : 1) + (settings.sas ? 1 : 0);
  if (ways > 1) node.mistake("takes one of \"password\", \"password_file\" and \"sas\"");
  if (settings.client == Client::Paho && (settings.sas || !settings.password_file.empty())) {
    node.mistake("only \"client: ferrule\" takes \"password_file\" and \"sas\"");
  }
}

/// What the cloud takes.
void read_limits(const config::Node& node, UplinkSettings& settings) {
  settings.max_qos = static_cast<Qos>(node["max_qos"].integer(static_cast<int>(settings.max_qos), 0, 2));
  settings.retain = node["retain"].boolean(settings.retain);
  settings.max_packet = static_cast<std::uint32_t>(
      node["max_packet"].size(settings.max_packet, kSmallestPacket, std::numeric_limits<std::uint32_t>::max()));
  settings.rate = static_cast<int>(node["rate"].integer(settings.rate, 1, kMaxRate));
  settings.byte_rate = static_cast<std::uint32_t>(
      node["byte_rate"].size(settings.byte_rate, kSmallestPacket, std::numeric_limits<std::uint32_t>::max()));
  settings.window =
      static_cast<std::size_t>(node["window"].integer(static_cast<std::int64_t>(settings.window), 1, kMaxWindow));
  const auto status = node["status_topic"];
  settings.status_topic = status.text();
  if (!settings.status_topic.empty() && !mqtt::is_valid_topic_name(settings.status_topic)) {
    status.mistake(fmt::format("\"{}\" is not a topic that one can publish to", settings.status_topic));
  }
  if (!settings.status_topic.empty() && settings.client == Client::Paho) {
    status.mistake("only \"client: ferrule\" leaves a will");
  }
}

void read_times(const config::Node& node, UplinkSettings& settings) {
  const auto seconds = [](config::Milliseconds time) { return std::chrono::duration_cast<std::chrono::seconds>(time); };
  settings.keep_alive = seconds(node["keep_alive"].duration(settings.keep_alive, 5s, 65535s));
  settings.session_expiry = seconds(node["session_expiry"].duration(settings.session_expiry, 1min, 4'294'967'294s));
  settings.ack_timeout = seconds(node["ack_timeout"].duration(settings.ack_timeout, 5s, 24h));
  const auto reconnect = node["reconnect"];
  settings.reconnect = reconnect.duration_range(settings.reconnect);
  if (settings.reconnect.first < kShortestBackOff)
    reconnect.mistake("less than 100ms would hammer the broker", "1s..60s");
  const auto failback = node["failback"];
  settings.failback = failback.is_scalar() && failback.text() == "never"
                          ? 0ms
                          : failback.duration(settings.failback, kShortestHoldDown, kLongestHoldDown);
  if (failback.present() && settings.urls.size() < 2) failback.mistake("an uplink with one address has nowhere to go");
}

/// What Sparkplug asks of a session [tck-id-principles-persistence-clean-session-311], and what it leaves no room for.
void restrict_to_edge_node(const config::Node& node, UplinkSettings& settings) {
  for (const auto* key : {"out", "in", "status_topic", "session_expiry", "max_qos", "failback", "missed_commands"}) {
    if (node[key].present()) node[key].mistake("the session of an edge node has none", "make it another uplink's");
  }
  if (settings.client == Client::Paho) node["sparkplug"].mistake("only \"client: ferrule\" is an edge node");
  settings.session_expiry = 0s;
  settings.failback = 0ms;  // where the host is decides
}

UplinkSettings read_uplink(const std::string& name, const config::Node& node, const std::string& default_client_id) {
  static constexpr std::array kVersions{Choice<int>{"5", 5}, Choice<int>{"3.1.1", 4}};
  static constexpr std::array kClients{Choice<Client>{"ferrule", Client::Ferrule},
                                       Choice<Client>{"paho", Client::Paho}};
  static constexpr std::array kMissed{Choice<bool>{"drop", false}, Choice<bool>{"keep", true}};
  UplinkSettings settings;
  settings.name = name;
  settings.where = node.where();
  if (!is_plain_name(name)) {
    node.mistake(fmt::format("\"{}\" cannot be part of a file name", name),
                 "letters, digits, \"-\", \"_\" and \".\", at most 64");
  }
  read_urls(node["url"], settings);
  settings.client_id = node["client_id"].text(default_client_id);
  apply_preset(node, settings);
  settings.client = node["client"].one_of<Client>(settings.client, kClients);
  read_password(node, settings);
  read_proxy(node["proxy"], settings);
  read_tls(node["tls"], settings);
  settings.mqtt_version = node["mqtt"].one_of<int>(settings.mqtt_version, kVersions);
  if (!mqtt::is_valid_utf8(settings.client_id)) node["client_id"].mistake("not valid UTF-8");
  const bool has_password = !settings.password.empty() || !settings.password_file.empty() || settings.sas;
  if (settings.mqtt_version == 4 && settings.username.empty() && has_password) {
    node["password"].mistake("MQTT 3.1.1 knows no password without a user name");  // [MQTT-3.1.2-22]
  }
  read_limits(node, settings);
  read_times(node, settings);
  read_routes(node["out"], settings.out);
  read_routes(node["in"], settings.in);
  settings.keeps_missed = node["missed_commands"].one_of<bool>(settings.keeps_missed, kMissed);
  const auto out = node["out"];
  settings.sparkplug = read_edge_node(node["sparkplug"], default_client_id);
  if (settings.sparkplug) restrict_to_edge_node(node, settings);
  const bool has_routes =
      out.is_map() || out.is_scalar() || !out.items().empty() || node["in"].present() || settings.sparkplug;
  if (!has_routes) out.mistake("an uplink needs a route", "out: [{from: \"plant1/#\"}]");
  check_preset(node, settings);
  return settings;
}

bool share_a_server(const UplinkSettings& one, const UplinkSettings& other) {
  return std::ranges::any_of(one.urls, [&](const std::string& url) {
    const auto same = [here = parse_url(url)](const std::string& there) { return here && here == parse_url(there); };
    return std::ranges::any_of(other.urls, same);
  });
}

// Two connections with one client id would throw each other out for ever [MQTT-3.1.4-3].
void check_client_ids(const config::Node& node, const std::vector<UplinkSettings>& uplinks) {
  for (std::size_t i = 0; i < uplinks.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (!share_a_server(uplinks[i], uplinks[j]) || uplinks[i].client_id != uplinks[j].client_id) continue;
      node[uplinks[i].name]["client_id"].mistake(
          fmt::format("uplink {} connects to the same broker with the same client id \"{}\"", uplinks[j].name,
                      uplinks[i].client_id),
          "give one of them another \"client_id\"");
    }
  }
}

}  // namespace

std::vector<UplinkSettings> read_uplinks(const config::Node& root, const std::string& default_client_id) {
  const auto queue = read_queue(root["queue"], {});
  const auto node = root["uplinks"];
  std::vector<UplinkSettings> uplinks;
  if (!node.present()) return uplinks;
  for (const auto& [name, uplink] : node.entries()) {
    uplinks.push_back(read_uplink(name, uplink, default_client_id));
    uplinks.back().queue = read_queue(uplink["queue"], queue);
  }
  check_client_ids(node, uplinks);
  return uplinks;
}

}  // namespace ferrule::bridge

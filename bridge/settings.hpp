// The `queue` and `uplinks` sections of the configuration as plain structs.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bridge/edge_node_settings.hpp"
#include "bridge/endpoint.hpp"
#include "bridge/queue_settings.hpp"
#include "bridge/routes.hpp"
#include "config/node.hpp"
#include "mqtt/publication.hpp"

namespace ferrule::bridge {

/// `tls: {ca: ..., cert: ..., key: ..., alpn: [...]}` of an uplink to `mqtts://` or `wss://`. The files are read for
/// each connection.
struct TlsSettings {
  std::filesystem::path ca;         ///< whom to trust, PEM; empty (`ca: system`): the machine's own list
  std::filesystem::path cert, key;  ///< who we are, PEM: the certificate with what leads to its issuer; both or none
  std::vector<std::string> alpn;    ///< protocols to offer, most wanted first (RFC 7301)
};

/// `proxy: http://proxy:3128`, or `{url: socks5://proxy, username: ..., password: ...}`: what leads to the cloud. It
/// looks up the cloud's name.
struct ProxySettings {
  Endpoint server;
  std::string username, password;  ///< at most 255 bytes each; the password is never logged
};

/// `sas: {key: ..., resource: ..., policy: ..., lifetime: 1h}`: passwords for Azure that Ferrule makes itself.
struct SasSettings {
  std::string key;       ///< base64, as Azure shows it; never logged
  std::string resource;  ///< "<hub>.azure-devices.net/devices/<device>"
  std::string policy;    ///< of the key; empty for a device's own
  std::chrono::seconds lifetime{3600};
};

/// What speaks MQTT with the cloud (key `client`).
enum class Client : std::uint8_t { Ferrule, Paho };

struct UplinkSettings {
  std::string name;  ///< letters, digits, `-`, `_` and `.`: part of a file name
  /// As parse_url takes them, at least one: servers that serve the same sessions, or at least the same cloud. The next
  /// one is taken when one does not answer; see `failback`.
  std::vector<std::string> urls;
  std::optional<ProxySettings> proxy;
  TlsSettings tls;
  /// Whether what the cloud kept for `in` while the gateway was off is taken, too.
  bool keeps_missed = false;
  std::string client_id;
  std::string username;
  std::string password;  ///< never logged
  /// Instead: read for each connection, and a new connection is made when it changes, or, if it holds a JSON Web Token,
  /// before it expires.
  std::filesystem::path password_file;
  std::optional<SasSettings> sas;  ///< instead
  Client client = Client::Ferrule;
  int mqtt_version = 5;  ///< 5 or 4 (3.1.1); a server that does not know 5 is asked for 3.1.1
  std::chrono::seconds keep_alive{30};
  std::chrono::seconds session_expiry{7 * 24 * 3600};  ///< 0: a session that begins and ends with the connection
  std::size_t window = 100;                            ///< messages in flight at once
  /// When nothing in flight was acknowledged for so long, the connection is given up.
  std::chrono::seconds ack_timeout{60};
  std::pair<std::chrono::milliseconds, std::chrono::milliseconds> reconnect{1000, 60000};
  /// With several servers: how long another one is kept before the first is looked for, and how often then; 0: it is
  /// kept until it fails.
  std::chrono::milliseconds failback{std::chrono::minutes(5)};
  std::string_view preset;  ///< see bridge/presets.hpp; empty: none
  // What the cloud takes, besides what it announces when we connect.
  mqtt::Qos max_qos = mqtt::Qos::ExactlyOnce;  ///< what has a higher one is sent with this
  bool retain = true;
  std::uint32_t max_packet = 0;  ///< bytes; what is larger is parked. 0: no limit
  int rate = 0;                  ///< messages per second; 0: no limit
  std::uint32_t byte_rate = 0;   ///< bytes per second; 0: no limit
  /// Topic at the cloud of a retained `{"state":"online",...}`, and `{"state":"offline"}` as the will; empty: none.
  std::string status_topic;
  std::vector<OutRoute> out;
  std::vector<InRoute> in;
  std::optional<EdgeNodeSettings> sparkplug;  ///< this is its session, with nothing else in it
  QueueSettings queue;                        ///< key `queue`; what it does not name is as in the section `queue`
  config::Location where;
};

/// Reads `uplinks` and `queue`. `default_client_id` (the gateway's id) is used where an uplink names none.
std::vector<UplinkSettings> read_uplinks(const config::Node& root, const std::string& default_client_id);

}  // namespace ferrule::bridge

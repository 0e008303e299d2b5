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

#include "bridge/endpoint.hpp"
#include "config/node.hpp"
#include "mqtt/publication.hpp"
#include "mqtt/topic.hpp"

namespace ferrule::bridge {

/// What to do with a new message when the queue is full. Each drop is counted.
enum class WhenFull : std::uint8_t {
  DropOldest,  ///< the oldest that is not under way to the cloud makes room
  DropNewest,  ///< the new one is dropped, and its publisher is not told
  Reject,      ///< the new one is dropped, and a publisher who waits is told (0x97 Quota exceeded)
};

struct QueueSettings {
  std::uint64_t max_size = 512'000'000;  ///< bytes of queued messages with what they take on disk, per uplink
  WhenFull when_full = WhenFull::DropOldest;
  /// Messages nobody waits for reach the disk at least this often (key `sync`); 0 (`sync: always`): each at once.
  std::chrono::milliseconds commit_interval{1000};
};

/// `{from: "plant1/#", to: "sites/{topic}", qos: 1}`: local topics that match `from` go to the cloud under `to`, where
/// `{topic}` stands for the local topic. The first route that matches is taken.
struct OutRoute {
  mqtt::TopicFilter from;
  std::string to = "{topic}";
  /// Replaces the publication's own QoS. What ends up at QoS 0 is sent while the uplink is online and never queued.
  std::optional<mqtt::Qos> qos;
};

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

/// What speaks MQTT with the cloud (key `client`).
enum class Client : std::uint8_t { Ferrule, Paho };

struct UplinkSettings {
  std::string name;  ///< letters, digits, `-`, `_` and `.`: part of a file name
  /// As parse_url takes them, at least one: servers that serve the same sessions, or at least the same cloud. The next
  /// one is taken when one does not answer.
  std::vector<std::string> urls;
  std::optional<ProxySettings> proxy;
  TlsSettings tls;
  std::string client_id;
  std::string username;
  std::string password;  ///< never logged
  Client client = Client::Ferrule;
  int mqtt_version = 5;  ///< 5 or 4 (3.1.1); a server that does not know 5 is asked for 3.1.1
  std::chrono::seconds keep_alive{30};
  std::chrono::seconds session_expiry{7 * 24 * 3600};
  std::size_t window = 100;  ///< messages in flight at once
  std::pair<std::chrono::milliseconds, std::chrono::milliseconds> reconnect{1000, 60000};
  std::vector<OutRoute> out;
  QueueSettings queue;
  config::Location where;
};

/// `to` with `topic` for `{topic}`.
std::string rewrite(std::string_view to, std::string_view topic);

/// Reads `uplinks` and `queue`. `default_client_id` (the gateway's id) is used where an uplink names none.
std::vector<UplinkSettings> read_uplinks(const config::Node& root, const std::string& default_client_id);

}  // namespace ferrule::bridge

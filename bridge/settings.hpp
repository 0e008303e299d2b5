// The `queue` and `uplinks` sections of the configuration as plain structs.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/node.hpp"
#include "mqtt/publication.hpp"
#include "mqtt/topic.hpp"

namespace ferrule::bridge {

/// What to do with a new message when the queue is full. Each drop is counted.
enum class WhenFull : std::uint8_t { DropOldest, DropNewest, Reject };

struct QueueSettings {
  std::uint64_t max_size = 512'000'000;  ///< bytes of database, per uplink
  WhenFull when_full = WhenFull::DropOldest;
  std::chrono::milliseconds commit_interval{1000};  ///< readings reach the disk at least this often (key `sync`)
};

/// `{from: "plant1/#", to: "sites/{topic}", qos: 1}`: local topics that match `from` go to the cloud under `to`.
struct OutRoute {
  mqtt::TopicFilter from;
  std::string to = "{topic}";
  mqtt::Qos max_qos = mqtt::Qos::ExactlyOnce;  ///< the lower of this and the publication's own is used... see read_uplinks
};

struct UplinkSettings {
  std::string name;
  std::string url;  ///< mqtt://host:port (TLS follows with the full bridge)
  std::string client_id;
  std::string username;
  std::string password;  ///< never logged
  int mqtt_version = 5;  ///< 5 or 4 (3.1.1)
  std::chrono::seconds keep_alive{30};
  std::chrono::seconds session_expiry{7 * 24 * 3600};
  std::size_t window = 100;  ///< messages in flight at once
  std::pair<std::chrono::milliseconds, std::chrono::milliseconds> reconnect{1000, 60000};
  std::vector<OutRoute> out;
  QueueSettings queue;
  config::Location where;
};

/// Reads `uplinks` and `queue`. `default_client_id` (the gateway's id) is used where an uplink names none.
std::vector<UplinkSettings> read_uplinks(const config::Node& root, const std::string& default_client_id);

}  // namespace ferrule::bridge

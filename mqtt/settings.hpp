// The `broker` section of the configuration as plain structs.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "config/node.hpp"

namespace ferrule::mqtt {

struct ListenSettings {
  std::string bind = "127.0.0.1";
  std::uint16_t port = 1883;  ///< 0: any free port
  config::Location where;
};

struct BrokerSettings {
  std::vector<ListenSettings> listen;
  std::size_t max_connections = 10000;
  std::size_t max_packet_size = 1 << 20;        ///< bytes, both ways
  std::size_t max_packet_before_connect = 4096; ///< bytes
  std::chrono::milliseconds connect_timeout{10000};
  std::uint16_t receive_maximum = 1024;         ///< QoS 1/2 publishes a client may have unacknowledged towards us
  std::uint16_t max_inflight = 1024;            ///< and we towards a client; its own Receive Maximum may be lower
  std::size_t max_queued = 10000;               ///< publications per session
  std::size_t max_queued_bytes = 64 << 20;      ///< per session
  std::size_t max_output_bytes = 4 << 20;       ///< unsent bytes per connection; above, QoS 0 is dropped and counted
  std::size_t max_retained = 100000;
  std::size_t max_subscriptions = 1000;         ///< per session
  std::chrono::seconds max_session_expiry{7 * 24 * 3600};
};

/// Reads the `broker` section; without one, the broker listens on 127.0.0.1:1883. A bind address beyond loopback is a mistake
/// until access rules exist.
BrokerSettings read_broker(const config::Node& section);

}  // namespace ferrule::mqtt

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

/// What gives way when a session's queue is full. Each drop is counted.
enum class WhenFull : std::uint8_t { DropNewest, DropOldest };

struct BrokerSettings {
  std::vector<ListenSettings> listen;
  std::size_t max_connections = 10000;
  std::size_t max_packet_size = 1 << 20;         ///< bytes of a packet from a client; it names its own towards it
  std::size_t max_packet_before_connect = 4096;  ///< bytes
  std::chrono::milliseconds connect_timeout{10000};
  std::uint16_t receive_maximum = 1024;     ///< QoS 1/2 publishes a client may have unacknowledged towards us
  std::uint16_t max_inflight = 1024;        ///< and we towards a client; its own Receive Maximum may be lower
  std::size_t max_queued = 10000;           ///< publications per session
  std::size_t max_queued_bytes = 64 << 20;  ///< per session
  WhenFull when_full = WhenFull::DropNewest;
  std::size_t max_output_bytes = 4 << 20;  ///< unsent bytes per connection; above, QoS 0 is dropped and counted
  std::size_t max_retained = 100000;
  std::size_t max_subscriptions = 1000;  ///< per session
  std::chrono::seconds max_session_expiry{7 * 24 * 3600};
  std::chrono::seconds max_keep_alive{0};  ///< told MQTT 5 clients that ask for a longer one or none; 0: any will do
  std::uint16_t topic_alias_maximum = 32;  ///< a client may use towards us
};

/// Reads the `broker` section; without one, the broker listens on 127.0.0.1:1883. A bind address beyond loopback is a
/// mistake until access rules exist.
///   broker:
///     listen: [{port: 1883, bind: 127.0.0.1}]
///     limits: {connections: 10000, packet_size: 1MiB, connect_timeout: 10s, receive_maximum: 1024, inflight: 1024,
///              queued: 10000, queued_size: 64MiB, output_size: 4MiB, retained: 100000, subscriptions: 1000,
///              session_expiry: 7d, keep_alive: 1h, topic_aliases: 32}
///     when_full: drop-newest
BrokerSettings read_broker(const config::Node& section);

}  // namespace ferrule::mqtt

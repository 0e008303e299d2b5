// What a listener shares with the connections that came to it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mqtt/log_limit.hpp"
#include "mqtt/settings.hpp"
#include "mqtt/tls.hpp"

namespace ferrule::mqtt {

struct ListenerCounters {
  std::uint64_t accepted = 0;
  std::uint64_t failed_accepts = 0;  ///< for want of descriptors or memory; each is tried again after 100 ms
  std::uint64_t refused_full = 0;    ///< beyond the listener's max_connections
  std::uint64_t refused_proxy = 0;   ///< not from a listed proxy, or without a proper PROXY header
  std::uint64_t failed_tls = 0;      ///< handshakes
  std::uint64_t resumed_tls = 0;     ///< handshakes without certificates, by a session ticket
  std::uint64_t refused_upgrades = 0, failed_websockets = 0;  ///< WebSocket: before and after the upgrade
};

/// Lives as long as the listener or one of its connections.
struct ListenPoint {
  ListenPoint(const ListenSettings& listen_settings, std::size_t listener_index);

  /// A peer's mistake below MQTT, in the log unless there were many just now. Counted by the caller.
  void complain(std::string_view peer, std::string_view mistake);

  // Constant after construction, but for the name that the listener gives.
  const ListenSettings settings;
  const std::size_t index;
  const std::unique_ptr<TlsContext> tls;  // null: none
  std::string name;                       // "127.0.0.1:1883"
  // Thread: broker.
  std::size_t open = 0;  // connections now
  ListenerCounters counters;
  LogLimit log_limit;
  std::vector<char> unmasked;  // what a WebSocket client sent, during a call; as large as the largest read
};

}  // namespace ferrule::mqtt

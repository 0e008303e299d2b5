// Listens at one of the configured places and hands accepted connections to the broker as Transports.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "mqtt/listen_point.hpp"
#include "mqtt/loop.hpp"
#include "mqtt/settings.hpp"
#include "mqtt/transport.hpp"

namespace ferrule::mqtt {

/// Broker thread. Accepted descriptors are moved to >= FD_SETSIZE, because libmodbus selects on those below it.
class Listener {
 public:
  using Accept = std::function<void(std::unique_ptr<Transport>)>;

  /// Binds and listens at once; throws config::Error with the place of the setting (port in use, no such address ...).
  /// `index` is that of its settings, for PeerIdentity.
  Listener(Loop& loop, const ListenSettings& settings, std::size_t index, Accept accept);
  ~Listener();  ///< stops listening; accepted connections live on
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  std::uint16_t port() const;       ///< the real one when 0 was asked for; 0 for a Unix socket
  const std::string& name() const;  ///< "127.0.0.1:1883", "/run/ferrule/mqtt.sock"
  std::size_t connections() const;  ///< now
  const ListenerCounters& counters() const;
  /// All of it for `$SYS/ferrule/`: "listeners/hmi/accepted" and so on, by its label, in which `/`, `+` and `#` are
  /// `_`.
  void tell(const std::function<void(std::string_view name, std::uint64_t value)>& show) const;
  /// Looks whether the certificates' files have changed, as it does by itself every other second.
  void reload_certificates();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ferrule::mqtt

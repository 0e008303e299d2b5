// The way to a connection: one server of the cloud after the other, one address of it after the other, in the MQTT
// version that it understands.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bridge/link.hpp"
#include "bridge/settings.hpp"

namespace ferrule::bridge {

/// How an attempt at one address ended.
struct Attempt {
  bool connected = false;
  bool session_present = false;
  bool answered = false;                           ///< by a CONNACK
  bool wrong_version = false;                      ///< or what may be one: closed without a CONNACK
  std::string server_reference;                    ///< where it sends us instead (MQTT 5 section 4.11)
  std::string cause;                               ///< when not connected
  std::optional<std::chrono::seconds> keep_alive;  ///< what the cloud wants instead of ours
  LinkLimits limits;
};

/// Thread: the link's.
class Dialer {
 public:
  /// As `resolve` of bridge/address.hpp; may block. Of the proxy, if there is one.
  using Resolve = std::function<std::vector<std::string>(const Endpoint& endpoint, std::string& error)>;
  /// Makes one attempt at a numeric address with port of `endpoint`, in one version (5 or 4); must end by itself.
  using Try = std::function<Attempt(const Endpoint& endpoint, const std::string& address, int mqtt_version)>;

  /// `under_way`: exchanges of an earlier connection belong to a session of one version. Only with that one do they go
  /// on, and none comes twice.
  Dialer(const UplinkSettings& settings, const std::vector<LinkState::InFlight>& under_way);

  /// Until one attempt succeeds, `stopping` holds or there is no server left; a server that refuses us is not asked at
  /// its other addresses, and one that names another is asked no more: the other is, once. Begins with the server of
  /// the last connection, so that one that comes and goes does not take us to and fro, or with the first after
  /// `begin_with_first`. `stopping` is asked before each
  /// attempt, with what `resolve` may have cost behind us.
  Attempt dial(const Resolve& resolve, const Try& attempt, const std::function<bool()>& stopping);
  /// A connection ended with "use another server": the next dial begins with the one that it named, once.
  void named(const std::string& server_reference);
  void begin_with_first() { first_ = 0; }
  /// The next dial begins with the server behind that of the last connection.
  void pass_over() { first_ = (first_ + 1) % endpoints_.size(); }
  int mqtt_version() const { return mqtt_version_; }  ///< of the last attempt

 private:
  Attempt dial_or_follow(const Endpoint& endpoint, const Resolve& resolve, const Try& attempt,
                         const std::function<bool()>& stopping);
  Attempt dial(const Endpoint& endpoint, const Resolve& resolve, const Try& attempt,
               const std::function<bool()>& stopping);
  bool changes_version(const Attempt& attempt);

  // Constant after construction
  const int asked_version_;
  const std::vector<Endpoint> endpoints_;
  const std::optional<ProxySettings> proxy_;

  std::size_t first_ = 0;  ///< the server to begin with, of endpoints_
  Endpoint connected_to_;  ///< last
  std::optional<Endpoint> named_;
  int mqtt_version_;
  bool version_agreed_;
  int unanswered_ = 0;  ///< attempts whose CONNECT the server answered by closing
};

}  // namespace ferrule::bridge

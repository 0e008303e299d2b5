// One connection to the cloud through a Paho client of its own.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "bridge/dialer.hpp"
#include "bridge/link_owner.hpp"
#include "bridge/settings.hpp"

namespace ferrule::bridge {

/// Thread: the link's; any call may block, as paho_link.hpp says. What it tells comes from Paho's threads.
class PahoConnection {
 public:
  struct Told {
    std::function<void(Attempt)> answered;        ///< how `connect` ended
    std::function<void(std::string cause)> lost;  ///< what follows from a connection's end, or a record's failure
    std::function<void()> stored;                 ///< `storing` ended
    std::function<void()> sent_unqueued;          ///< a QoS 0 message is in the socket, or lost
    std::function<void()> said_goodbye;           ///< `disconnect` ended
  };

  /// `address`: numeric, with the port. `inbound`: what Paho keeps of received messages, beyond this connection. All
  /// must outlive it. `anew`: the cloud forgets the session. Finds the exchanges under way in `owner`. Throws
  /// std::exception.
  PahoConnection(const UplinkSettings& settings, const std::string& address, int mqtt_version, bool anew,
                 LinkOwner& owner, std::map<std::string, std::string>& inbound, Told told);
  ~PahoConnection();  ///< nothing is told afterwards
  PahoConnection(const PahoConnection&) = delete;
  PahoConnection& operator=(const PahoConnection&) = delete;

  void connect();  ///< throws std::exception
  /// Not while `storing`, if it is of QoS 2. Returns false when it was not taken and not even lost with a connection.
  bool publish(Seq seq, const mqtt::Publication& publication, const std::string& topic, mqtt::Qos qos,
               bool retain_available);
  bool storing() const;  ///< a QoS 2 message waits to be on disk
  void subscribe(const std::string& filter, mqtt::Qos qos);
  bool disconnect();  ///< false when it was not connected

 private:
  class Client;
  std::unique_ptr<Client> client_;
};

}  // namespace ferrule::bridge

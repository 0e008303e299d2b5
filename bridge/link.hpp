// The wire to one cloud broker, behind one interface: Paho MQTT C++ today, a client state machine of our own to measure against it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "mqtt/publication.hpp"
#include "mqtt/reason.hpp"

namespace ferrule::bridge {

/// Position of a message in its outbox: 1, 2, 3 ... in the order of publishing, never used twice.
using Seq = std::uint64_t;

/// What a link tells its uplink. Called on the link's own threads: implementations only post.
class LinkEvents {
 public:
  virtual ~LinkEvents() = default;
  /// The cloud accepted us. `session_present`: it still knows our session, so messages in flight continue.
  virtual void on_connected(bool session_present) = 0;
  /// Refused, failed, cut or closed; `cause` says what a person can act upon, with the reason code where there is one.
  virtual void on_disconnected(std::string cause) = 0;
  /// The cloud acknowledged the message (PUBACK, PUBCOMP), or refused it with an error code.
  virtual void on_settled(Seq seq, mqtt::Reason reason) = 0;
  virtual void on_message(mqtt::PublicationPtr publication) = 0;
};

/// State a link must not lose: kept inside the outbox row of the message it belongs to. Called on the link's threads; each
/// call returns when the change is on disk, and throws std::runtime_error when it could not be written.
class LinkState {
 public:
  struct InFlight {
    Seq seq = 0;
    std::string key;     ///< the client library's name for the record
    std::string packet;  ///< its record, opaque to us
  };
  virtual ~LinkState() = default;
  virtual void put(Seq seq, const std::string& key, const std::string& packet) = 0;
  virtual std::vector<InFlight> restore() = 0;  ///< in the order of Seq
};

class Link {
 public:
  virtual ~Link() = default;
  /// Broker thread. Begins one attempt; on_connected or on_disconnected follows. Never retries by itself.
  virtual void connect() = 0;
  /// Broker thread, while connected and with fewer than `window` unsettled.
  virtual void send(Seq seq, const mqtt::Publication& publication, const std::string& topic, mqtt::Qos qos) = 0;
  virtual void subscribe(const std::string& filter, mqtt::Qos qos) = 0;
  /// Broker thread. Ends the connection within `grace`; on_disconnected follows unless it had ended before.
  virtual void disconnect(std::chrono::milliseconds grace) = 0;
};

}  // namespace ferrule::bridge

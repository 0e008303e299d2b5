// The wire to one cloud broker, behind one interface: a client of our own, or Paho MQTT C++.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "mqtt/publication.hpp"
#include "mqtt/reason.hpp"
#include "mqtt/written.hpp"

namespace ferrule::bridge {

/// Position of a message in its outbox: rising in the order of publishing, with gaps after a restart, never used twice.
using Seq = std::uint64_t;

/// What the cloud announced in its CONNACK (MQTT 5 section 3.2.2.3); the values that hold when it announced nothing.
struct LinkLimits {
  std::uint16_t receive_maximum = 65535;
  mqtt::Qos maximum_qos = mqtt::Qos::ExactlyOnce;
  bool retain_available = true;
  std::uint16_t topic_alias_maximum = 0;
  std::uint32_t maximum_packet_size = 0;  ///< bytes; 0: no limit
  int mqtt_version = 5;                   ///< what was agreed upon: 5 or 4 (3.1.1)
  std::string server;                     ///< which of the uplink's servers it is: "host:port"
  bool is_first = true;                   ///< of them, or where the first one sent us
  bool takes_ahead = false;               ///< not announced: see Link::send
  std::uint8_t bd_seq = 0;                ///< not announced: what our will says as a Sparkplug edge node
};

/// One that came and waits for Link::acknowledge; 0: it waits for nothing.
using Arrival = std::uint64_t;

/// What a link tells its uplink. Called on the link's own threads: implementations only post. Nothing follows after
/// `Link::disconnect` has returned.
class LinkEvents {
 public:
  virtual ~LinkEvents() = default;
  /// Comes just before each on_connected.
  virtual void on_limits(const LinkLimits& /*limits*/) {}
  /// The cloud accepted us. `session_present`: it still knows our session, so exchanges in LinkState continue by
  /// themselves; otherwise LinkState is empty by now.
  virtual void on_connected(bool session_present) = 0;
  /// Refused, failed, cut or closed; `cause` says what a person can act upon, with the reason code where there is one.
  /// From here on the link holds no message but those in LinkState: what else was sent and not settled has to be sent
  /// again.
  virtual void on_disconnected(std::string cause) = 0;
  /// The cloud ends the connection because it got too much at once (0x93), or too fast (0x96, 0x97); on_disconnected
  /// follows.
  virtual void on_too_much(mqtt::Reason /*reason*/) {}
  /// The cloud acknowledged the message (PUBACK, PUBCOMP), or refused it with an error code: its exchange has ended,
  /// and its packet identifier may be used again. Of QoS 0 it has at least read it, by a PINGRESP behind it; never with
  /// `seq` 0, and never from Paho.
  virtual void on_settled(Seq seq, mqtt::Reason reason) = 0;
  /// With what the cloud said of it; its origin is ours to set.
  virtual void on_message(mqtt::Publication publication, Arrival arrival) = 0;
  /// What the connection was made with has changed, or will soon be worth nothing: `connect` again when it suits.
  virtual void on_renewal_due() {}
  /// The uplink's first server is there: `connect` begins with it.
  virtual void on_first_found() {}
};

/// The QoS 2 exchanges of a link, which it must not lose: kept on disk beside the outbox rows they belong to, until
/// LinkEvents::on_settled. Called on the link's threads.
class LinkState {
 public:
  static constexpr Seq kNoRow = 0;  ///< of the records of what came from the cloud
  struct InFlight {
    Seq seq = 0;
    std::string key;     ///< see exchange_record.hpp
    std::string packet;  ///< as it was sent
  };
  using Written = mqtt::Written;
  virtual ~LinkState() = default;
  /// Returns at once. `written` is called, perhaps before that and on any thread, when the records, and the rows they
  /// belong to, are on disk, and what was settled or released before no more, all in one commit.
  virtual void write(std::vector<InFlight> records, Written written) = 0;
  /// The same, but returns when they are there; throws std::runtime_error when they could not be written.
  void put(std::vector<InFlight> records);
  /// The cloud released what came: its record of kNoRow goes with the next `write`. Returns at once.
  virtual void released(const std::string& /*key*/) {}
  /// The cloud lost the session: no exchange goes on. Returns when that is on disk; throws like `put`. Not while a
  /// `write` is under way.
  virtual void clear() {}
  virtual std::vector<InFlight> restore() = 0;  ///< in the order of Seq
};

/// Thread: all members are called on the broker thread, and none of them blocks but `disconnect`.
class Link {
 public:
  virtual ~Link() = default;
  /// Begins one attempt; on_connected or on_disconnected follows. Never retries by itself. While connected: ends that
  /// connection first, of which nothing more is heard.
  virtual void connect() = 0;
  /// The same, and the cloud forgets our session with all that it kept there for us: with the Clean Start of MQTT 5 or,
  /// in 3.1.1, a connection of Clean Session before. As long as exchanges of ours are under way in that session it is
  /// kept.
  virtual void connect_anew() { connect(); }
  /// The same as `connect`, beginning with the server behind that of the last connection.
  virtual void connect_elsewhere() { connect(); }
  /// While connected and with fewer than `window` unsettled; of QoS 2 as many again, if it `takes_ahead`: those are
  /// written down while the others are on the wire, so that they can leave as soon as there is room. `topic` is the one
  /// at the cloud. QoS 0 with `seq` 0 is dropped and counted when too much of it waits for the socket.
  virtual void send(Seq seq, mqtt::PublicationPtr publication, const std::string& topic, mqtt::Qos qos) = 0;
  /// Without what is retained at the cloud, where it speaks MQTT 5.
  virtual void subscribe(const std::string& filter, mqtt::Qos qos) = 0;
  /// It is where it has to be, or was refused: the cloud is told, if the connection is still the one that it came by.
  virtual void acknowledge(Arrival /*arrival*/, mqtt::Reason /*reason*/) {}
  /// Looks whether the uplink's first server can be reached, beside a connection to another one; on_first_found
  /// follows, or nothing.
  virtual void look_for_first() {}
  /// Ends the connection, or the attempt, within `grace`; on_disconnected is called before it returns unless it had
  /// been before. The link is not used again but to be destroyed.
  virtual void disconnect(std::chrono::milliseconds grace) = 0;
  virtual std::uint64_t dropped() const { return 0; }  ///< QoS 0
  /// By when its thread expected to be back from what it does or waits for: long ago when it is stuck.
  virtual std::chrono::steady_clock::time_point due() const { return std::chrono::steady_clock::time_point::max(); }
};

}  // namespace ferrule::bridge

// Our side of the session with a cloud: which message is which packet, and what the cloud's packets mean for it.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

#include "bridge/dialer.hpp"
#include "bridge/link.hpp"
#include "bridge/settings.hpp"
#include "mqtt/output_buffer.hpp"
#include "mqtt/packet_id_set.hpp"
#include "mqtt/packets.hpp"

namespace ferrule::bridge {

/// Does no I/O, but for LinkState. Lives as long as the link; each connection begins anew with what LinkState holds.
///
/// A QoS 2 exchange is kept in LinkState: PUBLISH before it leaves, PUBREL before it leaves, both until PUBCOMP. One
/// commit is under way at a time, and what gathers meanwhile is put into the next. No PUBLISH waits for one as long as
/// there are others: they are written down before there is room for them on the wire. After a kill the exchanges go
/// on where they were [MQTT-4.4.0-1]. A QoS 1 message whose fate is unknown is simply sent again,
/// by who sent it first. Of QoS 0 messages with a Seq the cloud is known to have read those before the PINGREQ that a
/// PINGRESP answers; one PINGREQ is under way as long as there are others.
///
/// Of a QoS 2 message that comes, the packet identifier is on disk before it is passed on, and off the disk before
/// PUBCOMP leaves: whatever is killed when, a command is never passed on twice. PUBACK and PUBREC leave when
/// `acknowledge` says so, and not after this connection.
///
/// Thread: the link's. `state` and `events` must outlive it.
class CloudSession {
 public:
  using Time = std::chrono::steady_clock::time_point;

  CloudSession(const UplinkSettings& settings, LinkState& state, LinkEvents& events);

  /// As handshake.hpp says.
  std::string connect_packet(int mqtt_version, std::string_view password, bool anew = false);
  /// The cloud accepted us: resumes what was under way. Without a session in `answer`, LinkState is clear by now.
  /// Throws std::runtime_error when what an edge node has to remember cannot be written.
  void open(const Attempt& answer);
  void send(Seq seq, const mqtt::Publication& publication, const std::string& topic, mqtt::Qos qos, Time now);
  void subscribe(const std::string& filter, mqtt::Qos qos);
  void acknowledge(Arrival arrival, mqtt::Reason reason);
  void ping();
  /// `for_good`: those who watch our status are told.
  void disconnect(bool for_good);
  /// A packet from the cloud; unexpected: why the connection has to end.
  tl::expected<void, std::string> take(const mqtt::Frame& frame, Time now);
  /// Begins to put on disk what has gathered, and passes on what came, behind that. False when nothing had to be put
  /// there, or a commit is under way. `ended` is called when it has ended, on any thread.
  bool begin_commit(std::function<void()> ended);
  /// What waited for the commit is in `output` now. False while it is under way, or when there was none. Throws
  /// std::runtime_error when it failed.
  bool end_commit();
  void wait_for_commit() const;                     ///< until `end_commit` has something to say
  mqtt::OutputBuffer& output() { return output_; }  ///< to be sent
  void close();                                     ///< the connection ended; waits for the commit under way
  std::uint8_t bd_seq() const { return bd_seq_; }   ///< of the last CONNECT's will, as a Sparkplug edge node
  /// Where the cloud's DISCONNECT sent us (MQTT 5 section 4.11); empty when it did not, and from then on.
  std::string take_server_reference() { return std::exchange(server_reference_, {}); }

 private:
  struct Exchange {
    Seq seq = 0;
    mqtt::Qos qos = mqtt::Qos::AtLeastOnce;
    bool released = false;  ///< PUBREC came: the cloud has it
    bool on_wire = false;   ///< its PUBLISH was sent on this connection
  };
  struct Unanswered {
    std::uint16_t packet_id = 0;
    mqtt::Qos qos = mqtt::Qos::AtLeastOnce;
  };
  struct Outgoing {
    std::uint16_t packet_id = 0;
    std::string packet;  ///< the PUBLISH; empty: PUBREL
  };
  struct Commit;
  using Exchanges = std::unordered_map<std::uint16_t, Exchange>;
  using Arrivals = std::vector<std::pair<mqtt::Publication, Arrival>>;

  mqtt::Version version() const { return mqtt_version_ == 5 ? mqtt::Version::V5 : mqtt::Version::V311; }
  std::uint16_t take_packet_id();
  std::string_view aliased(const std::string& topic, std::string& properties);
  void take_up();
  void send_ready();
  void pass_on(Arrivals arrived);
  void confirm();
  void send_ack(mqtt::PacketType type, std::uint16_t packet_id, mqtt::Reason reason = mqtt::Reason::Success);
  void hold_ack(mqtt::PacketType type, std::uint16_t packet_id, mqtt::Reason reason = mqtt::Reason::Success);
  tl::expected<void, std::string> take_publish(const mqtt::Publish& packet, Time now);
  Arrival expect_answer(const mqtt::Publish& packet);
  void take_release(std::uint16_t packet_id);
  void forget_received(std::uint16_t packet_id);
  tl::expected<void, std::string> take_ack(const mqtt::Ack& packet);
  void take_suback(const mqtt::Suback& packet);
  void release(std::uint16_t packet_id, Exchange& exchange);
  void end(Exchanges::iterator exchange, mqtt::Reason reason);

  // Constant after construction
  const UplinkSettings settings_;
  LinkState& state_;
  LinkEvents& events_;

  int mqtt_version_ = 5;
  LinkLimits limits_;
  mqtt::BlockPool pool_;
  mqtt::OutputBuffer output_{pool_};
  mqtt::OutputBuffer scratch_{pool_};
  Exchanges exchanges_;
  std::size_t on_wire_ = 0;                   ///< of them: at most the window, and Receive Maximum [MQTT-3.3.4-9]
  std::deque<Outgoing> outgoing_;             ///< of QoS 2, to be sent when on disk and when there is room
  std::size_t ready_ = 0;                     ///< of them: the first, which are on disk
  std::shared_ptr<Commit> commit_;            ///< under way
  std::string held_;                          ///< packets that wait for the next commit
  std::vector<LinkState::InFlight> records_;  ///< for the next commit
  bool released_ = false;                     ///< something of the cloud's, and that is not on disk yet
  Arrivals arrived_;                          ///< to be passed on with the next commit
  std::map<Arrival, Unanswered> unanswered_;
  Arrival last_arrival_ = 0;
  std::map<std::uint16_t, std::string> subscribing_;        ///< filters, by packet identifier
  std::unordered_map<std::string, std::uint16_t> aliases_;  ///< of topics, known to the cloud for this connection
  std::string forwarded_;                                   ///< scratch
  mqtt::PacketIdSet received_;                              ///< QoS 2 of the cloud's, not released yet
  std::uint16_t last_packet_id_ = 0;
  std::string server_reference_;
  std::deque<Seq> unconfirmed_;            ///< of QoS 0
  std::deque<std::size_t> pings_;          ///< under way: how many of the unconfirmed are between it and the one before
  std::uint8_t bd_seq_ = 0, bd_seqs_ = 0;  ///< of our will, and of the next
};

}  // namespace ferrule::bridge

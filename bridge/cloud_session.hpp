// Our side of the session with a cloud: which message is which packet, and what the cloud's packets mean for it.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
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

/// Does no I/O, but for LinkState, which may block for a commit. Lives as long as the link; each connection begins anew
/// with what LinkState holds.
///
/// A QoS 2 exchange is kept in LinkState: PUBLISH before it leaves, PUBREL before it leaves, both until PUBCOMP. What
/// gathered while the last commit ran is put into one: the cost is two commits for a window, not for a message. After a
/// kill the exchanges go on where they were [MQTT-4.4.0-1]. A QoS 1 message whose fate is unknown is simply sent again,
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

  /// The CONNECT, as bytes. `mqtt_version`: 5 or 4. `password`: empty for none. `anew`: the cloud forgets what it knows
  /// of our session [MQTT-3.1.2-4].
  std::string connect_packet(int mqtt_version, std::string_view password, bool anew = false);
  /// What the first packet of a connection says.
  static Attempt read_answer(const mqtt::Frame& frame, int mqtt_version);

  /// The cloud accepted us: resumes what was under way. Without a session in `answer`, LinkState is clear by now.
  void open(const Attempt& answer);
  void send(Seq seq, const mqtt::Publication& publication, const std::string& topic, mqtt::Qos qos, Time now);
  void subscribe(const std::string& filter, mqtt::Qos qos);
  void acknowledge(Arrival arrival, mqtt::Reason reason);
  void ping();
  /// `for_good`: those who watch our status are told.
  void disconnect(bool for_good);
  /// A packet from the cloud; unexpected: why the connection has to end.
  tl::expected<void, std::string> take(const mqtt::Frame& frame, Time now);
  /// Puts on disk what has to be there before `output` may leave, and passes on what came. False when nothing had to be
  /// put there. Throws std::runtime_error.
  bool commit();
  /// Whether `commit` would serve less than half of the QoS 2 exchanges under way: what the cloud answers to the others
  /// right now could share it.
  bool has_few_to_commit() const { return !records_.empty() && 2 * records_.size() < exactly_once_; }
  mqtt::OutputBuffer& output() { return output_; }  ///< to be sent, after `commit`
  void close();                                     ///< the connection ended
  std::uint8_t bd_seq() const { return bd_seq_; }   ///< of the last CONNECT's will, as a Sparkplug edge node
  /// Where the cloud's DISCONNECT sent us (MQTT 5 section 4.11); empty when it did not, and from then on.
  std::string take_server_reference() { return std::exchange(server_reference_, {}); }

 private:
  struct Exchange {
    Seq seq = 0;
    mqtt::Qos qos = mqtt::Qos::AtLeastOnce;
    bool released = false;  ///< PUBREC came: the cloud has it
  };
  struct Unanswered {
    std::uint16_t packet_id = 0;
    mqtt::Qos qos = mqtt::Qos::AtLeastOnce;
  };
  struct Resumed {
    std::uint16_t packet_id = 0;
    std::string packet;  ///< the PUBLISH; empty: PUBREL
  };
  using Exchanges = std::unordered_map<std::uint16_t, Exchange>;

  mqtt::Version version() const { return mqtt_version_ == 5 ? mqtt::Version::V5 : mqtt::Version::V311; }
  std::uint16_t take_packet_id();
  std::string_view aliased(const std::string& topic, std::string& properties);
  void take_up();
  void resume();
  void confirm();
  void send_ack(mqtt::PacketType type, std::uint16_t packet_id, mqtt::Reason reason = mqtt::Reason::Success);
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
  std::size_t exactly_once_ = 0;  ///< of them
  std::deque<Resumed> to_resume_;
  std::size_t resumed_ = 0;                   ///< PUBLISHes sent again and not ended: within Receive Maximum
  std::vector<LinkState::InFlight> records_;  ///< not put yet
  bool released_ = false;                     ///< something of the cloud's, and that is not on disk yet
  std::vector<std::pair<mqtt::Publication, Arrival>> arrived_;  ///< to be passed on when records_ are on disk
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

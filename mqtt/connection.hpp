// One client's network connection: cuts its bytes into packets, answers what concerns only itself, and corks its
// output.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mqtt/codec.hpp"
#include "mqtt/framer.hpp"
#include "mqtt/output_buffer.hpp"
#include "mqtt/packets.hpp"
#include "mqtt/ring.hpp"
#include "mqtt/store.hpp"
#include "mqtt/topic_aliases.hpp"
#include "mqtt/transport.hpp"

namespace ferrule::mqtt {

class BrokerCore;
struct Client;
struct Login;

/// An acknowledgement that waits until what it acknowledges is on disk.
struct PendingAck {
  Ticket ticket = 0;
  std::uint16_t packet_id = 0;
  PacketType type = PacketType::Puback;  ///< or Pubrec, Pubcomp, Suback, Unsuback
  Reason reason = Reason::Success;
  std::string_view detail{};                   ///< static text for a Reason String
  std::unique_ptr<const std::string> codes{};  ///< of Suback and Unsuback
};

/// Owned by the broker core, which it calls back. Thread: broker.
class Connection final : public Sink {
 public:
  using Time = std::chrono::steady_clock::time_point;
  enum class State : std::uint8_t {
    AwaitsConnect,
    AwaitsPassword,  ///< to be checked; what comes meanwhile is kept
    AwaitsAuth,      ///< nothing but AUTH or DISCONNECT [MQTT-3.1.2-30]
    Connected,
    Draining,  ///< nothing more is read; closes when the output is sent
    Closing,   ///< the transport was told to close
  };

  Connection(BrokerCore& core, std::unique_ptr<Transport> transport, BlockPool& blocks, std::size_t max_packet_size);
  ~Connection() override;

  void start() { transport_->start(*this); }
  void on_data(std::string_view bytes) override;
  void on_writable() override;
  void on_closed(std::string_view cause) override;

  State state() const { return state_; }
  Version version() const { return version_; }
  std::size_t max_packet_size() const { return max_packet_size_; }
  OutboundAliases* sent_aliases() { return sent_aliases_.get(); }
  OutputBuffer& output() { return output_; }
  std::string who() const;  ///< for log lines: "client 'hmi' (192.168.1.20:50123)"

  PeerIdentity identity() const { return transport_->identity(); }
  /// Reads nothing more until `go_on`: what has come is kept.
  void hold();
  void await_auth() { state_ = State::AwaitsAuth; }
  /// Handles what was kept; call it outside of the handling of a packet.
  void go_on();

  /// CONNECT was accepted: from now on this version and these limits hold.
  void accepted(const Connect& packet);

  /// For a CONNACK, even one that refuses: what the client's CONNECT says about it [MQTT-3.2.2-19].
  void answer_in(Version version, std::size_t max_packet_size = SIZE_MAX) {
    version_ = version;
    max_packet_size_ = max_packet_size;
  }
  /// Appends one packet of ours, unless the client would not accept its size [MQTT-3.1.2-27]: then returns false.
  template <class P>
  bool send(const P& packet) {
    if (max_packet_size_ != SIZE_MAX && encoded_size(Packet(packet), version_) > max_packet_size_) return false;
    encode(packet, version_, output_);
    count_sent();
    return true;
  }
  /// The same with a Reason String in `packet.properties`, for those who asked to be told [MQTT-3.1.2-32] and whose
  /// Maximum Packet Size has room for it [MQTT-3.4.2-2] [MQTT-3.5.2-2] [MQTT-3.9.2-1]
  /// [MQTT-3.14.2-3].
  template <class P>
  bool send_explained(P packet, std::string_view detail, bool always = false) {
    if (version_ != Version::V5 || detail.empty() || !(always || problem_information_)) return send(packet);
    PropertyBuilder properties;
    properties.add(PropertyId::ReasonString, detail);
    packet.properties = properties.view();
    if (send(packet)) return true;
    packet.properties = {};
    return send(packet);
  }
  void send_ack(const PendingAck& ack);

  /// What violates the protocol: counted, logged, answered as the version allows, and the end of the connection
  /// [MQTT-4.13.1-1].
  void refuse(const Refusal& refusal);
  /// DISCONNECT to MQTT 5 clients [MQTT-3.14.0-1], then as `close`.
  void disconnect(Reason reason, std::string_view detail = {});
  /// The same with a Server Reference for MQTT 5 clients: another server that will have them.
  void redirect(Reason reason, std::string_view server);
  /// Leaves the session, as if the network had failed unless the will was taken back, sends what is left, and closes.
  void close();
  void give_up();  ///< closes although output is left

  /// Writes as much of the output as the transport takes.
  void flush();
  bool blocked() const { return blocked_; }

  /// Replaces a Topic Alias by its topic, and learns new ones [MQTT-3.3.2-12].
  Decoded<void> resolve_alias(Publish& packet);

  /// QoS 1 and 2 publications that count against our Receive Maximum [MQTT-3.3.4-7].
  std::size_t unacknowledged() const { return pending_pubacks + unreleased; }
  /// Why a connection is not read from.
  enum class Pause : std::uint8_t {
    Password = 1,  ///< it is being checked
    Disk = 2,      ///< too many acknowledgements wait for it
    Output = 4,    ///< the client does not read our answers
  };
  void pause_reading(Pause why, bool pause);
  bool paused_by_us() const { return (paused_ & ~static_cast<unsigned>(Pause::Output)) != 0; }
  /// Counts one PUBLISH against `publish_rate`; false when it is one too many.
  bool within_rate(Time now);

  // The broker core's notes on this connection.
  Client* client = nullptr;              // while Connected
  std::unique_ptr<Login> login;          // while it logs in, and after that by SCRAM
  std::size_t index = 0;                 // where the core keeps it
  std::uint64_t half_open = 0;           // its number among those without CONNECT; 0: it has sent one
  bool dirty = false;                    // listed for the next flush
  bool awaits_commit = false;            // listed because pending_acks is not empty
  Ring<PendingAck> pending_acks;         // in the order of their publications [MQTT-4.6.0-2] [MQTT-4.6.0-3]
  std::size_t pending_pubacks = 0;       // among them
  std::size_t unreleased = 0;            // QoS 2 publications of this connection without PUBREL
  std::chrono::milliseconds silence{0};  // allowed between two packets; 0: any
  Time last_packet{};
  Time deadline{};  // when the core looks at it again; unset: never

 private:
  void handle_packets();
  void bound_answers();
  void handle(const Frame& frame);
  void on_publish(const Frame& frame);
  void on_ack(const Frame& frame);
  void count_sent();
  void on_disconnect(const Frame& frame);

  // Constant after construction.
  BrokerCore& core_;
  const std::unique_ptr<Transport> transport_;
  // Thread: broker.
  Framer framer_;
  OutputBuffer output_;
  std::size_t max_packet_size_ = SIZE_MAX;             // towards the client
  std::unique_ptr<std::vector<std::string>> aliases_;  // [n]: what Topic Alias n + 1 stands for [MQTT-3.3.2-7]
  std::unique_ptr<OutboundAliases> sent_aliases_;      // when the client accepts some
  State state_ = State::AwaitsConnect;
  Version version_ = Version::V311;
  Time rate_at_{};                   // when all that was published would be due at exactly publish_rate
  bool problem_information_ = true;  // Request Problem Information
  bool blocked_ = false;             // the transport tells when it takes bytes again
  std::uint8_t paused_ = 0;          // of Pause
};

}  // namespace ferrule::mqtt

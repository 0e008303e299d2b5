// What the broker keeps for one client id: its subscriptions, and the publications on their way to and from it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "mqtt/fan_out.hpp"
#include "mqtt/output_buffer.hpp"
#include "mqtt/packet_id_set.hpp"
#include "mqtt/packets.hpp"
#include "mqtt/publication.hpp"
#include "mqtt/ring.hpp"
#include "mqtt/rules.hpp"
#include "mqtt/session_changes.hpp"
#include "mqtt/settings.hpp"
#include "mqtt/subscription_tree.hpp"
#include "mqtt/topic_aliases.hpp"

namespace ferrule::mqtt {

class SessionJournal;

/// Where the packets of a session go while its client is connected, and what that client accepts.
struct Outlet {
  OutputBuffer* output = nullptr;
  Version version = Version::V311;
  std::uint16_t receive_maximum = 65535;   ///< from CONNECT; before MQTT 5 there is none
  std::size_t max_packet_size = SIZE_MAX;  ///< from CONNECT
  OutboundAliases* aliases = nullptr;      ///< none unless the client takes some [MQTT-3.1.2-30]
};

/// How one publication goes to one session, from its subscriptions that match.
struct Grant {
  Qos qos = Qos::AtMostOnce;  ///< the lower of the publication's and the highest granted [MQTT-3.8.4-8]
  bool retain = false;        ///< as it shall stand on the wire
  std::span<const std::uint32_t> identifiers{};
  std::uint32_t group = 0;  ///< the share group that chose this session; 0: none
};

/// A QoS 1 or 2 publication that a share group gave to a session which ended before it was delivered.
struct Orphan {
  PublicationPtr publication;
  std::uint32_t group = 0;
};

/// What happened to publications on their way to clients, over all sessions.
struct DeliveryCounters {
  std::uint64_t sent = 0;           ///< PUBLISH packets written, repeated ones too
  std::uint64_t dropped_slow = 0;   ///< QoS 0, because the client did not read its output
  std::uint64_t dropped_full = 0;   ///< QoS 1 and 2, because the session's queue was full
  std::uint64_t dropped_large = 0;  ///< beyond the client's Maximum Packet Size
  std::uint64_t expired = 0;        ///< in the queue, beyond their Message Expiry Interval
  std::uint64_t payload_bytes = 0;  ///< of those sent
  std::uint64_t pubrels = 0;        ///< PUBREL packets written
  bool queues_closed = false;       ///< set by the broker while it is short of memory: nothing more may wait
  std::size_t queued = 0;           ///< waiting now
  std::size_t queued_bytes = 0;     ///< of them
  std::uint64_t denied = 0;         ///< by rule
  std::uint64_t lost = 0;           ///< they were on disk only, and the disk does not have them
};

/// Does no I/O: packets are appended to the outlet's buffer. Outgoing publications of QoS 1 and 2 stand in two rows:
/// those in flight, which were sent, and behind them those that wait for room in the window, in the output or for the
/// client to come back. Each has a number, from which its packet identifier follows: so a packet identifier is on disk
/// as soon as the publication is.
///
/// With a journal the session survives a restart. QoS 1 is sent at once and written meanwhile. QoS 2 is sent when it is
/// on disk, and PUBREL when PUBREC is: else the same packet identifier could stand for another publication after a
/// restart, or this one be sent again after the client forgot it [MQTT-4.3.3-2]. Of a long queue only the first are in
/// memory. Thread: broker.
class Session : public Subscriber {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// Borrows both references.
  Session(std::string client_id, const BrokerSettings& limits, DeliveryCounters& counters)
      : client_id_(std::move(client_id)), limits_(limits), counters_(counters) {}
  ~Session();

  const std::string& client_id() const { return client_id_; }

  /// From now on what it holds is on disk too, as `row`; `journal` must outlive it.
  void persist(SessionJournal& journal, SessionRow row);
  bool persistent() const { return journal_ != nullptr; }
  /// Takes over what a restart found. `sent`: publications below this number may have been sent.
  void restore(std::uint64_t done, std::uint64_t sent, std::vector<StoredDelivery> deliveries);
  std::uint64_t sent() const;  ///< the first number that was never sent
  /// Something waits to be on disk before it may be sent.
  bool awaits_disk() const;
  void on_disk(Time now);  ///< more is than when it was asked
  /// What was asked for with SessionJournal::load, in order; null: lost.
  void loaded(const std::vector<std::pair<ChangeNo, PublicationPtr>>& publications, Time now);
  void give_back_all();  ///< it ends: its publications go from the disk
  void write_all();      ///< the disk was lost: all that is still in memory is written again

  /// The client is there: repeats PUBREL and PUBLISH packets that are unacknowledged, in their order and under their
  /// identifiers [MQTT-4.4.0-1], then goes on with the queue.
  void attach(const Outlet& outlet, Time now);
  void detach();
  bool online() const { return online_; }

  /// What may leave the queue: asked again when it does, because rules change meanwhile. Null: everything. Borrowed.
  void restrict_to(const Rights* may_receive) { may_receive_ = may_receive; }

  /// Sends, queues or drops one publication; true when it wrote to the outlet. `fan_out` is of this publication.
  bool deliver(const PublicationPtr& publication, FanOut& fan_out, const Grant& grant);
  /// True once when a publication found the queue full and the policy is to disconnect.
  bool take_overflow() { return std::exchange(overflowed_, false); }
  /// What share groups gave it and nobody has acknowledged, in order; the session is over afterwards. QoS 2
  /// publications that were sent once are not among them [MQTT-4.8.2-5].
  std::vector<Orphan> take_orphans();
  /// The same of what its client may not receive any more, before it got it; the session goes on.
  void take_denied_orphans(std::vector<Orphan>& orphans);
  /// Goes on with what waits, after the output shrank.
  void resume(Time now);
  /// The output shrank; share groups may choose this session again.
  void update_ready();

  // The client's answers to our PUBLISH packets; false for an identifier that is not in the matching state.
  bool on_puback(std::uint16_t id, Time now);
  bool on_pubrec(std::uint16_t id, Reason reason, Time now);  ///< answers with PUBREL, whatever it returns
  bool on_pubcomp(std::uint16_t id, Time now);

  /// QoS 2 publications from the client between PUBLISH and PUBREL; they survive a reconnect [MQTT-4.3.3-10].
  PacketIdSet& incoming() { return incoming_; }

  std::size_t in_flight() const { return in_flight_.size(); }  ///< gaps among them included
  std::size_t queued() const { return queue_.size(); }
  std::size_t queued_bytes() const { return queued_bytes_; }
  /// True when something waits that `resume` could send now.
  bool can_resume() const { return online_ && (resend_ < in_flight_.size() || !queue_.empty()) && window_open(); }
  /// True when a publication of any QoS would go straight to the output, with less than `output_bytes` before it.
  bool idle_below(std::size_t output_bytes) const {
    return online_ && queue_.empty() && window_open() && outlet_.output->size() < output_bytes;
  }

 private:
  enum class State : std::uint8_t { AwaitsPuback, AwaitsPubrec, AwaitsPubcomp, Settled };

  struct Outgoing {
    PublicationPtr publication;  // gone once it is not needed to repeat a PUBLISH, and while it is on disk only
    std::unique_ptr<std::vector<std::uint32_t>> identifiers;  // Subscription Identifiers, when there are several
    std::uint64_t number = 0;
    // The publication's row; of AwaitsPubcomp: what has to be on disk before PUBREL is sent; 0: not on disk, or lost.
    ChangeNo change = 0;
    std::uint32_t identifier : 28 = 0;  // the only one; 0: none
    Qos qos : 2 = Qos::AtLeastOnce;
    bool retain : 1 = false;
    bool counted : 1 = false;      // in outstanding_
    std::uint32_t group : 30 = 0;  // the share group it came from; 0: none, or from before a restart
    State state : 2 = State::Settled;
    std::uint32_t cost = 0;  // bytes
  };

  static constexpr std::size_t kMaxInFlight = 65535;  // as many as there are packet identifiers

  bool denied(const Publication& publication) const;
  bool window_open() const;
  bool number_free() const;
  std::uint64_t next_number() const { return queue_.empty() ? next_number_ : queue_[0].number; }
  std::uint64_t done() const { return in_flight_.empty() ? next_number() : first_number_; }
  bool send_at_once() const {
    return online_ && queue_.empty() && resend_ == in_flight_.size() && window_open() && number_free();
  }
  bool held_back(const Outgoing& outgoing) const;
  void number_and_store(Outgoing& outgoing);
  StoredDelivery delivery_of(const Outgoing& outgoing) const;
  bool send_new(Outgoing&& outgoing, FanOut& fan_out);
  void add_in_flight(Outgoing&& outgoing);
  std::size_t write(const Outgoing& outgoing, std::uint16_t id, bool dup, FanOut& fan_out);
  std::size_t append(Delivery& delivery, FanOut& fan_out);
  void write_pubrel(std::uint16_t id, Reason reason);
  void repeat_publishes(Time now);
  bool repeat(const Outgoing& outgoing, std::uint16_t id, Time now);
  void send_queued(Time now);
  void enqueue(Outgoing outgoing);
  void drop(const Outgoing& outgoing);
  Outgoing dequeue();
  Outgoing* find(std::uint16_t id, State state);
  void settle(Outgoing& outgoing);
  void pop_settled();
  void load();
  void lose(Outgoing& outgoing);
  void write_again(Outgoing& outgoing);
  template <class F>
  void each(F f);
  std::uint16_t id_at(std::size_t index) const { return id_of(first_number_ + index); }
  static std::uint16_t id_of(std::uint64_t number);

  // Constant after construction.
  const std::string client_id_;
  const BrokerSettings& limits_;
  DeliveryCounters& counters_;
  const Rights* may_receive_ = nullptr;
  // Of the connection.
  Outlet outlet_;
  std::size_t window_ = 0;
  std::size_t outstanding_ = 0;  // PUBLISH packets of this connection that are not settled [MQTT-4.9.0-2]
  std::size_t resend_ = 0;       // in_flight_ before this index has been sent on this connection
  // Of the session.
  Ring<Outgoing> in_flight_;        // in the order of sending; consecutive numbers, those of what was dropped settled
  std::uint64_t first_number_ = 0;  // of in_flight_[0]
  std::uint64_t next_number_ = 0;   // of what comes next
  Ring<Outgoing> queue_;            // beyond the first of them, `publication` may be on disk only
  std::size_t queued_bytes_ = 0;
  bool overflowed_ = false;
  Ring<std::pair<ChangeNo, std::uint16_t>> releases_;  // PUBREL packets that wait for the disk
  PacketIdSet incoming_;
  // On disk.
  SessionJournal* journal_ = nullptr;
  SessionRow row_ = 0;
  bool loading_ = false;
};

}  // namespace ferrule::mqtt

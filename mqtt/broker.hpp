// The embedded MQTT 3.1.1 and 5.0 broker: sessions, subscriptions, retained messages, and who gets what.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mqtt/access.hpp"
#include "mqtt/clock.hpp"
#include "mqtt/consumer.hpp"
#include "mqtt/password_checks.hpp"
#include "mqtt/publication.hpp"
#include "mqtt/session_journal.hpp"
#include "mqtt/settings.hpp"
#include "mqtt/transport.hpp"

namespace ferrule::mqtt {

struct BrokerCounters {
  std::uint64_t clients_connected = 0;  ///< now
  std::uint64_t clients_total = 0;      ///< CONNECTs accepted since the start
  std::uint64_t publications_received = 0, publications_sent = 0;
  std::uint64_t publications_dropped = 0;  ///< dropped_slow, dropped_full and dropped_large
  std::uint64_t dropped_slow = 0;          ///< QoS 0 for clients that did not read their output
  std::uint64_t slow_paused = 0;           ///< times a client that did not read our answers was not read from
  std::uint64_t dropped_full = 0;          ///< QoS 1 and 2 beyond a session's queue
  std::uint64_t dropped_large = 0;         ///< beyond the client's Maximum Packet Size
  std::uint64_t rate_exceeded = 0;         ///< connections ended because they published too fast
  std::uint64_t queue_overflows = 0;       ///< connections ended because their queue was full
  std::uint64_t memory_refusals = 0;       ///< CONNECTs, SUBSCRIBEs and publications refused for want of memory
  std::uint64_t payload_bytes_received = 0, payload_bytes_sent = 0;  ///< of publications
  std::uint64_t packets_received = 0, packets_sent = 0;              ///< of every type
  std::uint64_t publications_expired = 0;                            ///< queued beyond their Message Expiry Interval
  std::uint64_t publications_refused = 0;   ///< by a consumer, or because clients may not publish to the topic
  std::uint64_t retained_dropped = 0;       ///< delivered, but not retained: too many topics
  std::uint64_t subscriptions_refused = 0;  ///< too many of one session
  std::uint64_t bytes_received = 0, bytes_sent = 0;
  std::uint64_t connections = 0, sessions = 0, subscriptions = 0, retained = 0;  ///< now
  std::uint64_t retained_bytes = 0, queued = 0, queued_bytes = 0;                ///< now
  std::uint64_t clients_maximum = 0;  ///< the most that were connected at once
  std::uint64_t sockets_accepted = 0, connects_received = 0;
  std::uint64_t connections_refused = 0;  ///< too many at once: told in a CONNACK, or closed before their CONNECT
  std::uint64_t sessions_refused = 0;     ///< too many of those that outlast their connections
  std::uint64_t half_open_dropped = 0;    ///< of those: the oldest without CONNECT, to make room
  std::uint64_t connect_timeouts = 0, keep_alive_timeouts = 0;
  std::uint64_t protocol_errors = 0, connects_rejected = 0, takeovers = 0;
  // Among the protocol errors: packets beyond their limit, before CONNECT too; more unacknowledged than Receive
  // Maximum; Topic Aliases beyond their maximum.
  std::uint64_t packets_too_large = 0, receive_maximum_exceeded = 0, topic_aliases_exceeded = 0;
  std::uint64_t sessions_expired = 0;
  std::uint64_t logins_failed = 0;    ///< wrong password or name, or somebody who may not come in
  std::uint64_t logins_shut_out = 0;  ///< refused unseen, because their address or user failed too often
  std::uint64_t logins_busy = 0;      ///< refused because too many passwords wait to be checked
  std::uint64_t addresses_failing = 0, users_failing = 0;  ///< whose last logins failed, shut out or not, now
  std::uint64_t publications_denied = 0;                   ///< from clients, by rule
  std::uint64_t deliveries_denied = 0;     ///< to clients, by rule, where a subscription is wider than it
  std::uint64_t subscriptions_denied = 0;  ///< by rule
  std::uint64_t unknown_acks = 0;          ///< for packet identifiers that are not in use
  std::uint64_t publications_lost = 0;     ///< they were on disk only, and the disk does not have them
  std::uint64_t database_bytes = 0;        ///< of the sessions' file, now
  std::uint64_t database_set_aside = 0;
};

/// A counter under the name it has below `$SYS/ferrule/broker/`.
struct NamedCounter {
  std::string_view name;
  std::uint64_t BrokerCounters::*counter;
};
/// Those that mosquitto's topics do not tell.
std::span<const NamedCounter> own_counters();

/// Somebody came in under a name, or did not.
struct LoginReport {
  std::string user;  ///< empty: none was named
  std::string peer;  ///< who it is, for people: "192.168.1.20:50123 (client hmi)"
  bool ok = false;
  std::string_view why;  ///< not; valid during the call
};

/// Does no I/O of its own: transports feed it bytes through the Sink that `accept` returns, and it writes to
/// transports. Thread: every member is called on the broker thread.
class Broker {
 public:
  Broker(BrokerSettings settings, Clock& clock);
  ~Broker();
  Broker(const Broker&) = delete;
  Broker& operator=(const Broker&) = delete;

  /// Adds a consumer of every publication; it must outlive the broker or be removed. Called in the order they were
  /// added.
  void attach(Consumer& consumer);
  void detach(Consumer& consumer);

  /// Who may do what from now on: sessions whose user may no longer be here are disconnected (0x87), all others go on
  /// under the new rules. Listeners are as many as before.
  void set_access(std::shared_ptr<const Access> access);
  /// Whether the client that is, or was, there by that id might publish to the topic now. False for ids nobody has.
  bool may_publish(std::string_view client_id, std::string_view topic) const;
  /// Where passwords are checked; it must outlive the broker. Without one that happens at once, on this thread.
  void check_passwords_with(PasswordChecker& checker);
  /// Told of each login, as it happens; not of clients that come in without a name. `told` does not call the broker.
  void on_login(std::function<void(const LoginReport&)> told);
  /// Takes over the sessions, retained publications and wills that the journal's file has, and writes there what
  /// changes from now on. At most once, before the first connection. What it throws: std::runtime_error.
  void persist(std::unique_ptr<SessionJournal> journal);
  /// From the store, for the journal.
  void store_committed(Ticket ticket);
  void store_failed(const StoreFile& file, const std::string& what);
  /// Whether acknowledgements have to wait (`committed` not be called): a write failed and was not made good yet.
  bool owes_disk() const;
  void tick_disk();  ///< for the journal; call every 100 ms

  /// A new connection. The broker owns it from now on.
  void accept(std::unique_ptr<Transport> transport);
  /// The gateway's own publication: to retained messages, sessions and consumers.
  void publish(PublicationPtr publication);
  /// The same for one who answers for it: the ticket to wait for (0: none), or why nobody gets it.
  tl::expected<Ticket, Reason> publish_durably(const PublicationPtr& publication);
  /// Everything up to `ticket` is on disk: acknowledgements that waited for it go out, each connection's in order.
  void committed(Ticket ticket);
  /// Flushes what was written since the last call; the owner of the loop calls it once per turn (see `needs_flush`).
  void flush();
  /// Called by the broker when output gathered since the last flush, at most once per flush.
  void on_needs_flush(std::function<void()> schedule);
  /// Keep-alives, CONNECT deadlines, session and message expiry, delayed wills. Call about once a second.
  void tick();
  /// DISCONNECT (0x8B) to MQTT 5 clients, then closes every connection. [MQTT 5 section 4.13]
  void shut_down();

  BrokerCounters counters() const;
  /// Figures of others that are told below `$SYS/ferrule/` too, e.g. "store/commits". `show` is called for each.
  using Show = std::function<void(std::string_view name, std::uint64_t value)>;
  void also_tell(std::function<void(const Show& show)> figures);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ferrule::mqtt

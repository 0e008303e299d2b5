// The broker's state, and what connections ask of it. Behind Broker: only mqtt/*.cpp includes this.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "mqtt/bans.hpp"
#include "mqtt/broker.hpp"
#include "mqtt/connection.hpp"
#include "mqtt/load_average.hpp"
#include "mqtt/log_limit.hpp"
#include "mqtt/login.hpp"
#include "mqtt/publication_pool.hpp"
#include "mqtt/retained.hpp"
#include "mqtt/session.hpp"
#include "mqtt/session_journal.hpp"
#include "mqtt/subscription_tree.hpp"
#include "mqtt/topic.hpp"

namespace ferrule::mqtt {

/// Retained publications that a new subscription has yet to get: in portions, so that 100,000 of them neither fill the
/// output nor hold up the loop. What matches is looked up when its turn comes, so a session holds one such list at
/// most.
struct Replay {
  Replay(TopicFilter filter_to_find, Qos granted, std::uint32_t subscription_identifier, bool without_own)
      : filter(std::move(filter_to_find)), qos(granted), identifier(subscription_identifier), no_local(without_own) {}

  TopicFilter filter;
  Qos qos;
  std::uint32_t identifier;
  bool no_local;
  bool begun = false;
  std::vector<Retained::Id> ids;  // an id may have changed its topic by the time it is sent
  std::size_t next = 0;
};

/// A session and what the broker notes about it.
struct Client final : Session {
  using Session::Session;

  Identity identity;                     ///< whose session it is
  std::unique_ptr<ClientAccess> access;  ///< null: it may do everything

  Connection* connection = nullptr;
  std::chrono::seconds expiry{0};  ///< Session Expiry Interval; 0: ends with the connection
  Ticket last_ticket = 0;          ///< of its publications
  std::unique_ptr<StoredWill> will;
  std::vector<Replay> replays;
  SessionRow row = 0;            ///< on disk, for all it holds or for its will only; 0: none
  PacketIdSet incoming_on_disk;  ///< of `incoming`
  bool awaits_commit = false;    ///< listed because awaits_disk()
  // While it is offline; Time::max() for neither.
  Time will_due = Time::max();
  Time expires = Time::max();
};

/// Thread: broker.
class BrokerCore {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::size_t kLoads = 9;  ///< figures of `$SYS` that have load averages

  BrokerCore(BrokerSettings settings, Clock& clock);
  ~BrokerCore();

  // broker_core.cpp: connections come and go, output and time.
  void accept(std::unique_ptr<Transport> transport);
  void closed(Connection& connection);  ///< its transport is gone
  void received(std::size_t bytes);     ///< from any client
  void touch(Connection& connection);   ///< its output has grown
  void flush();
  void tick();
  void shut_down();
  Time start_turn();  ///< reads the clock, once per read or call from outside
  Time now() const { return now_; }
  void look_again(Connection& connection, Time when);  ///< unset: never
  bool may_log() { return log_limit_.allow(now_); }

  // handshake.cpp: CONNECT, sessions, wills.
  void connect(Connection& connection, const Frame& frame);
  void leave(Connection& connection);  ///< its client is offline from now on

  // login.cpp: who a client is, and what it may do.
  void auth(Connection& connection, const Frame& frame);
  void forget_login(Connection& connection);
  void set_access(std::shared_ptr<const Access> access);
  bool client_may_publish(std::string_view client_id, std::string_view topic) const;

  // routing.cpp: publications and their acknowledgements.
  void publish_from(Connection& connection, const Publish& packet);
  void publish(const PublicationPtr& publication);
  tl::expected<Ticket, Reason> publish_durably(const PublicationPtr& publication);
  void committed(Ticket ticket);
  void release_from(Connection& connection, const Ack& pubrel);
  /// At once, unless it has to wait for the disk or for one before it that does.
  void acknowledge(Connection& connection, PendingAck ack);

  // subscribing.cpp
  void subscribe(Connection& connection, const Subscribe& packet);
  void unsubscribe(Connection& connection, const Unsubscribe& packet);
  /// Sends what waited for room in the client's output or window.
  void refill(Client& client);

  // persistence.cpp: what survives a restart.
  void persist(std::unique_ptr<SessionJournal> journal);
  void tick_disk();
  void store_committed(Ticket ticket);
  void store_failed(const StoreFile& file, const std::string& what);
  bool owes_disk() const { return journal_ != nullptr && journal_->owes_disk(); }
  void await_disk(Client& client);  ///< if there is something to wait for
  void tell_receipts(Consumer& consumer);

  // sys_topics.cpp: `$SYS/broker/...`
  void publish_sys();

  BrokerCounters counters() const;

  // Constant after construction.
  const BrokerSettings settings;
  // Thread: broker.
  std::vector<Consumer*> consumers;
  std::function<void()> schedule_flush;
  std::vector<std::function<void(const Broker::Show&)>> other_figures;
  std::function<void(const LoginReport&)> login_told;
  PasswordChecker* password_checker = nullptr;  // none: checked at once
  BrokerCounters totals;                        // what `counters` cannot read elsewhere
  DeliveryCounters deliveries;

 private:
  struct Outcome {  // of routing one publication
    Ticket ticket = 0;
    bool delivered = false;
    bool taken = false;  // by a session, or by a consumer
    Reason refused = Reason::Success;
    std::string_view detail{};  // static text: why it was refused
  };

  void need_flush();
  void end_overflowed();
  void drop_oldest_half_open();
  void measure_memory();
  bool over_memory() const { return deliveries.queues_closed; }
  void drop_from(std::vector<Connection*>& list, const Connection& connection);
  void watch(Connection& connection);

  void log_in(Connection& connection, const Connect& packet, const Frame& frame);
  Decoded<Identity> identify_without_password(const PeerIdentity& peer, const Connect& packet) const;
  void check_password(Connection& connection, const Connect& packet, const Frame& frame, const PeerIdentity& peer);
  void password_checked(std::uint64_t check, std::optional<bool> right);
  void begin_scram(Connection& connection, const Connect& packet, const Frame& frame);
  void begin_again(Connection& connection, const Auth& packet);
  void finish_scram(Connection& connection, const Auth& packet);
  void finish_again(Connection& connection);
  Decoded<void> challenge(Connection& connection, std::string_view client_first);
  Decoded<void> check_shut_out(std::string_view address, std::string_view user);
  void enter_kept(Connection& connection);
  void fail_login(Connection& connection, const Refusal& refusal);
  void end_login(Connection& connection, const Refusal& refusal);
  bool may_enter(Connection& connection, const Connect& packet, const Identity& identity);
  void grant(Client& client, Identity identity);
  bool may_subscribe(Connection& connection, const SubscribeEntry& entry);

  void enter(Connection& connection, const Connect& packet, Identity identity);
  void reject(Connection& connection, Version version, const Refusal& refusal);
  void answer_refused(Connection& connection, Version version, const Refusal& refusal);
  Client& session_for(const Connect& packet, bool& present);
  void take_over(Client& client, bool clean_start);
  void end_session(Client& client);
  void resume_timers(Client& client);
  void expire(Client& client);
  void store_will(Client& client, const Connect& packet);
  void publish_will(Client& client);
  void date_death(Publication& publication) const;
  std::chrono::seconds session_expiry(const Connect& packet) const;
  void send_connack(Connection& connection, const Connect& packet, const Client& client, bool present);
  std::string assign_client_id();

  std::optional<Refusal> refusal_of(const Connect& packet);

  Outcome may_publish(Connection& connection, const Publish& packet);
  bool can_retain(const Publication& publication) const;
  Outcome route(const PublicationPtr& publication, const Subscriber* publisher, bool durable,
                const Receipt* receipt = nullptr);
  bool keep_certificate(const Publication& birth);
  bool deliver_all(const PublicationPtr& publication, const Subscriber* publisher);
  void deliver(const PublicationPtr& publication, FanOut& fan_out, const Match& match,
               std::span<const std::uint32_t> identifiers);
  void pass_on(const Orphan& orphan);
  void continue_replays(Client& client);
  bool answer(Connection& connection, PacketType type, std::uint16_t packet_id, std::string codes,
              std::string_view detail = {});

  void save(Client& client);
  void forget(Client& client);
  void save_subscription(Client& client, const SubscribeEntry& entry, std::uint32_t identifier);
  bool keep_retained(const PublicationPtr& publication);
  bool needs_disk(const PublicationPtr& publication, const Subscriber* publisher);
  void restore(RestoredSession restored);
  std::size_t listener_of(std::string_view name) const;
  void write_all();
  void write_all(Client& client);
  void page_loaded(const std::string& client_id, SessionRow row, const SessionJournal::Loaded& found);

  void publish_sys_clients(const BrokerCounters& figures);
  void publish_sys_traffic(const BrokerCounters& figures);
  void publish_sys_loads(const BrokerCounters& figures);
  void publish_sys_stored();
  void publish_sys_own(const BrokerCounters& figures);
  void sys(std::string_view name, std::string value);
  void sys(std::string_view name, std::uint64_t count);
  void tell(std::string topic, std::string value);

  Clock& clock_;
  std::unique_ptr<SessionJournal> journal_;  // null: nothing survives; outlives the sessions
  Time now_{};
  Time started_{};
  LogLimit log_limit_;
  std::shared_ptr<const Access> access_;
  Bans bans_;
  std::unordered_map<std::uint64_t, Connection*> checks_;  // passwords that are being checked
  std::uint64_t last_check_ = 0;
  BlockPool blocks_;
  Retained retained_;
  SubscriptionTree subscriptions_;
  Matches matches_;
  PublicationPool publications_;  // of clients
  std::string forwarded_;
  // By client id, as the session holds it.
  std::unordered_map<std::string_view, std::unique_ptr<Client>> clients_;
  std::set<std::pair<Time, Client*>> offline_;  // by their next will or expiry
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<std::unique_ptr<Connection>> gone_;  // closed in this turn
  std::set<std::pair<Time, Connection*>> deadlines_;
  std::vector<Connection*> dirty_, flushing_;
  std::vector<Connection*> awaiting_commit_;
  std::map<std::uint64_t, Connection*> half_open_;  // without CONNECT, by the order they came
  std::uint64_t last_half_open_ = 0;
  std::vector<std::string> overflowed_;  // clients to be disconnected at the end of this turn
  std::uint64_t measured_at_ = 0;        // bytes_received when memory was measured last
  std::vector<Client*> awaiting_disk_, disk_reached_;
  bool flush_scheduled_ = false;
  bool shutting_down_ = false;
  Ticket committed_ = 0;
  std::uint64_t assigned_ids_ = 0;
  Time next_sys_{}, last_sys_{};
  std::array<LoadAverage, kLoads> loads_;
  std::size_t heap_maximum_ = 0;
  std::map<std::string, std::string, std::less<>> sys_values_;
};

}  // namespace ferrule::mqtt

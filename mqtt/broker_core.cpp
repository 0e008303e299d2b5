#include "mqtt/broker_core.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace ferrule::mqtt {

using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t kMeasureEvery = 1 << 20;  // bytes received, besides once per tick

}  // namespace

BrokerCore::BrokerCore(BrokerSettings broker_settings, Clock& clock)
    : settings(std::move(broker_settings)),
      clock_(clock),
      access_(std::make_shared<const Access>(settings.access)),
      bans_(settings.access.bans),
      retained_(settings.max_retained, settings.max_retained_bytes) {
  started_ = start_turn();
  next_sys_ = started_;
  publish_sys();
}

BrokerCore::~BrokerCore() = default;

BrokerCore::Time BrokerCore::start_turn() { return now_ = clock_.now(); }

// Connections

void BrokerCore::accept(std::unique_ptr<Transport> transport) {
  start_turn();
  ++totals.sockets_accepted;
  if (half_open_.size() >= settings.max_half_open) drop_oldest_half_open();
  // Beyond the limit of clients, so that one more can be told why it is refused.
  if (connections_.size() >= settings.max_connections + settings.max_half_open || shutting_down_) {
    ++totals.connections_refused;
    if (may_log()) {
      spdlog::warn("broker: {} refused: {} connections are open already", transport->peer(), connections_.size());
    }
    return;  // the transport's end closes it
  }
  auto& connection = *connections_.emplace_back(
      std::make_unique<Connection>(*this, std::move(transport), blocks_, settings.max_packet_before_connect));
  connection.index = connections_.size() - 1;
  connection.half_open = ++last_half_open_;
  half_open_.emplace(connection.half_open, &connection);
  look_again(connection, now_ + settings.connect_timeout);
  connection.start();
}

/// Whoever connects properly sends CONNECT at once; the oldest that has not is the one to give way.
void BrokerCore::drop_oldest_half_open() {
  Connection& oldest = *half_open_.begin()->second;
  ++totals.half_open_dropped;
  ++totals.connections_refused;
  if (may_log()) {
    spdlog::warn("broker: {} gives way: {} connections have sent no CONNECT", oldest.who(), half_open_.size());
  }
  oldest.close();
}

void BrokerCore::closed(Connection& connection) {
  look_again(connection, {});
  if (connection.dirty) drop_from(dirty_, connection);
  // Not destroyed before the transport's call that told us has returned.
  const std::size_t index = connection.index;
  gone_.push_back(std::move(connections_[index]));
  if (index + 1 < connections_.size()) {
    connections_[index] = std::move(connections_.back());
    connections_[index]->index = index;
  }
  connections_.pop_back();
  need_flush();
}

void BrokerCore::drop_from(std::vector<Connection*>& list, const Connection& connection) {
  const auto found = std::ranges::find(list, &connection);
  if (found == list.end()) return;
  *found = list.back();
  list.pop_back();
}

// Output

void BrokerCore::touch(Connection& connection) {
  if (connection.dirty || connection.blocked()) return;
  connection.dirty = true;
  dirty_.push_back(&connection);
  need_flush();
}

void BrokerCore::need_flush() {
  if (flush_scheduled_ || !schedule_flush) return;
  flush_scheduled_ = true;
  schedule_flush();
}

void BrokerCore::flush() {
  flush_scheduled_ = false;
  gone_.clear();
  end_overflowed();
  flushing_.swap(dirty_);  // what becomes dirty meanwhile is for the next turn
  for (Connection* connection : flushing_) {
    connection->dirty = false;
    connection->flush();
  }
  flushing_.clear();
}

/// `when_full: disconnect`: not at once, because a round of deliveries may still go on.
void BrokerCore::end_overflowed() {
  for (const std::string& id : std::exchange(overflowed_, {})) {
    const auto found = clients_.find(id);
    if (found == clients_.end() || found->second->connection == nullptr) continue;
    ++totals.queue_overflows;
    found->second->connection->disconnect(Reason::QuotaExceeded, "does not take its publications fast enough");
  }
}

// Memory

void BrokerCore::measure_memory() {
  measured_at_ = totals.bytes_received;
  if (settings.max_memory == 0) return;
  const bool before = std::exchange(deliveries.queues_closed, settings.memory_in_use() > settings.max_memory);
  if (before != deliveries.queues_closed && may_log()) {
    spdlog::warn("broker: {} its limit of {} bytes of memory", before ? "below" : "above", settings.max_memory);
  }
}

void BrokerCore::received(std::size_t bytes) {
  totals.bytes_received += bytes;
  if (totals.bytes_received - measured_at_ >= kMeasureEvery) measure_memory();
}

// Time

void BrokerCore::look_again(Connection& connection, Time when) {
  if (connection.deadline == when) return;
  if (connection.deadline != Time{}) deadlines_.erase({connection.deadline, &connection});
  connection.deadline = when;
  if (when != Time{}) deadlines_.emplace(when, &connection);
}

void BrokerCore::tick() {
  start_turn();
  gone_.clear();
  while (!deadlines_.empty() && deadlines_.begin()->first <= now_) watch(*deadlines_.begin()->second);
  while (!offline_.empty() && offline_.begin()->first <= now_) expire(*offline_.begin()->second);
  std::vector<RetainedRow> expired;
  retained_.drop_expired(now_, expired);
  for (const RetainedRow row : expired) journal_->drop_retained(row);
  measure_memory();
  if (now_ >= next_sys_) publish_sys();
}

/// A connection's deadline has come. Each way out moves it.
void BrokerCore::watch(Connection& connection) {
  switch (connection.state()) {
    case Connection::State::AwaitsConnect:
    case Connection::State::AwaitsPassword:
    case Connection::State::AwaitsAuth:
      ++totals.connect_timeouts;
      return connection.close();
    case Connection::State::Connected: {
      const Time end = (connection.paused_by_us() ? now_ : connection.last_packet) + connection.silence;
      if (end > now_) return look_again(connection, end);
      ++totals.keep_alive_timeouts;
      if (may_log()) spdlog::info("broker: {}: nothing heard for 1.5 times its keep-alive; closing", connection.who());
      return connection.disconnect(Reason::KeepAliveTimeout);  // [MQTT-3.1.2-24]
    }
    case Connection::State::Draining:
    case Connection::State::Closing:
      return connection.give_up();
  }
}

void BrokerCore::shut_down() {
  start_turn();
  shutting_down_ = true;
  for (std::size_t i = connections_.size(); i-- > 0;) {
    Connection& connection = *connections_[i];
    // Ours is the end, not the clients': their wills stay unpublished, which the specification allows at a shutdown
    // (3.1.2.5).
    if (connection.client != nullptr) connection.client->will.reset();
    if (settings.server_reference.empty()) {
      connection.disconnect(Reason::ServerShuttingDown);
    } else {
      connection.redirect(Reason::UseAnotherServer, settings.server_reference);
    }
  }
  if (journal_ != nullptr) journal_->post();
}

BrokerCounters BrokerCore::counters() const {
  BrokerCounters counters = totals;
  counters.publications_sent = deliveries.sent;
  counters.deliveries_denied = deliveries.denied;
  counters.publications_expired = deliveries.expired;
  counters.dropped_slow = deliveries.dropped_slow;
  counters.dropped_full = deliveries.dropped_full;
  counters.dropped_large = deliveries.dropped_large;
  counters.payload_bytes_sent = deliveries.payload_bytes;
  counters.packets_sent += deliveries.sent + deliveries.pubrels;
  counters.queued = deliveries.queued;
  counters.queued_bytes = deliveries.queued_bytes;
  counters.retained_bytes = retained_.bytes();
  counters.publications_lost = deliveries.lost;
  if (journal_ != nullptr) {
    counters.database_bytes = journal_->size_on_disk();
    counters.database_set_aside = journal_->times_set_aside();
  }
  counters.addresses_failing = bans_.addresses();
  counters.users_failing = bans_.users();
  counters.publications_dropped = deliveries.dropped_slow + deliveries.dropped_full + deliveries.dropped_large;
  counters.sessions = clients_.size();
  counters.connections = connections_.size();
  counters.subscriptions = subscriptions_.size();
  counters.retained = retained_.size();
  return counters;
}

// Broker, the public face

class Broker::Impl : public BrokerCore {
 public:
  using BrokerCore::BrokerCore;
};

Broker::Broker(BrokerSettings settings, Clock& clock) : impl_(std::make_unique<Impl>(std::move(settings), clock)) {}
Broker::~Broker() = default;

void Broker::attach(Consumer& consumer) {
  impl_->consumers.push_back(&consumer);
  impl_->tell_receipts(consumer);
}
void Broker::detach(Consumer& consumer) { std::erase(impl_->consumers, &consumer); }
void Broker::set_access(std::shared_ptr<const Access> access) { impl_->set_access(std::move(access)); }
void Broker::on_login(std::function<void(const LoginReport&)> told) { impl_->login_told = std::move(told); }
bool Broker::may_publish(std::string_view client_id, std::string_view topic) const {
  return impl_->client_may_publish(client_id, topic);
}
void Broker::check_passwords_with(PasswordChecker& checker) { impl_->password_checker = &checker; }
void Broker::accept(std::unique_ptr<Transport> transport) { impl_->accept(std::move(transport)); }
void Broker::publish(PublicationPtr publication) {
  impl_->start_turn();
  impl_->publish(publication);
}
tl::expected<Ticket, Reason> Broker::publish_durably(const PublicationPtr& publication) {
  impl_->start_turn();
  return impl_->publish_durably(publication);
}
void Broker::persist(std::unique_ptr<SessionJournal> journal) { impl_->persist(std::move(journal)); }
void Broker::store_committed(Ticket ticket) { impl_->store_committed(ticket); }
void Broker::store_failed(const StoreFile& file, const std::string& what) { impl_->store_failed(file, what); }
bool Broker::owes_disk() const { return impl_->owes_disk(); }
void Broker::tick_disk() { impl_->tick_disk(); }
void Broker::committed(Ticket ticket) { impl_->committed(ticket); }
void Broker::flush() { impl_->flush(); }
void Broker::on_needs_flush(std::function<void()> schedule) { impl_->schedule_flush = std::move(schedule); }
void Broker::tick() { impl_->tick(); }
void Broker::shut_down() { impl_->shut_down(); }
BrokerCounters Broker::counters() const { return impl_->counters(); }
void Broker::also_tell(std::function<void(const Show& show)> figures) {
  impl_->other_figures.push_back(std::move(figures));
}

}  // namespace ferrule::mqtt

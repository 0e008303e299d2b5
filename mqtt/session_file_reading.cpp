// What a start finds in the sessions' file, and what is paged in from it.
#include "mqtt/session_database.hpp"

#include <SQLiteCpp/SQLiteCpp.h>

#include <algorithm>
#include <set>

namespace ferrule::mqtt {

namespace {

std::uint64_t count(std::int64_t value) { return static_cast<std::uint64_t>(std::max<std::int64_t>(value, 0)); }

void set_flags(Publication& publication, int flags) {
  publication.qos = static_cast<Qos>(std::clamp(flags & 3, 0, 2));
  publication.retain = (flags & 4) != 0;
}

SubscriptionOptions options_of(int byte) {
  return {static_cast<Qos>(std::clamp(byte & 3, 0, 2)), (byte & 4) != 0, (byte & 8) != 0,
          static_cast<std::uint8_t>(byte >> 4 & 3)};
}

/// Rows of one statement; it is reset in the end, because an open read would keep the log from being written back.
template <class F>
void each_row(SQLite::Statement& select, F f) {
  while (select.executeStep()) f(select);
  select.reset();
}

}  // namespace

/// Puts a RestoredState together. Rows of sessions that are not there belong to nobody.
class SessionFile::Reading {
 public:
  explicit Reading(Database& database) : database_(database) {}

  RestoredState all() {
    rows("SELECT receipt FROM meta",
         [&](SQLite::Statement& row) { state_.receipt = count(row.getColumn(0).getInt64()); });
    sessions();
    wills();
    subscriptions();
    incoming();
    exchanges();
    publications();
    for (auto& restored : state_.sessions) std::ranges::sort(restored.deliveries, {}, &StoredDelivery::number);
    return std::move(state_);
  }

 private:
  void sessions();
  void wills();
  void subscriptions();
  void incoming();
  void exchanges();
  void publications();
  template <class F>
  void rows(const char* literal, F f) {
    each_row(database_.file.statement(literal), f);
  }
  RestoredSession* find(std::int64_t row) {
    const auto found = index_.find(row);
    return found == index_.end() ? nullptr : &state_.sessions[found->second];
  }

  Database& database_;
  RestoredState state_;
  std::unordered_map<SessionRow, std::size_t> index_;
  std::set<std::pair<SessionRow, std::uint64_t>> exchanges_;  // these numbers are not to be sent again
};

void SessionFile::Reading::sessions() {
  constexpr auto kSelect =
      "SELECT id, client_id, expiry, online, expires, done, sent, user, proof, listener FROM session";
  rows(kSelect, [&](SQLite::Statement& row) {
    RestoredSession& restored = state_.sessions.emplace_back();
    StoredSession& session = restored.session;
    session.row = row.getColumn(0).getInt64();
    session.client_id = row.getColumn(1).getString();
    session.expiry = std::chrono::seconds(std::max<std::int64_t>(row.getColumn(2).getInt64(), 0));
    session.online = row.getColumn(3).getInt() != 0;
    session.expires = database_.time_of(row.getColumn(4));
    restored.done = count(row.getColumn(5).getInt64());
    session.sent = count(row.getColumn(6).getInt64());
    session.owner.user = row.getColumn(7).getString();
    session.owner.proof = static_cast<Proof>(std::clamp(row.getColumn(8).getInt(), 0, 2));
    session.listener = row.getColumn(9).getString();
    index_.emplace(session.row, state_.sessions.size() - 1);
  });
}

void SessionFile::Reading::wills() {
  rows("SELECT session, topic, flags, payload, properties, delay, expiry, due FROM will", [&](SQLite::Statement& row) {
    RestoredSession* restored = find(row.getColumn(0).getInt64());
    if (restored == nullptr) return;
    auto will = std::make_unique<StoredWill>();
    will->publication.topic = row.getColumn(1).getString();
    set_flags(will->publication, row.getColumn(2).getInt());
    will->publication.payload = bytes_of(row.getColumn(3));
    will->publication.properties = bytes_of(row.getColumn(4));
    will->publication.origin = restored->session.client_id;
    will->delay = std::chrono::seconds(row.getColumn(5).getInt64());
    if (!row.getColumn(6).isNull()) will->expiry = std::chrono::seconds(row.getColumn(6).getInt64());
    restored->session.will_due = database_.time_of(row.getColumn(7));
    restored->session.will = std::move(will);
  });
}

void SessionFile::Reading::subscriptions() {
  rows("SELECT session, filter, options, identifier FROM subscription", [&](SQLite::Statement& row) {
    if (RestoredSession* restored = find(row.getColumn(0).getInt64())) {
      restored->subscriptions.push_back({row.getColumn(1).getString(), options_of(row.getColumn(2).getInt()),
                                         static_cast<std::uint32_t>(row.getColumn(3).getInt64())});
    }
  });
}

void SessionFile::Reading::incoming() {
  rows("SELECT session, packet_id FROM incoming", [&](SQLite::Statement& row) {
    RestoredSession* restored = find(row.getColumn(0).getInt64());
    if (restored != nullptr) restored->incoming.push_back(static_cast<std::uint16_t>(row.getColumn(1).getInt()));
  });
}

void SessionFile::Reading::exchanges() {
  rows("SELECT session, number, complete FROM exchange", [&](SQLite::Statement& row) {
    RestoredSession* restored = find(row.getColumn(0).getInt64());
    if (restored == nullptr) return;
    StoredDelivery delivery;
    delivery.number = count(row.getColumn(1).getInt64());
    delivery.qos = Qos::ExactlyOnce;
    delivery.released = true;
    exchanges_.emplace(restored->session.row, delivery.number);
    const bool complete = row.getColumn(2).getInt() != 0;
    if (!complete && delivery.number >= restored->done) restored->deliveries.push_back(std::move(delivery));
  });
}

void SessionFile::Reading::publications() {
  rows("SELECT id, cost, receivers FROM publication ORDER BY id", [&](SQLite::Statement& row) {
    StoredDelivery delivery;
    delivery.publication = count(row.getColumn(0).getInt64());
    delivery.cost = static_cast<std::uint32_t>(row.getColumn(1).getInt64());
    const auto receivers = row.getColumn(2);
    std::string_view rest(static_cast<const char*>(receivers.getBlob()),
                          static_cast<std::size_t>(receivers.getBytes()));
    std::uint32_t holders = 0;
    for (SessionRow session = 0; decode_receiver(rest, session, delivery);) {
      RestoredSession* restored = find(session);
      if (restored == nullptr || delivery.number < restored->done) continue;
      if (!exchanges_.empty() && exchanges_.contains({session, delivery.number})) continue;
      restored->deliveries.push_back(delivery);
      ++holders;
    }
    if (holders == 0) state_.orphans.push_back(delivery.publication);
    if (holders > 1) state_.shared.emplace(delivery.publication, holders);
    state_.next_change = delivery.publication + 1;
  });
}

SessionFile::Time SessionFile::Database::time_of(const SQLite::Column& column) const {
  return column.isNull() ? Time::max() : monotonic(column.getInt64());
}

RestoredState SessionFile::sessions() {
  if (!database_->file.is_open()) return {};
  return database_->file.guarded([&] { return Reading(*database_).all(); });
}

void SessionFile::retained(const TakeRetained& take) {
  Database& database = *database_;
  if (!database.file.is_open()) return;
  database.file.guarded([&] {
    each_row(database.file.statement(
                 "SELECT id, topic, flags, published, expires, origin, properties, payload FROM retained"),
             [&](SQLite::Statement& row) {
               auto publication = std::make_shared<Publication>();
               publication->topic = row.getColumn(1).getString();
               set_flags(*publication, row.getColumn(2).getInt());
               publication->retain = true;
               publication->published = database.monotonic(row.getColumn(3).getInt64());
               if (!row.getColumn(4).isNull()) publication->expires = database.monotonic(row.getColumn(4).getInt64());
               publication->origin = row.getColumn(5).getString();
               publication->properties = bytes_of(row.getColumn(6));
               publication->payload = bytes_of(row.getColumn(7));
               take(static_cast<RetainedRow>(row.getColumn(0).getInt64()), std::move(publication));
             });
  });
}

std::vector<std::pair<ChangeNo, PublicationPtr>> SessionFile::publications(const std::vector<ChangeNo>& rows) {
  Database& database = *database_;
  return database.file.guarded([&] {
    std::vector<std::pair<ChangeNo, PublicationPtr>> found;
    for (const ChangeNo wanted : rows) {
      auto& select = database.file.statement(
          R"(SELECT coalesce((SELECT name FROM topic WHERE id = publication.topic), topic), flags, expires, properties,
             payload FROM publication WHERE id = ?)");
      select.bind(1, static_cast<std::int64_t>(wanted));
      each_row(select, [&](SQLite::Statement& row) {
        auto publication = std::make_shared<Publication>();
        publication->topic = row.getColumn(0).getString();
        set_flags(*publication, row.getColumn(1).getInt());
        if (!row.getColumn(2).isNull()) publication->expires = database.monotonic(row.getColumn(2).getInt64());
        publication->properties = bytes_of(row.getColumn(3));
        publication->payload = bytes_of(row.getColumn(4));
        found.emplace_back(wanted, std::move(publication));
      });
    }
    return found;
  });
}

}  // namespace ferrule::mqtt

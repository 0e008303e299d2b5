#include "mqtt/session_file.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "mqtt/session_database.hpp"

namespace ferrule::mqtt {

namespace {

using std::chrono::milliseconds;

constexpr int kApplicationId = 0x46727362;  // "Frsb"
constexpr int kSchema = 3;
constexpr milliseconds kWrittenEvery{10'000};  // how exactly the file knows when it was last written
// A calendar that is further ahead than this was set wrong: the time that we were off then does not count.
constexpr milliseconds kLongestOutage = std::chrono::hours(24 * 90);

constexpr auto kCreate = R"(
  CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 1), written INTEGER NOT NULL, receipt INTEGER NOT NULL);
  INSERT INTO meta VALUES (1, 0, 0);
  CREATE TABLE topic (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
  CREATE TABLE session (id INTEGER PRIMARY KEY, client_id TEXT NOT NULL, expiry INTEGER NOT NULL, online INTEGER NOT NULL,
                        expires INTEGER, done INTEGER NOT NULL, sent INTEGER NOT NULL, user TEXT NOT NULL,
                        proof INTEGER NOT NULL, listener TEXT NOT NULL);
  CREATE TABLE will (session INTEGER PRIMARY KEY, topic TEXT NOT NULL, flags INTEGER NOT NULL, payload BLOB NOT NULL,
                     properties BLOB NOT NULL, delay INTEGER NOT NULL, expiry INTEGER, due INTEGER);
  CREATE TABLE subscription (session INTEGER NOT NULL, filter TEXT NOT NULL, options INTEGER NOT NULL,
                             identifier INTEGER NOT NULL, PRIMARY KEY (session, filter)) WITHOUT ROWID;
  CREATE TABLE publication (id INTEGER PRIMARY KEY, topic NOT NULL, flags INTEGER NOT NULL, cost INTEGER NOT NULL,
                            expires INTEGER, receivers BLOB NOT NULL, properties BLOB, payload BLOB NOT NULL);
  CREATE TABLE exchange (session INTEGER NOT NULL, number INTEGER NOT NULL, complete INTEGER NOT NULL,
                         PRIMARY KEY (session, number)) WITHOUT ROWID;
  CREATE TABLE incoming (session INTEGER NOT NULL, packet_id INTEGER NOT NULL,
                         PRIMARY KEY (session, packet_id)) WITHOUT ROWID;
  CREATE TABLE retained (id INTEGER PRIMARY KEY, topic TEXT NOT NULL, flags INTEGER NOT NULL, published INTEGER NOT NULL,
                         expires INTEGER, origin TEXT NOT NULL, properties BLOB NOT NULL, payload BLOB NOT NULL);
)";

std::int64_t number(std::uint64_t value) { return static_cast<std::int64_t>(value); }

int flags_of(const Publication& publication) {
  return static_cast<int>(publication.qos) | (publication.retain ? 4 : 0);
}

int options_byte(SubscriptionOptions options) {
  return static_cast<int>(options.qos) | (options.no_local ? 4 : 0) | (options.retain_as_published ? 8 : 0) |
         options.retain_handling << 4;
}

}  // namespace

SessionFile::Database::Database(std::filesystem::path path, Time now, std::chrono::system_clock::time_point wall)
    : file(
          std::move(path),
          {.name = "broker",
           .application_id = kApplicationId,
           .schema = kSchema,
           .create = kCreate,
           .when_damaged = "the sessions and retained publications in it are gone"},
          [this](bool) { topics.load(); }, false) {
  const auto today = std::chrono::duration_cast<milliseconds>(wall.time_since_epoch());
  const milliseconds last = file.is_open() ? last_written() : milliseconds(0);
  const bool believable = last.count() == 0 || (today >= last && today - last <= kLongestOutage);
  if (!believable) {
    spdlog::warn("broker: the clock stands {} h from when the sessions were last written; this time does not count",
                 std::chrono::duration_cast<std::chrono::hours>(today - last).count());
  }
  offset = (believable ? today : last) - std::chrono::duration_cast<milliseconds>(now.time_since_epoch());
}

milliseconds SessionFile::Database::last_written() {
  return file.guarded([this] {
    auto& select = file.statement("SELECT written FROM meta");
    if (!select.executeStep()) throw std::runtime_error("its table `meta` is empty");
    const milliseconds value(select.getColumn(0).getInt64());
    select.reset();
    return value;
  });
}

std::int64_t SessionFile::Database::calendar(Time time) const {
  return (std::chrono::duration_cast<milliseconds>(time.time_since_epoch()) + offset).count();
}

void SessionFile::Database::bind_time(SQLite::Statement& statement, int index, Time time) const {
  if (time != Time::max()) statement.bind(index, calendar(time));
}

void SessionFile::Database::note_written(Time now) {
  if (written && now - *written < kWrittenEvery) return;
  auto& update = file.statement("UPDATE meta SET written = ?");
  update.bind(1, calendar(now));
  update.exec();
  written = now;
}

void SessionFile::Database::run(const char* literal, std::initializer_list<std::int64_t> values) {
  auto& statement = file.statement(literal);
  int index = 0;
  for (const auto value : values) statement.bind(++index, value);
  statement.exec();
}

SessionFile::SessionFile(std::filesystem::path path, Time now, std::chrono::system_clock::time_point wall)
    : database_(std::make_unique<Database>(std::move(path), now, wall)) {}

SessionFile::~SessionFile() = default;

void SessionFile::begin() { database_->file.begin(); }

void SessionFile::commit() {
  database_->file.commit();
  database_->topics.committed();
}

void SessionFile::rollback() noexcept {
  database_->file.rollback();
  database_->topics.rolled_back();
  database_->written.reset();
}

std::uint64_t SessionFile::size_on_disk() const { return database_->file.size_on_disk(); }
std::uint64_t SessionFile::times_set_aside() const { return database_->file.times_set_aside(); }
bool SessionFile::full() const { return database_->file.full(); }

// Writing

void SessionFile::apply(const Batch& batch, Time now) {
  Database& database = *database_;
  database.file.guarded([&] {
    ChangeNo row = batch.first;
    for (const Change& made : batch.changes) {
      if (const auto* added = std::get_if<change::AddPublication>(&made)) {
        database.add(row, *added);
      } else if (const auto* exchange = std::get_if<change::SaveExchange>(&made)) {
        database.run("INSERT OR REPLACE INTO exchange VALUES (?, ?, ?)",
                     {exchange->session, number(exchange->number), exchange->complete ? 1 : 0});
      } else if (const auto* incoming = std::get_if<change::AddIncoming>(&made)) {
        database.run("INSERT OR REPLACE INTO incoming VALUES (?, ?)", {incoming->session, incoming->packet_id});
      } else if (const auto* released = std::get_if<change::DropIncoming>(&made)) {
        database.run("DELETE FROM incoming WHERE session = ? AND packet_id = ?",
                     {released->session, released->packet_id});
      } else if (const auto* kept = std::get_if<change::SaveRetained>(&made)) {
        database.save(*kept);
      } else if (const auto* dropped = std::get_if<change::DropRetained>(&made)) {
        database.run("DELETE FROM retained WHERE id = ?", {dropped->row});
      } else if (const auto* saved = std::get_if<change::SaveSession>(&made)) {
        database.save(*saved->session);
      } else if (const auto* ended = std::get_if<change::EndSession>(&made)) {
        database.end(ended->session);
      } else if (const auto* begun = std::get_if<change::Subscribe>(&made)) {
        auto& insert = database.file.statement("INSERT OR REPLACE INTO subscription VALUES (?, ?, ?, ?)");
        insert.bind(1, begun->session);
        insert.bindNoCopy(2, begun->subscription->filter);
        insert.bind(3, options_byte(begun->subscription->options));
        insert.bind(4, begun->subscription->identifier);
        insert.exec();
      } else if (const auto* over = std::get_if<change::Unsubscribe>(&made)) {
        auto& remove = database.file.statement("DELETE FROM subscription WHERE session = ? AND filter = ?");
        remove.bind(1, over->session);
        remove.bindNoCopy(2, over->filter);
        remove.exec();
      }
      ++row;
    }
    for (const auto& [session, done] : batch.done) database.settle(session, done);
    database.erase(batch.erased);
    if (batch.receipt != 0) database.run("UPDATE meta SET receipt = max(receipt, ?)", {number(batch.receipt)});
    database.note_written(now);
  });
}

void SessionFile::Database::add(ChangeNo row, const change::AddPublication& added) {
  const Publication& publication = *added.publication;
  const auto topic = topics.intern(publication.topic);
  auto& insert = file.statement("INSERT OR REPLACE INTO publication VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
  insert.clearBindings();
  insert.bind(1, number(row));
  topic != 0 ? insert.bind(2, topic) : insert.bindNoCopy(2, publication.topic);
  insert.bind(3, flags_of(publication));
  insert.bind(4, static_cast<std::int64_t>(queue_cost(publication)));
  if (publication.expires) insert.bind(5, calendar(*publication.expires));
  bind_bytes(insert, 6, added.receivers);
  if (!publication.properties.empty()) bind_bytes(insert, 7, publication.properties);
  bind_bytes(insert, 8, publication.payload);
  insert.exec();
}

/// In as few ranges as there are.
void SessionFile::Database::erase(std::vector<ChangeNo> rows) {
  std::ranges::sort(rows);
  for (std::size_t begin = 0, end = 0; begin < rows.size(); begin = end) {
    for (end = begin + 1; end < rows.size() && rows[end] <= rows[end - 1] + 1;) ++end;
    run("DELETE FROM publication WHERE id BETWEEN ? AND ?", {number(rows[begin]), number(rows[end - 1])});
  }
}

void SessionFile::Database::settle(SessionRow session, std::uint64_t done) {
  run("UPDATE session SET done = ? WHERE id = ?", {number(done), session});
  run("DELETE FROM exchange WHERE session = ? AND number < ?", {session, number(done)});
}

void SessionFile::Database::save(const StoredSession& session) {
  auto& upsert = file.statement(R"(INSERT INTO session VALUES (?, ?, ?, ?, ?, 0, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE
      SET expiry = excluded.expiry, online = excluded.online, expires = excluded.expires, sent = excluded.sent,
      user = excluded.user, proof = excluded.proof, listener = excluded.listener)");
  upsert.clearBindings();
  upsert.bind(1, session.row);
  upsert.bindNoCopy(2, session.client_id);
  upsert.bind(3, static_cast<std::int64_t>(session.expiry.count()));
  upsert.bind(4, session.online ? 1 : 0);
  bind_time(upsert, 5, session.expires);
  upsert.bind(6, number(session.sent));
  upsert.bindNoCopy(7, session.owner.user);
  upsert.bind(8, static_cast<int>(session.owner.proof));
  upsert.bindNoCopy(9, session.listener);
  upsert.exec();
  if (session.will != nullptr) {
    save_will(session);
  } else {
    run("DELETE FROM will WHERE session = ?", {session.row});
  }
}

void SessionFile::Database::save_will(const StoredSession& session) {
  const StoredWill& will = *session.will;
  auto& insert = file.statement("INSERT OR REPLACE INTO will VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
  insert.clearBindings();
  insert.bind(1, session.row);
  insert.bindNoCopy(2, will.publication.topic);
  insert.bind(3, flags_of(will.publication));
  bind_bytes(insert, 4, will.publication.payload);
  bind_bytes(insert, 5, will.publication.properties);
  insert.bind(6, static_cast<std::int64_t>(will.delay.count()));
  if (will.expiry) insert.bind(7, static_cast<std::int64_t>(will.expiry->count()));
  bind_time(insert, 8, session.will_due);
  insert.exec();
}

void SessionFile::Database::end(SessionRow session) {
  for (const auto* literal : {"DELETE FROM session WHERE id = ?", "DELETE FROM will WHERE session = ?",
                              "DELETE FROM subscription WHERE session = ?", "DELETE FROM exchange WHERE session = ?",
                              "DELETE FROM incoming WHERE session = ?"}) {
    run(literal, {session});
  }
}

void SessionFile::Database::save(const change::SaveRetained& retained) {
  const Publication& publication = *retained.publication;
  auto& insert = file.statement("INSERT OR REPLACE INTO retained VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
  insert.clearBindings();
  insert.bind(1, retained.row);
  insert.bindNoCopy(2, publication.topic);
  insert.bind(3, flags_of(publication));
  insert.bind(4, calendar(publication.published));
  if (publication.expires) insert.bind(5, calendar(*publication.expires));
  insert.bindNoCopy(6, publication.origin);
  bind_bytes(insert, 7, publication.properties);
  bind_bytes(insert, 8, publication.payload);
  insert.exec();
}

}  // namespace ferrule::mqtt

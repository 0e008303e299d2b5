#include "bridge/outbox_file.hpp"

#include <SQLiteCpp/SQLiteCpp.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <utility>

#include "mqtt/database_file.hpp"

namespace ferrule::bridge {

namespace {

using mqtt::bind_bytes;
using mqtt::bytes_of;

constexpr int kApplicationId = 0x46727571;  // "Fruq"
constexpr int kSchema = 1;
constexpr std::int64_t kMaxParked = 10'000;  // rows; the oldest go first
constexpr std::uint64_t kPage = 4'096;
constexpr std::uint64_t kRowOverhead = 48;  // cell, header, seq, times, flags, pointer in the page
constexpr std::size_t kInline = 3'900;      // bytes of a row that fit a page; beyond, whole pages are taken

constexpr auto kCreate = R"(
  CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 1), reserved INTEGER NOT NULL, rows INTEGER NOT NULL,
                     bytes INTEGER NOT NULL);
  INSERT INTO meta VALUES (1, 1, 0, 0);
  CREATE TABLE topic (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
  CREATE TABLE queue (seq INTEGER PRIMARY KEY, topic NOT NULL, flags INTEGER NOT NULL, payload BLOB NOT NULL,
                      properties BLOB, published INTEGER NOT NULL, expires INTEGER);
  CREATE TABLE record (seq INTEGER NOT NULL, key TEXT NOT NULL, packet BLOB NOT NULL, PRIMARY KEY (seq, key)) WITHOUT ROWID;
  CREATE TABLE parked (seq INTEGER PRIMARY KEY, topic TEXT NOT NULL, flags INTEGER NOT NULL, payload BLOB NOT NULL,
                       properties BLOB, published INTEGER NOT NULL, expires INTEGER, reason INTEGER NOT NULL,
                       parked INTEGER NOT NULL);
)";

std::int64_t number(std::uint64_t value) { return static_cast<std::int64_t>(value); }
std::uint64_t count(std::int64_t value) { return static_cast<std::uint64_t>(std::max<std::int64_t>(value, 0)); }

std::int64_t flags_of(const Row& row) { return static_cast<int>(row.qos) | (row.retain ? 4 : 0); }

std::uint64_t cost_of(const Row& row) { return row_cost(row.topic.size(), row.payload.size(), row.properties.size()); }

}  // namespace

std::uint64_t row_cost(std::size_t topic_bytes, std::size_t payload_bytes, std::size_t properties_bytes) {
  const auto bytes = payload_bytes + properties_bytes;
  if (bytes <= kInline) return kRowOverhead + topic_bytes + bytes;
  return kRowOverhead + topic_bytes + (bytes + kPage - 1) / kPage * kPage;
}

Seq seq_of_today() {
  using std::chrono::microseconds;
  return count(std::chrono::duration_cast<microseconds>(std::chrono::system_clock::now().time_since_epoch()).count());
}

/// The open database and what of it is kept in memory.
class OutboxFile::Database {
 public:
  Database(std::filesystem::path path, Durability durability)
      : file(std::move(path),
             {.name = "outbox",
              .application_id = kApplicationId,
              .schema = kSchema,
              .create = kCreate,
              .survives_power_loss = durability == Durability::PowerLoss,
              .when_damaged = "what it holds is not sent"},
             [this](bool fresh) { load(fresh); }) {}

  SQLite::Statement& statement(const char* sql) { return file.statement(sql); }
  void write_meta();

  struct Meta {
    Seq reserved = 1;
    std::uint64_t rows = 0, bytes = 0;
    bool operator==(const Meta&) const = default;
  };
  Meta meta, committed;
  mqtt::TopicNames topics{file};
  mqtt::DatabaseFile file;  // last: reads into the others while it opens

 private:
  void load(bool fresh);
};

void OutboxFile::Database::load(bool fresh) {
  statement(R"(CREATE TABLE IF NOT EXISTS receipt (session TEXT NOT NULL, packet_id INTEGER NOT NULL,
                 number INTEGER NOT NULL, digest INTEGER NOT NULL, PRIMARY KEY (session, packet_id)) WITHOUT ROWID)")
      .exec();
  statement("CREATE TABLE IF NOT EXISTS time (id INTEGER PRIMARY KEY CHECK (id = 1), calendar INTEGER, clock INTEGER)")
      .exec();
  if (fresh) {
    auto& begin = statement("UPDATE meta SET reserved = ?");
    begin.bind(1, number(seq_of_today()));  // receivers recognise repetitions by Seq
    begin.exec();
  }
  auto& select = statement("SELECT reserved, rows, bytes FROM meta WHERE id = 1");
  if (!select.executeStep()) throw mqtt::DatabaseFile::Unusable("its table `meta` is empty");
  meta = {count(select.getColumn(0).getInt64()), count(select.getColumn(1).getInt64()),
          count(select.getColumn(2).getInt64())};
  select.reset();
  committed = meta;
  topics.load();
}

void OutboxFile::Database::write_meta() {
  if (meta == committed) return;
  auto& update = statement("UPDATE meta SET reserved = ?, rows = ?, bytes = ? WHERE id = 1");
  update.bind(1, number(meta.reserved));
  update.bind(2, number(meta.rows));
  update.bind(3, number(meta.bytes));
  update.exec();
}

OutboxFile::OutboxFile(std::filesystem::path path, Durability durability)
    : database_(std::make_unique<Database>(std::move(path), durability)) {}

OutboxFile::~OutboxFile() = default;

template <class F>
auto OutboxFile::guarded(F f) {
  return database_->file.guarded([&] { return f(*database_); });
}

void OutboxFile::begin() { database_->file.begin(); }

void OutboxFile::commit() {
  guarded([](Database& database) {
    if (database.meta.rows == 0) database.topics.forget_many();
    database.write_meta();
  });
  database_->file.commit();
  database_->committed = database_->meta;
  database_->topics.committed();
}

void OutboxFile::rollback() noexcept {
  database_->file.rollback();
  database_->topics.rolled_back();
  database_->meta = database_->committed;
}

std::uint64_t OutboxFile::size_on_disk() const { return database_->file.size_on_disk(); }
std::uint64_t OutboxFile::times_set_aside() const { return database_->file.times_set_aside(); }
bool OutboxFile::full() const { return database_->file.full(); }
std::uint64_t OutboxFile::reserve() const { return database_->file.reserve(); }

void OutboxFile::insert(const Row& row) {
  guarded([&](Database& database) {
    const auto topic = database.topics.intern(row.topic);
    auto& insert = database.statement("INSERT OR IGNORE INTO queue VALUES (?, ?, ?, ?, ?, ?, ?)");
    insert.clearBindings();
    insert.bind(1, number(row.seq));
    topic != 0 ? insert.bind(2, topic) : insert.bindNoCopy(2, row.topic);
    insert.bind(3, flags_of(row));
    bind_bytes(insert, 4, row.payload);
    if (!row.properties.empty()) bind_bytes(insert, 5, row.properties);
    insert.bind(6, row.published);
    if (row.expires) insert.bind(7, *row.expires);
    if (insert.exec() == 0) return;
    ++database.meta.rows;
    database.meta.bytes += cost_of(row);
  });
}

namespace {

constexpr auto kSizes = R"(
  SELECT length(CAST(coalesce((SELECT name FROM topic WHERE id = queue.topic), topic) AS BLOB)), length(payload),
         coalesce(length(properties), 0), seq FROM queue )";

std::uint64_t cost_of(SQLite::Statement& sizes) {
  const auto bytes = [&](int column) { return static_cast<std::size_t>(sizes.getColumn(column).getInt64()); };
  return row_cost(bytes(0), bytes(1), bytes(2));
}

}  // namespace

void OutboxFile::erase(Seq seq) {
  guarded([&](Database& database) {
    static const std::string kOne = std::string(kSizes) + "WHERE seq = ?";
    auto& sizes = database.statement(kOne.c_str());
    sizes.bind(1, number(seq));
    if (sizes.executeStep()) {
      const auto cost = cost_of(sizes);
      sizes.reset();
      auto& remove = database.statement("DELETE FROM queue WHERE seq = ?");
      remove.bind(1, number(seq));
      remove.exec();
      --database.meta.rows;
      database.meta.bytes -= std::min(cost, database.meta.bytes);
    }
    auto& records = database.statement("DELETE FROM record WHERE seq = ?");
    records.bind(1, number(seq));
    records.exec();
  });
}

OutboxFile::Removed OutboxFile::drop_oldest(Seq after, std::uint64_t bytes, const std::vector<Seq>& spared) {
  return guarded([&](Database& database) {
    static const std::string kFirst = std::string(kSizes) + "WHERE seq > ? ORDER BY seq";
    auto& oldest = database.statement(kFirst.c_str());
    oldest.bind(1, number(after));
    Removed removed;
    removed.last = after;
    std::vector<Seq> doomed;
    while (removed.bytes < bytes && oldest.executeStep()) {
      const auto seq = count(oldest.getColumn(3).getInt64());
      if (std::ranges::binary_search(spared, seq)) continue;
      removed.bytes += cost_of(oldest);
      ++removed.rows;
      removed.last = seq;
      doomed.push_back(seq);
    }
    oldest.reset();
    for (const auto* sql : {"DELETE FROM queue WHERE seq = ?", "DELETE FROM record WHERE seq = ?"}) {
      for (const Seq seq : doomed) {
        auto& remove = database.statement(sql);
        remove.bind(1, number(seq));
        remove.exec();
      }
    }
    database.meta.rows -= std::min(removed.rows, database.meta.rows);
    database.meta.bytes -= std::min(removed.bytes, database.meta.bytes);
    return removed;
  });
}

std::uint64_t OutboxFile::park(Seq seq, mqtt::Reason reason, std::int64_t now) {
  const auto excess = guarded([&](Database& database) {
    auto& copy = database.statement(R"(INSERT OR IGNORE INTO parked SELECT seq,
        coalesce((SELECT name FROM topic WHERE id = queue.topic), topic), flags, payload, properties, published, expires, ?, ?
        FROM queue WHERE seq = ?)");
    copy.bind(1, static_cast<int>(reason));
    copy.bind(2, now);
    copy.bind(3, number(seq));
    copy.exec();
    auto& trim = database.statement(
        "DELETE FROM parked WHERE seq <= (SELECT seq FROM parked ORDER BY seq DESC LIMIT 1 OFFSET ?)");
    trim.bind(1, kMaxParked);
    return static_cast<std::uint64_t>(trim.exec());
  });
  erase(seq);
  return excess;
}

void OutboxFile::put_record(Seq seq, const std::string& key, const std::string& packet) {
  guarded([&](Database& database) {
    auto& put = database.statement("INSERT OR REPLACE INTO record VALUES (?, ?, ?)");
    put.bind(1, number(seq));
    put.bindNoCopy(2, key);
    bind_bytes(put, 3, packet);
    put.exec();
  });
}

void OutboxFile::erase_records(Seq seq) {
  guarded([&](Database& database) {
    auto& remove = database.statement("DELETE FROM record WHERE seq = ?");
    remove.bind(1, number(seq));
    remove.exec();
  });
}

void OutboxFile::clear_records() {
  guarded([](Database& database) { database.statement("DELETE FROM record").exec(); });
}

void OutboxFile::put_receipt(const std::string& session, const mqtt::Receipt& receipt) {
  guarded([&](Database& database) {
    auto& put = database.statement("INSERT OR REPLACE INTO receipt VALUES (?, ?, ?, ?)");
    put.bindNoCopy(1, session);
    put.bind(2, receipt.packet_id);
    put.bind(3, number(receipt.number));
    put.bind(4, std::bit_cast<std::int64_t>(receipt.digest));
    put.exec();
  });
}

void OutboxFile::erase_receipts(std::uint64_t last) {
  guarded([&](Database& database) {
    auto& remove = database.statement("DELETE FROM receipt WHERE number <= ?");
    remove.bind(1, number(last));
    remove.exec();
  });
}

void OutboxFile::hold_receipts() {
  guarded([](Database& database) {
    auto& update = database.statement("UPDATE receipt SET number = ?");
    update.bind(1, number(kHeldReceipt));
    update.exec();
  });
}

std::vector<OutboxFile::Received> OutboxFile::receipts() {
  return guarded([](Database& database) {
    auto& select = database.statement("SELECT session, packet_id, number, digest FROM receipt");
    std::vector<Received> received;
    while (select.executeStep()) {
      const auto digest = std::bit_cast<std::uint64_t>(select.getColumn(3).getInt64());
      received.push_back({select.getColumn(0).getString(),
                          {.number = count(select.getColumn(2).getInt64()),
                           .digest = digest,
                           .packet_id = static_cast<std::uint16_t>(select.getColumn(1).getInt())}});
    }
    select.reset();
    return received;
  });
}

void OutboxFile::note_time(const Noted& now) {
  guarded([&](Database& database) {
    auto& put = database.statement("INSERT OR REPLACE INTO time VALUES (1, ?, ?)");
    put.bind(1, now.calendar);
    put.bind(2, now.clock);
    put.exec();
  });
}

std::optional<OutboxFile::Noted> OutboxFile::last_noted() {
  return guarded([](Database& database) -> std::optional<Noted> {
    auto& select = database.statement("SELECT calendar, clock FROM time");
    if (!select.executeStep()) return std::nullopt;
    const Noted noted{select.getColumn(0).getInt64(), select.getColumn(1).getInt64()};
    select.reset();
    return noted;
  });
}

void OutboxFile::reserve(Seq end) {
  guarded([&](Database& database) { database.meta.reserved = end; });
}

namespace {

/// Of seq, topic, flags, payload, properties, published, expires.
Row row_of(SQLite::Statement& select) {
  Row row;
  row.seq = count(select.getColumn(0).getInt64());
  row.topic = select.getColumn(1).getString();
  const auto flags = select.getColumn(2).getInt();
  row.qos = static_cast<mqtt::Qos>(std::clamp(flags & 3, 0, 2));
  row.retain = (flags & 4) != 0;
  row.payload = bytes_of(select.getColumn(3));
  row.properties = bytes_of(select.getColumn(4));
  row.published = select.getColumn(5).getInt64();
  if (!select.getColumn(6).isNull()) row.expires = select.getColumn(6).getInt64();
  return row;
}

}  // namespace

OutboxFile::Page OutboxFile::load(Seq after, std::size_t rows, std::uint64_t bytes) {
  return guarded([&](Database& database) {
    auto& select = database.statement(
        R"(SELECT seq, coalesce((SELECT name FROM topic WHERE id = queue.topic), topic), flags, payload,
        properties, published, expires FROM queue WHERE seq > ? ORDER BY seq)");
    select.bind(1, number(after));
    Page page;
    std::uint64_t loaded = 0;
    while (page.rows.size() < rows && (loaded < bytes || page.rows.empty())) {
      if (!select.executeStep()) {
        page.complete = true;
        break;
      }
      page.rows.push_back(row_of(select));
      loaded += cost_of(page.rows.back());
    }
    select.reset();  // an open read would keep the log from being written back
    return page;
  });
}

std::vector<LinkState::InFlight> OutboxFile::records() {
  return guarded([](Database& database) {
    auto& select = database.statement("SELECT seq, key, packet FROM record ORDER BY seq, key");
    std::vector<LinkState::InFlight> records;
    while (select.executeStep()) {
      records.push_back(
          {count(select.getColumn(0).getInt64()), select.getColumn(1).getString(), bytes_of(select.getColumn(2))});
    }
    select.reset();
    return records;
  });
}

Seq OutboxFile::reserved() const { return std::max<Seq>(database_->meta.reserved, 1); }
std::uint64_t OutboxFile::rows() const { return database_->meta.rows; }
std::uint64_t OutboxFile::bytes() const { return database_->meta.bytes; }

std::uint64_t OutboxFile::parked() {
  return guarded([](Database& database) {
    auto& select = database.statement("SELECT count(*) FROM parked");
    select.executeStep();
    const auto rows = count(select.getColumn(0).getInt64());
    select.reset();
    return rows;
  });
}

std::vector<OutboxFile::Parked> OutboxFile::parked_rows(Seq after, std::size_t rows) {
  return guarded([&](Database& database) {
    auto& select = database.statement("SELECT * FROM parked WHERE seq > ? ORDER BY seq LIMIT ?");
    select.bind(1, number(after));
    select.bind(2, number(rows));
    std::vector<Parked> found;
    while (select.executeStep()) {
      const auto reason = static_cast<mqtt::Reason>(select.getColumn(7).getInt());
      found.push_back({row_of(select), reason, select.getColumn(8).getInt64()});
    }
    select.reset();
    return found;
  });
}

std::uint64_t OutboxFile::unpark(Seq seq, Seq as) {
  const auto found = seq == 0 ? std::vector<Parked>() : parked_rows(seq - 1, 1);
  if (found.empty() || found.front().row.seq != seq) return 0;
  Row row = found.front().row;
  row.seq = as;
  insert(row);
  erase_parked(seq);
  return cost_of(row);
}

bool OutboxFile::erase_parked(Seq seq) {
  return guarded([&](Database& database) {
    auto& remove = database.statement("DELETE FROM parked WHERE seq = ?");
    remove.bind(1, number(seq));
    return remove.exec() > 0;
  });
}

}  // namespace ferrule::bridge

#include "bridge/outbox_file.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>
#include <stdexcept>
#include <unordered_map>

namespace ferrule::bridge {

namespace {

constexpr int kApplicationId = 0x46727571;  // "Fruq"
constexpr int kSchema = 1;
constexpr std::size_t kMaxInterned = 20'000;         // topics; the others stand in their rows
constexpr std::int64_t kMaxParked = 10'000;          // rows; the oldest go first
constexpr std::uintmax_t kCheckAllBelow = 32 << 20;  // bytes: a bigger file is checked only where it is read
constexpr std::uint64_t kVacuumAbove = 2'048;        // free pages
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

bool is_damage(const SQLite::Exception& error) {
  return error.getErrorCode() == SQLITE_CORRUPT || error.getErrorCode() == SQLITE_NOTADB;
}

std::uint64_t cost_of(const Row& row) { return row_cost(row.topic.size(), row.payload.size(), row.properties.size()); }

void bind_bytes(SQLite::Statement& statement, int index, const std::string& bytes) {
  statement.bindNoCopy(index, bytes.data(), static_cast<int>(bytes.size()));
}

std::string bytes_of(const SQLite::Column& column) {
  const auto* data = static_cast<const char*>(column.getBlob());
  return data == nullptr ? std::string() : std::string(data, static_cast<std::size_t>(column.getBytes()));
}

}  // namespace

std::uint64_t row_cost(std::size_t topic_bytes, std::size_t payload_bytes, std::size_t properties_bytes) {
  const auto bytes = payload_bytes + properties_bytes;
  if (bytes <= kInline) return kRowOverhead + topic_bytes + bytes;
  return kRowOverhead + topic_bytes + (bytes + kPage - 1) / kPage * kPage;
}

/// Held from construction to destruction. Beside the database, because SQLite's own locks end when any descriptor on it
/// is closed.
class OutboxFile::Lock {
 public:
  explicit Lock(const std::filesystem::path& path)
      : descriptor_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
    if (descriptor_ < 0)
      throw std::runtime_error(fmt::format("cannot create {}: {}", path.string(), std::strerror(errno)));
    if (flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
    const int error = errno;
    ::close(descriptor_);
    throw std::runtime_error(
        error == EWOULDBLOCK
            ? fmt::format("{} is held by another process: is this gateway running already?", path.string())
            : fmt::format("cannot lock {}: {}", path.string(), std::strerror(error)));
  }
  ~Lock() { ::close(descriptor_); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  const int descriptor_;
};

/// The open database with its statements and what of it is kept in memory.
class OutboxFile::Database {
 public:
  /// What makes a file unusable, though it could be opened.
  struct Unusable : std::runtime_error {
    using std::runtime_error::runtime_error;
  };

  explicit Database(const std::filesystem::path& path)
      : db(path.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE | SQLite::OPEN_NOFOLLOW, 5'000) {
    const bool fresh = pragma("page_count") == 0;
    if (fresh) db.exec("PRAGMA auto_vacuum = INCREMENTAL");  // has an effect only before the first table
    db.exec("PRAGMA journal_mode = WAL");
    db.exec("PRAGMA synchronous = FULL");  // NORMAL gives back committed rows after a power cut
    db.exec("PRAGMA journal_size_limit = 8388608");
    db.exec("PRAGMA foreign_keys = OFF");
    if (fresh) {
      create();
    } else {
      check(path);
    }
    load_meta();
  }

  std::int64_t pragma(const char* name) { return db.execAndGet(fmt::format("PRAGMA {}", name)).getInt64(); }

  SQLite::Statement& statement(const char* sql) {
    auto& slot = statements_[sql];
    if (!slot) slot = std::make_unique<SQLite::Statement>(db, sql);
    slot->reset();
    return *slot;
  }

  std::int64_t intern(const std::string& topic);
  void begin();
  void commit();
  void rollback() noexcept;

  SQLite::Database db;
  struct Meta {
    Seq reserved = 1;
    std::uint64_t rows = 0, bytes = 0;
    bool operator==(const Meta&) const = default;
  };
  Meta meta;

 private:
  void create();
  void check(const std::filesystem::path& path);
  void load_meta();
  void forget_topics();

  std::unordered_map<const char*, std::unique_ptr<SQLite::Statement>> statements_;  // by literal
  std::unordered_map<std::string, std::int64_t> topics_;
  std::vector<std::string> new_topics_;  // since begin()
  Meta committed_;
};

void OutboxFile::Database::create() {
  SQLite::Transaction transaction(db);
  db.exec(fmt::format("PRAGMA application_id = {}", kApplicationId));
  db.exec(fmt::format("PRAGMA user_version = {}", kSchema));
  db.exec(kCreate);
  // A new file begins where no older one of this gateway can have got to: receivers recognise repeats by Seq.
  auto& begin = statement("UPDATE meta SET reserved = ?");
  begin.bind(1,
             std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
                 .count());
  begin.exec();
  transaction.commit();
}

void OutboxFile::Database::check(const std::filesystem::path& path) {
  if (pragma("application_id") != kApplicationId) throw Unusable("it is a database of another program");
  if (const auto schema = pragma("user_version"); schema != kSchema) {
    throw Unusable(fmt::format("it has schema {}, and this version of Ferrule reads schema {}", schema, kSchema));
  }
  if (std::filesystem::file_size(path) > kCheckAllBelow) return;
  std::string verdict = db.execAndGet("PRAGMA quick_check(1)").getString();
  std::ranges::replace(verdict, '\n', ' ');
  if (verdict != "ok") throw Unusable(verdict);
}

void OutboxFile::Database::load_meta() {
  auto& select = statement("SELECT reserved, rows, bytes FROM meta WHERE id = 1");
  if (!select.executeStep()) throw Unusable("its table `meta` is empty");
  meta = {count(select.getColumn(0).getInt64()), count(select.getColumn(1).getInt64()),
          count(select.getColumn(2).getInt64())};
  select.reset();
  committed_ = meta;
  auto& topics = statement("SELECT name, id FROM topic");
  while (topics.executeStep()) topics_.emplace(topics.getColumn(0).getString(), topics.getColumn(1).getInt64());
  topics.reset();
}

/// 0 when there are too many already.
std::int64_t OutboxFile::Database::intern(const std::string& topic) {
  if (const auto known = topics_.find(topic); known != topics_.end()) return known->second;
  if (topics_.size() >= kMaxInterned) return 0;
  auto& insert = statement("INSERT INTO topic (name) VALUES (?)");
  insert.bindNoCopy(1, topic);
  insert.exec();
  const auto id = db.getLastInsertRowid();
  topics_.emplace(topic, id);
  new_topics_.push_back(topic);
  return id;
}

void OutboxFile::Database::begin() { statement("BEGIN IMMEDIATE").exec(); }

void OutboxFile::Database::commit() {
  if (meta.rows == 0 && topics_.size() > kMaxInterned / 2) forget_topics();
  if (meta != committed_) {
    auto& update = statement("UPDATE meta SET reserved = ?, rows = ?, bytes = ? WHERE id = 1");
    update.bind(1, number(meta.reserved));
    update.bind(2, number(meta.rows));
    update.bind(3, number(meta.bytes));
    update.exec();
  }
  statement("COMMIT").exec();
  committed_ = meta;
  new_topics_.clear();
}

void OutboxFile::Database::rollback() noexcept {
  try {
    for (auto& [sql, prepared] : statements_) prepared->tryReset();
    if (sqlite3_get_autocommit(db.getHandle()) == 0) db.exec("ROLLBACK");  // SQLite itself may have rolled back already
  } catch (const std::exception& error) {
    spdlog::error("outbox: rollback: {}", error.what());
  }
  for (const auto& topic : new_topics_) topics_.erase(topic);
  new_topics_.clear();
  meta = committed_;
}

void OutboxFile::Database::forget_topics() {
  statement("DELETE FROM topic").exec();
  topics_.clear();
}

OutboxFile::OutboxFile(std::filesystem::path path)
    : path_(std::move(path)), lock_(std::make_unique<Lock>(std::filesystem::path(path_) += ".lock")) {
  open();
}

OutboxFile::~OutboxFile() = default;

void OutboxFile::open() {
  for (bool retried = false;; retried = true) {
    try {
      database_ = std::make_unique<Database>(path_);
      size_on_disk_ = std::filesystem::file_size(path_);
      return;
    } catch (const Database::Unusable& error) {
      if (retried) throw;
      set_aside(error.what());
    } catch (const SQLite::Exception& error) {
      if (retried || !is_damage(error))
        throw std::runtime_error(fmt::format("cannot open {}: {}", path_.string(), error.what()));
      set_aside(error.what());
    }
  }
}

void OutboxFile::set_aside(const std::string& why) {
  database_.reset();
  const auto stamp = fmt::format(".corrupt-{:%Y%m%dT%H%M%SZ}", fmt::gmtime(std::time(nullptr)));
  auto target = path_;
  target += stamp;
  for (int n = 2; std::filesystem::exists(target); ++n) target = path_, target += fmt::format("{}-{}", stamp, n);
  std::error_code error;
  std::filesystem::rename(path_, target, error);
  if (error) throw std::runtime_error(fmt::format("cannot set {} aside: {}", path_.string(), error.message()));
  for (const auto* suffix : {"-wal", "-shm"}) {
    std::filesystem::rename(std::filesystem::path(path_) += suffix, std::filesystem::path(target) += suffix, error);
  }
  ++set_aside_;
  spdlog::error("outbox: {} cannot be used ({}): set aside as {}; what it holds is not sent. A new one is begun",
                path_.string(), why, target.string());
}

/// Notes damage, so that the next transaction begins a new file, and makes every error a std::runtime_error with the
/// file's name.
template <class F>
auto OutboxFile::guarded(F f) {
  if (!database_) throw std::runtime_error(fmt::format("{} is not open", path_.string()));
  try {
    return f(*database_);
  } catch (const SQLite::Exception& error) {
    damaged_ = damaged_ || is_damage(error);
    throw std::runtime_error(fmt::format("{}: {}", path_.string(), error.what()));
  }
}

void OutboxFile::begin() {
  if (damaged_ || !database_) {
    if (damaged_) set_aside("it was found damaged while in use");
    damaged_ = false;
    open();
  }
  guarded([](Database& database) { database.begin(); });
}

void OutboxFile::commit() {
  guarded([this](Database& database) {
    database.commit();
    const auto free_pages = count(database.pragma("freelist_count"));
    if (free_pages > kVacuumAbove) database.db.exec("PRAGMA incremental_vacuum(512)");
    std::error_code error;
    const auto log = std::filesystem::file_size(std::filesystem::path(path_) += "-wal", error);
    size_on_disk_ = count(database.pragma("page_count")) * kPage + (error ? 0 : log);
  });
}

void OutboxFile::rollback() noexcept {
  if (database_) database_->rollback();
}

void OutboxFile::insert(const Row& row) {
  guarded([&](Database& database) {
    const auto topic = database.intern(row.topic);
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

OutboxFile::Removed OutboxFile::drop_oldest(Seq after, std::uint64_t bytes) {
  return guarded([&](Database& database) {
    static const std::string kFirst = std::string(kSizes) + "WHERE seq > ? ORDER BY seq";
    auto& oldest = database.statement(kFirst.c_str());
    oldest.bind(1, number(after));
    Removed removed;
    Seq last = after;
    while (removed.bytes < bytes && oldest.executeStep()) {
      removed.bytes += cost_of(oldest);
      ++removed.rows;
      last = count(oldest.getColumn(3).getInt64());
    }
    oldest.reset();
    removed.last = last;
    for (const auto* sql :
         {"DELETE FROM queue WHERE seq > ? AND seq <= ?", "DELETE FROM record WHERE seq > ? AND seq <= ?"}) {
      auto& remove = database.statement(sql);
      remove.bind(1, number(after));
      remove.bind(2, number(last));
      remove.exec();
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

void OutboxFile::reserve(Seq end) {
  guarded([&](Database& database) { database.meta.reserved = end; });
}

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
      loaded += cost_of(row);
      page.rows.push_back(std::move(row));
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
  return guarded(
      [](Database& database) { return count(database.db.execAndGet("SELECT count(*) FROM parked").getInt64()); });
}

}  // namespace ferrule::bridge

#include "bridge/outbox_file.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "bridge/outbox_database.hpp"

namespace ferrule::bridge {

namespace {

using mqtt::bind_bytes;
using mqtt::bytes_of;

constexpr int kApplicationId = 0x46727571;  // "Fruq"
constexpr int kSchema = 2;                  // to be raised with every change that an older version would not understand
constexpr int kOldestSchema = 1;
constexpr std::uint64_t kMaxParked = 10'000;         // rows; the oldest go first
constexpr std::uint64_t kMaxParkedBytes = 64 << 20;  // of them, but one
constexpr auto kParkedCost = "48 + length(topic) + length(payload) + coalesce(length(properties), 0)";
constexpr std::uint64_t kPage = 2'048;      // a commit of small messages writes least with it: decision 41
constexpr std::uint64_t kRowOverhead = 48;  // cell, header, seq, times, flags, pointer in the page
constexpr std::size_t kInline = 1'900;      // bytes of a row that fit a page; beyond, whole pages are taken

constexpr auto kCreate = R"(
  CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 1), reserved INTEGER NOT NULL, rows INTEGER NOT NULL,
                     bytes INTEGER NOT NULL, counted INTEGER NOT NULL, low INTEGER NOT NULL, high INTEGER NOT NULL);
  INSERT INTO meta VALUES (1, 1, 0, 0, 0, 0, 0);
  CREATE TABLE topic (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
  CREATE TABLE queue (seq INTEGER PRIMARY KEY, topic NOT NULL, flags INTEGER NOT NULL, payload BLOB NOT NULL,
                      properties BLOB, published INTEGER NOT NULL, expires INTEGER);
  CREATE TABLE record (seq INTEGER NOT NULL, key TEXT NOT NULL, packet BLOB NOT NULL, PRIMARY KEY (seq, key)) WITHOUT ROWID;
  CREATE TABLE parked (seq INTEGER PRIMARY KEY, topic TEXT NOT NULL, flags INTEGER NOT NULL, payload BLOB NOT NULL,
                       properties BLOB, published INTEGER NOT NULL, expires INTEGER, reason INTEGER NOT NULL,
                       parked INTEGER NOT NULL);
)";

/// Those that files of schema 1 do not all have: versions that wrote it added to it without raising it.
constexpr auto kLaterTables = R"(
  CREATE TABLE IF NOT EXISTS receipt (session TEXT NOT NULL, packet_id INTEGER NOT NULL, number INTEGER NOT NULL,
                                      digest INTEGER NOT NULL, PRIMARY KEY (session, packet_id)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS time (id INTEGER PRIMARY KEY CHECK (id = 1), calendar INTEGER, clock INTEGER);
  CREATE TABLE IF NOT EXISTS exchange (seq INTEGER PRIMARY KEY, key TEXT NOT NULL, packet BLOB NOT NULL,
                                       cut INTEGER NOT NULL, leader INTEGER);
  CREATE TABLE IF NOT EXISTS release (seq INTEGER PRIMARY KEY, key TEXT NOT NULL, packet BLOB NOT NULL);
)";

const char* create_all() {
  static const auto sql = std::string(kCreate) + kLaterTables;
  return sql.c_str();
}

/// What the same files have elsewhere. The rows are counted anew, because a row costs another sum of pages now.
constexpr auto kMissingFigures = R"(
  ALTER TABLE meta ADD COLUMN counted INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE meta ADD COLUMN low INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE meta ADD COLUMN high INTEGER NOT NULL DEFAULT 0;
  UPDATE meta SET rows = 0, bytes = 0;
  DROP TABLE IF EXISTS special;
  INSERT OR REPLACE INTO exchange SELECT seq, key, packet, 0, NULL FROM record WHERE seq <> 0 AND key NOT LIKE 'sc%';
  INSERT OR REPLACE INTO release SELECT seq, key, packet FROM record WHERE seq <> 0 AND key LIKE 'sc%';
  DELETE FROM record WHERE seq <> 0;
)";

constexpr std::size_t kThinnedAtATime = 5'000;   // rows
constexpr std::uint64_t kMostUncounted = 2'000;  // rows, which take some milliseconds at a start

// length of the name, of the payload, of the properties; flags, seq
constexpr auto kSizes = R"(
  SELECT length(CAST(coalesce((SELECT name FROM topic WHERE id = queue.topic), topic) AS BLOB)), length(payload),
         coalesce(length(properties), 0), flags, seq)";

std::uint64_t cost_of(SQLite::Statement& sizes) {
  const auto bytes = [&](int column) { return static_cast<std::size_t>(sizes.getColumn(column).getInt64()); };
  return row_cost(bytes(0), bytes(1), bytes(2));
}

Seq seq_of(SQLite::Statement& sizes) { return count(sizes.getColumn(4).getInt64()); }
Priority priority_of(SQLite::Statement& sizes) { return bridge::priority_of(sizes.getColumn(3).getInt64()); }

std::int64_t flags_of(const Row& row) {
  const auto code = std::ranges::find(kPriorityCodes, row.priority) - kPriorityCodes.begin();
  return static_cast<int>(row.qos) | (row.retain ? 4 : 0) | code << kPriorityShift;
}

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

OutboxFile::Database::Database(std::filesystem::path path, Durability durability)
    : file(std::move(path),
           {.name = "outbox",
            .application_id = kApplicationId,
            .schema = kSchema,
            .oldest_schema = kOldestSchema,
            .create = create_all(),
            .survives_power_loss = durability == Durability::PowerLoss,
            .page_size = kPage,
            .when_damaged = "what it holds is not sent"},
           [this](bool fresh) { load(fresh); }) {}

void OutboxFile::Database::load(bool fresh) {
  fresh ? begin_seqs() : upgrade();
  auto& select = statement("SELECT reserved, rows, bytes, low, high, counted FROM meta WHERE id = 1");
  if (!select.executeStep()) throw mqtt::DatabaseFile::Unusable("its table `meta` is empty");
  const auto column = [&](int i) { return count(select.getColumn(i).getInt64()); };
  meta = {column(0), column(1), column(2), column(3), column(4), column(5), column(5)};
  select.reset();
  count_the_rest();
  committed = meta;
  topics.load();
}

/// Receivers recognise repetitions by Seq.
void OutboxFile::Database::begin_seqs() {
  auto& begin = statement("UPDATE meta SET reserved = ?");
  begin.bind(1, number(seq_of_today()));
  begin.exec();
}

/// All or nothing: a kill leaves a file of the old schema.
void OutboxFile::Database::upgrade() {
  if (file.pragma("user_version") == kSchema) return;
  auto& columns = statement("SELECT count(*) FROM pragma_table_info('meta') WHERE name = 'counted'");
  columns.executeStep();
  const bool has_figures = columns.getColumn(0).getInt() != 0;
  columns.reset();
  file.execute("BEGIN IMMEDIATE");
  file.execute(kLaterTables);
  if (!has_figures) file.execute(kMissingFigures);
  file.execute(fmt::format("PRAGMA user_version = {}", kSchema).c_str());
  file.execute("COMMIT");
}

/// The rows behind `counted`; but for those that the disk cannot read, which are no reason to give up the others.
void OutboxFile::Database::count_the_rest() {
  static const std::string kRest = std::string(kSizes) + " FROM queue WHERE seq > ? ORDER BY seq";
  auto& rest = statement(kRest.c_str());
  rest.bind(1, number(meta.counted));
  try {
    while (rest.executeStep()) add(seq_of(rest), priority_of(rest), cost_of(rest));
  } catch (const SQLite::Exception& error) {
    if (error.getErrorCode() != SQLITE_IOERR) throw;
  }
  rest.tryReset();
}

void OutboxFile::Database::write_meta() {
  if (!meta.stale && meta.uncounted < kMostUncounted && meta.reserved == committed.reserved) return;
  meta.counted = meta.newest;
  meta.uncounted = 0;
  meta.stale = false;
  auto& update =
      statement("UPDATE meta SET reserved = ?, rows = ?, bytes = ?, low = ?, high = ?, counted = ? WHERE id = 1");
  int index = 0;
  for (const auto value : {meta.reserved, meta.rows, meta.bytes, meta.low, meta.high, meta.counted}) {
    update.bind(++index, number(value));
  }
  update.exec();
}

void OutboxFile::Database::add(Seq seq, Priority priority, std::uint64_t cost) {
  ++meta.rows;
  meta.bytes += cost;
  if (priority == Priority::Low) ++meta.low;
  if (priority == Priority::High) ++meta.high;
  meta.newest = std::max(meta.newest, seq);
  seq > meta.counted ? static_cast<void>(++meta.uncounted) : static_cast<void>(meta.stale = true);
}

void OutboxFile::Database::take_off(Seq seq, Priority priority, std::uint64_t cost) {
  const auto less = [](std::uint64_t& from, std::uint64_t by) { from -= std::min(by, from); };
  less(meta.rows, 1);
  less(meta.bytes, cost);
  if (priority == Priority::Low) less(meta.low, 1);
  if (priority == Priority::High) less(meta.high, 1);
  meta.stale = meta.stale || seq <= meta.counted;
}

void OutboxFile::Database::remove(const std::vector<Seq>& seqs) {
  each_run(seqs, [this](Seq first, Seq last) { remove(first, last); });
}

void OutboxFile::Database::remove(Seq first, Seq last) {
  for (const auto* sql :
       {"DELETE FROM queue WHERE seq BETWEEN ? AND ?", "DELETE FROM exchange WHERE seq BETWEEN ? AND ?",
        "DELETE FROM release WHERE seq BETWEEN ? AND ?"}) {
    auto& remove = statement(sql);
    remove.bind(1, number(first));
    remove.bind(2, number(last));
    remove.exec();
  }
}

OutboxFile::OutboxFile(std::filesystem::path path, Durability durability)
    : database_(std::make_unique<Database>(std::move(path), durability)) {}

OutboxFile::~OutboxFile() = default;

void OutboxFile::begin() { database_->file.begin(); }

void OutboxFile::commit() {
  guarded([](Database& database) {
    if (database.meta.rows == 0) database.topics.forget_many();
    database.write_meta();
  });
  database_->file.commit();
  database_->committed = database_->meta;
  database_->parked_dropped_committed += std::exchange(database_->parked_dropped, 0);
  database_->topics.committed();
}

void OutboxFile::rollback() noexcept {
  database_->file.rollback();
  database_->topics.rolled_back();
  database_->meta = database_->committed;
  database_->parked.reset();
  database_->parked_dropped = 0;
  database_->none_before = {};
  database_->thinned_until = 0;
  database_->thinner = {};
}

std::uint64_t OutboxFile::size_on_disk() const { return database_->file.size_on_disk(); }
std::uint64_t OutboxFile::times_set_aside() const { return database_->file.times_set_aside(); }
std::uint64_t OutboxFile::parked_dropped() const { return database_->parked_dropped_committed; }
bool OutboxFile::full() const { return database_->file.full(); }
std::uint64_t OutboxFile::reserve() const { return database_->file.reserve(); }

void OutboxFile::insert(const Row& row) {
  if (delivered_.contains(row.seq)) return;
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
    database.add(row.seq, row.priority, cost_of(row));
  });
}

void OutboxFile::erase_delivered(const std::vector<Seq>& seqs) {
  erase(seqs);
  delivered_.insert(seqs.begin(), seqs.end());
}

void OutboxFile::erase(std::vector<Seq> seqs) {
  for (const Seq seq : seqs) delivered_.erase(seq);
  std::ranges::sort(seqs);
  guarded([&](Database& database) {
    static const std::string kRun = std::string(kSizes) + " FROM queue WHERE seq BETWEEN ? AND ?";
    each_run(seqs, [&](Seq first, Seq last) {
      auto& sizes = database.statement(kRun.c_str());
      sizes.bind(1, number(first));
      sizes.bind(2, number(last));
      while (sizes.executeStep()) database.take_off(seq_of(sizes), priority_of(sizes), cost_of(sizes));
      sizes.reset();
      database.remove(first, last);
    });
  });
}

OutboxFile::Removed OutboxFile::drop_oldest(const Range& range, std::uint64_t bytes, Priority priority) {
  return guarded([&](Database& database) {
    static const std::string kFirst = std::string(kSizes) + " FROM queue WHERE seq > ? ORDER BY seq";
    auto& before = database.none_before[static_cast<std::size_t>(priority)];
    auto& oldest = database.statement(kFirst.c_str());
    before = std::max(before, range.after);
    oldest.bind(1, number(before));
    Removed removed;
    while (removed.bytes < bytes && !removed.complete) {
      removed.complete = !oldest.executeStep();
      if (removed.complete) break;
      const auto seq = seq_of(oldest);
      if (seq < range.complete_until) before = seq;
      if (priority_of(oldest) != priority || range.spared.contains(seq)) continue;
      const auto cost = cost_of(oldest);
      removed.bytes += cost;
      removed.seqs.push_back(seq);
      database.take_off(seq, priority, cost);
    }
    oldest.reset();
    database.remove(removed.seqs);
    return removed;
  });
}

OutboxFile::Removed OutboxFile::thin(const Range& range, std::int64_t end, std::chrono::milliseconds interval) {
  return guarded([&](Database& database) {
    static const std::string kOld =
        std::string(kSizes) + R"(, published, coalesce((SELECT name FROM topic WHERE id = queue.topic), topic)
        FROM queue WHERE seq > ? AND seq < ? ORDER BY seq LIMIT ?)";
    auto& old = database.statement(kOld.c_str());
    database.thinned_until = std::max(database.thinned_until, range.after);
    old.bind(1, number(database.thinned_until));
    old.bind(2, number(range.complete_until));
    old.bind(3, number(kThinnedAtATime));
    Removed removed;
    std::size_t seen = 0;
    for (; old.executeStep() && old.getColumn(5).getInt64() < end; ++seen) {
      const auto seq = database.thinned_until = seq_of(old);
      const auto priority = priority_of(old);
      if (priority == Priority::High || range.spared.contains(seq)) continue;
      if (database.thinner.keeps(old.getColumn(6).getString(), old.getColumn(5).getInt64(), interval)) continue;
      const auto cost = cost_of(old);
      removed.bytes += cost;
      removed.seqs.push_back(seq);
      database.take_off(seq, priority, cost);
    }
    removed.complete = seen < kThinnedAtATime;
    old.reset();
    database.remove(removed.seqs);
    return removed;
  });
}

OutboxFile::Database::ParkedSize& OutboxFile::Database::parked_size() {
  if (parked) return *parked;
  static const auto sql = fmt::format("SELECT count(*), coalesce(sum({}), 0) FROM parked", kParkedCost);
  auto& all = statement(sql.c_str());
  all.executeStep();
  parked = ParkedSize{count(all.getColumn(0).getInt64()), count(all.getColumn(1).getInt64())};
  all.reset();
  return *parked;
}

/// 0 when it is not parked.
std::uint64_t OutboxFile::Database::parked_cost(Seq seq) {
  static const auto sql = fmt::format("SELECT {} FROM parked WHERE seq = ?", kParkedCost);
  auto& one = statement(sql.c_str());
  one.bind(1, number(seq));
  const auto cost = one.executeStep() ? count(one.getColumn(0).getInt64()) : 0;
  one.reset();
  return cost;
}

/// The oldest go.
void OutboxFile::Database::trim_parked() {
  auto& size = parked_size();
  while (size.rows > kMaxParked || (size.bytes > kMaxParkedBytes && size.rows > 1)) {
    auto& oldest = statement("SELECT min(seq) FROM parked");
    oldest.executeStep();
    const auto seq = count(oldest.getColumn(0).getInt64());
    oldest.reset();
    --size.rows;
    size.bytes -= std::min(size.bytes, parked_cost(seq));
    auto& remove = statement("DELETE FROM parked WHERE seq = ?");
    remove.bind(1, number(seq));
    remove.exec();
    ++parked_dropped;
  }
}

void OutboxFile::park(Seq seq, mqtt::Reason reason, std::int64_t now) {
  guarded([&](Database& database) {
    auto& size = database.parked_size();
    auto& copy = database.statement(R"(INSERT OR IGNORE INTO parked SELECT seq,
        coalesce((SELECT name FROM topic WHERE id = queue.topic), topic), flags, payload, properties, published, expires, ?, ?
        FROM queue WHERE seq = ?)");
    copy.bind(1, static_cast<int>(reason));
    copy.bind(2, now);
    copy.bind(3, number(seq));
    if (copy.exec() == 0) return;
    ++size.rows;
    size.bytes += database.parked_cost(seq);
    database.trim_parked();
  });
  erase({seq});
}

}  // namespace ferrule::bridge

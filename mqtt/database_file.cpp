#include "mqtt/database_file.hpp"

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
#include <cstring>
#include <ctime>
#include <utility>

namespace ferrule::mqtt {

namespace {

constexpr std::size_t kMaxInterned = 20'000;         // topics; the others stand in their rows
constexpr std::uintmax_t kCheckAllBelow = 32 << 20;  // bytes: a bigger file is checked only where it is read
constexpr std::int64_t kVacuumAbove = 2'048;         // free pages
constexpr std::uint64_t kPage = 4'096;

bool is_damage(const SQLite::Exception& error) {
  return error.getErrorCode() == SQLITE_CORRUPT || error.getErrorCode() == SQLITE_NOTADB;
}

}  // namespace

/// Held from construction to destruction. Beside the database, because SQLite's own locks end when any descriptor on it
/// is closed.
class DatabaseFile::Lock {
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

DatabaseFile::DatabaseFile(std::filesystem::path path, const DatabaseFormat& format, std::function<void(bool)> opened,
                           bool make)
    : path_(std::move(path)),
      format_(format),
      opened_(std::move(opened)),
      lock_(std::make_unique<Lock>(std::filesystem::path(path_) += ".lock")) {
  if (make || std::filesystem::exists(path_)) open();
}

DatabaseFile::~DatabaseFile() { close(); }

void DatabaseFile::close() {
  statements_.clear();
  database_.reset();
}

void DatabaseFile::open() {
  for (bool retried = false;; retried = true) {
    try {
      open_database();
      size_on_disk_ = std::filesystem::file_size(path_);
      return;
    } catch (const Unusable& error) {
      if (retried) throw;
      set_aside(error.what());
    } catch (const SQLite::Exception& error) {
      if (retried || !is_damage(error)) {
        close();
        throw std::runtime_error(fmt::format("cannot open {}: {}", path_.string(), error.what()));
      }
      set_aside(error.what());
    }
  }
}

void DatabaseFile::open_database() {
  close();
  database_ = std::make_unique<SQLite::Database>(
      path_.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE | SQLite::OPEN_NOFOLLOW, 5'000);
  // With a header and nothing in it, its creation was cut short.
  const bool fresh = pragma("schema_version") == 0 && pragma("application_id") == 0;
  if (fresh) execute("PRAGMA auto_vacuum = INCREMENTAL");  // has an effect only before the first table
  execute("PRAGMA journal_mode = WAL");
  execute("PRAGMA synchronous = FULL");  // NORMAL gives back committed rows after a power cut
  execute("PRAGMA journal_size_limit = 8388608");
  execute("PRAGMA foreign_keys = OFF");
  if (!fresh) {
    check();
    return opened_(false);
  }
  SQLite::Transaction transaction(*database_);
  execute(fmt::format("PRAGMA application_id = {}", format_.application_id).c_str());
  execute(fmt::format("PRAGMA user_version = {}", format_.schema).c_str());
  execute(format_.create);
  opened_(true);
  transaction.commit();
}

void DatabaseFile::check() {
  if (pragma("application_id") != format_.application_id) throw Unusable("it is a database of another program");
  if (const auto schema = pragma("user_version"); schema != format_.schema) {
    throw Unusable(
        fmt::format("it has schema {}, and this version of Ferrule reads schema {}", schema, format_.schema));
  }
  if (std::filesystem::file_size(path_) > kCheckAllBelow) return;
  std::string verdict = database_->execAndGet("PRAGMA quick_check(1)").getString();
  std::ranges::replace(verdict, '\n', ' ');
  if (verdict != "ok") throw Unusable(verdict);
}

void DatabaseFile::set_aside(const std::string& why) {
  close();
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
  spdlog::error("{}: {} cannot be used ({}): set aside as {}; {}. A new one is begun", format_.name, path_.string(),
                why, target.string(), format_.when_damaged);
}

void DatabaseFile::explain() {
  try {
    throw;
  } catch (const SQLite::Exception& error) {
    damaged_ = damaged_ || is_damage(error);
    throw std::runtime_error(fmt::format("{}: {}", path_.string(), error.what()));
  }
}

void DatabaseFile::require_open() const {
  if (!database_) throw std::runtime_error(fmt::format("{} is not open", path_.string()));
}

// Transactions

void DatabaseFile::begin() {
  if (damaged_ || !database_) {
    if (damaged_) set_aside("it was found damaged while in use");
    damaged_ = false;
    open();
  }
  guarded([this] { statement("BEGIN IMMEDIATE").exec(); });
}

void DatabaseFile::commit() {
  guarded([this] {
    statement("COMMIT").exec();
    if (pragma("freelist_count") > kVacuumAbove) execute("PRAGMA incremental_vacuum(512)");
    std::error_code error;
    const auto log = std::filesystem::file_size(std::filesystem::path(path_) += "-wal", error);
    size_on_disk_ = static_cast<std::uint64_t>(pragma("page_count")) * kPage + (error ? 0 : log);
  });
}

void DatabaseFile::rollback() noexcept {
  if (!database_) return;
  try {
    for (auto& [sql, prepared] : statements_) prepared->tryReset();
    if (sqlite3_get_autocommit(database_->getHandle()) == 0) execute("ROLLBACK");  // SQLite may have done so already
  } catch (const std::exception& error) {
    spdlog::error("{}: rollback: {}", format_.name, error.what());
  }
}

// Statements

SQLite::Statement& DatabaseFile::statement(const char* literal) {
  auto& slot = statements_[literal];
  if (!slot) slot = std::make_unique<SQLite::Statement>(*database_, literal);
  slot->reset();
  return *slot;
}

void DatabaseFile::execute(const char* sql) { database_->exec(sql); }

std::int64_t DatabaseFile::pragma(const char* name) {
  return database_->execAndGet(fmt::format("PRAGMA {}", name)).getInt64();
}

std::int64_t DatabaseFile::last_rowid() const { return database_->getLastInsertRowid(); }

// TopicNames

void TopicNames::load() {
  numbers_.clear();
  new_.clear();
  auto& topics = file_.statement("SELECT name, id FROM topic");
  while (topics.executeStep()) numbers_.emplace(topics.getColumn(0).getString(), topics.getColumn(1).getInt64());
  topics.reset();
}

std::int64_t TopicNames::intern(const std::string& topic) {
  if (const auto known = numbers_.find(topic); known != numbers_.end()) return known->second;
  if (numbers_.size() >= kMaxInterned) return 0;
  auto& insert = file_.statement("INSERT INTO topic (name) VALUES (?)");
  insert.bindNoCopy(1, topic);
  insert.exec();
  const auto number = file_.last_rowid();
  numbers_.emplace(topic, number);
  new_.push_back(topic);
  return number;
}

void TopicNames::forget_many() {
  if (numbers_.size() <= kMaxInterned / 2) return;
  file_.statement("DELETE FROM topic").exec();
  numbers_.clear();
}

void TopicNames::rolled_back() noexcept {
  for (const auto& topic : new_) numbers_.erase(topic);
  new_.clear();
}

// Bytes

void bind_bytes(SQLite::Statement& statement, int index, std::string_view bytes) {
  statement.bindNoCopy(index, bytes.data(), static_cast<int>(bytes.size()));
}

std::string bytes_of(const SQLite::Column& column) {
  const auto* data = static_cast<const char*>(column.getBlob());
  return data == nullptr ? std::string() : std::string(data, static_cast<std::size_t>(column.getBytes()));
}

}  // namespace ferrule::mqtt

#include "mqtt/database_file.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <sys/stat.h>
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
constexpr std::int64_t kVacuumAbove = 8 << 20;       // free bytes
constexpr std::int64_t kVacuumed = 2 << 20;          // bytes at a time
constexpr std::int64_t kLargestLog = 4 << 20;        // bytes, before they are written back to the database

bool is_damage(const SQLite::Exception& error) {
  return error.getErrorCode() == SQLITE_CORRUPT || error.getErrorCode() == SQLITE_NOTADB;
}

}  // namespace

/// Held from construction to destruction. Beside the database, because SQLite's own locks end when any descriptor on it
/// is closed. Its one byte says that the database was open, and so has a log, when the process ended.
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

  bool was_open() const {
    char mark = 0;
    return pread(descriptor_, &mark, 1, 0) == 1 && mark == kOpen;
  }
  /// Best effort: on a full disk there is no mark.
  void note_open(bool open) const {
    [[maybe_unused]] const auto ignored = open ? pwrite(descriptor_, &kOpen, 1, 0) : ftruncate(descriptor_, 0);
  }

  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  static constexpr char kOpen = '+';
  const int descriptor_;
};

DatabaseFile::DatabaseFile(std::filesystem::path path, const DatabaseFormat& format, std::function<void(bool)> opened,
                           bool make)
    : path_(std::move(path)),
      format_(format),
      opened_(std::move(opened)),
      lock_(std::make_unique<Lock>(std::filesystem::path(path_) += ".lock")),
      reserve_(std::filesystem::path(path_) += ".reserve") {
  if (make || std::filesystem::exists(path_)) open();
}

DatabaseFile::~DatabaseFile() { close(); }

void DatabaseFile::close() {
  statements_.clear();
  // On a full disk the log keeps its room: the next start needs it to delete.
  if (database_ && full_) sqlite3_db_config(database_->getHandle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  if (!database_) return;
  database_.reset();
  lock_->note_open(false);
}

/// A process that was killed leaves the log behind. Somebody has taken it away.
bool DatabaseFile::lost_its_log() const {
  std::error_code error;
  const bool there = std::filesystem::file_size(path_, error) > 0 && !error;
  return there && lock_->was_open() && !std::filesystem::exists(std::filesystem::path(path_) += "-wal");
}

void DatabaseFile::open() {
  const bool log_lost = lost_its_log();
  for (bool renewed = false, gave_back = false;;) {
    try {
      open_database();
      size_on_disk_ = std::filesystem::file_size(path_);
      set_full(!reserve_.take());
      lock_->note_open(true);
      if (!log_lost || renewed) return;
      ++set_aside_;
      spdlog::error("{}: the log of {} is gone, and with it what was written last; going on with the rest",
                    format_.name, path_.string());
      return;
    } catch (const Unusable& error) {
      if (std::exchange(renewed, true)) throw;
      set_aside(error.what());
    } catch (const SQLite::Exception& error) {
      note(error);
      const bool damage = std::exchange(damaged_, false);
      if (damage && !std::exchange(renewed, true)) {
        set_aside(error.what());
      } else if (!full_ || std::exchange(gave_back, true)) {
        close();
        throw std::runtime_error(fmt::format("cannot open {}: {}", path_.string(), error.what()));
      }
    }
  }
}

/// SQLite would make it readable for everybody. Its log gets the same permissions.
void make_for_us_alone(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor < 0) return;  // SQLite says why
  [[maybe_unused]] const int ignored = fchmod(descriptor, 0600);
  ::close(descriptor);
}

void DatabaseFile::open_database() {
  close();
  make_for_us_alone(path_);
  database_ = std::make_unique<SQLite::Database>(
      path_.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE | SQLite::OPEN_NOFOLLOW, 5'000);
  // Before anything is read: the lock is ours anyway, and the index of the log needs no file then, which may find no
  // room.
  execute("PRAGMA locking_mode = EXCLUSIVE");
  // With a header and nothing in it, its creation was cut short.
  if (pragma("schema_version") == 0 && pragma("application_id") == 0) return create();
  tune();
  check();
  opened_(false);
}

/// With one fsync instead of eleven, which take tens of milliseconds: a power cut may undo all of it. The first commit
/// afterwards, which waits for the log with all that is in it, needs no more than the header to be there: SQLite
/// removes the log of an empty file.
void DatabaseFile::create() {
  execute("PRAGMA synchronous = OFF");
  execute("PRAGMA journal_mode = MEMORY");
  // These two have an effect only before the first table.
  execute(fmt::format("PRAGMA page_size = {}", format_.page_size).c_str());
  execute("PRAGMA auto_vacuum = INCREMENTAL");
  execute("PRAGMA journal_mode = WAL");  // writes the header
  sync_header();
  tune();
  execute("PRAGMA synchronous = OFF");
  SQLite::Transaction transaction(*database_);
  execute(fmt::format("PRAGMA application_id = {}", format_.application_id).c_str());
  execute(fmt::format("PRAGMA user_version = {}", format_.schema).c_str());
  execute(format_.create);
  opened_(true);
  transaction.commit();
  wait_for_disk();
}

/// At each commit, if that is wanted. NORMAL gives back committed rows after a power cut.
void DatabaseFile::wait_for_disk() {
  execute(format_.survives_power_loss ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
}

void DatabaseFile::sync_header() {
  sqlite3_file* file = nullptr;
  sqlite3_file_control(database_->getHandle(), "main", SQLITE_FCNTL_FILE_POINTER, &file);
  const int result = file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
  if (result != SQLITE_OK) throw SQLite::Exception(database_->getHandle(), result);
}

void DatabaseFile::tune() {
  execute("PRAGMA journal_mode = WAL");
  wait_for_disk();
  execute(fmt::format("PRAGMA journal_size_limit = {}", reserve_.size()).c_str());
  execute("PRAGMA wal_autocheckpoint = 0");  // see write_back
  execute("PRAGMA secure_delete = OFF");     // Debian's default overwrites what is deleted
  execute("PRAGMA temp_store = MEMORY");
  execute("PRAGMA foreign_keys = OFF");
  page_size_ = pragma("page_size");  // of a file that is there already, another one than asked for perhaps
  log_size_ = kLargestLog;           // whatever is in there is written back after the first commit
  sqlite3_wal_hook(
      database_->getHandle(),
      [](void* self, sqlite3*, const char*, int pages) {
        auto* file = static_cast<DatabaseFile*>(self);
        file->log_size_ = pages * file->page_size_;
        return SQLITE_OK;
      },
      this);
}

/// "... unable to get the page. error code=266", or "failed to get page 82" of a long row: a sector that cannot be read
/// is no reason to give up all the others.
bool is_unreadable(const std::string& verdict) {
  constexpr std::string_view kCode = "error code=";
  if (verdict.find("failed to get page") != std::string::npos) return true;
  const auto at = verdict.find(kCode);
  return at != std::string::npos && (std::atoi(verdict.c_str() + at + kCode.size()) & 0xff) == SQLITE_IOERR;
}

void DatabaseFile::check() {
  if (pragma("application_id") != format_.application_id) throw Unusable("it is a database of another program");
  const auto schema = pragma("user_version");
  if (schema > format_.schema) {
    throw Unusable(
        fmt::format("a newer Ferrule wrote it, with schema {}, and this one reads schema {}: that one takes "
                    "it up when it gets its name back",
                    schema, format_.schema));
  }
  if (schema < format_.oldest_schema) {
    throw Unusable(
        fmt::format("it has schema {}, and this version of Ferrule reads schema {}", schema, format_.schema));
  }
  if (std::filesystem::file_size(path_) > kCheckAllBelow) return;
  std::string verdict = database_->execAndGet("PRAGMA quick_check(1)").getString();
  std::ranges::replace(verdict, '\n', ' ');
  if (verdict == "ok") return;
  if (!is_unreadable(verdict)) throw Unusable(verdict);
  spdlog::error("{}: the disk cannot read all of {}: {}", format_.name, path_.string(), verdict);
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
    note(error);
    throw std::runtime_error(fmt::format("{}: {}", path_.string(), error.what()));
  }
}

/// Of an error of SQLite: what has to be done because of it.
void DatabaseFile::note(const SQLite::Exception& error) {
  damaged_ = damaged_ || is_damage(error);
  doubtful_ = doubtful_ || error.getExtendedErrorCode() == SQLITE_IOERR_FSYNC;
  if (error.getErrorCode() != SQLITE_FULL && !(error.getErrorCode() == SQLITE_IOERR && found_no_room())) return;
  run_out();
}

void DatabaseFile::run_out() {
  reserve_.give_back();
  set_full(true);
}

/// What SQLite calls an I/O error may be a quota, or a limit on files. Asks its files for their last errno.
bool DatabaseFile::found_no_room() const {
  if (!database_) return false;
  for (const int which : {SQLITE_FCNTL_FILE_POINTER, SQLITE_FCNTL_JOURNAL_POINTER}) {
    sqlite3_file* file = nullptr;
    sqlite3_file_control(database_->getHandle(), "main", which, &file);
    int cause = 0;
    if (file == nullptr || file->pMethods == nullptr) continue;
    file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &cause);
    if (cause == ENOSPC || cause == EDQUOT || cause == EFBIG) return true;
  }
  return false;
}

void DatabaseFile::set_full(bool full) {
  if (full_.exchange(full) == full) return;
  if (full) {
    spdlog::warn("{}: the disk of {} is full: nothing is added until {} KB are free again", format_.name,
                 path_.string(), 2 * reserve_.size() >> 10);
  } else {
    spdlog::info("{}: the disk of {} has room again", format_.name, path_.string());
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
  guarded([this] {
    if (doubtful_) begin_log_anew();
    statement("BEGIN IMMEDIATE").exec();
  });
}

/// What a failed fsync should have brought to the disk counts as written to Linux, and no later one brings it there:
/// some of it lies before what is added next, and without it nothing behind it would be read. What was committed goes
/// to the database, from memory where it has to, and only when that is on disk something is committed again.
void DatabaseFile::begin_log_anew() {
  checkpoint(SQLITE_CHECKPOINT_TRUNCATE);
  doubtful_ = false;
}

void DatabaseFile::commit() {
  guarded([this] {
    if (full_) spare_the_rest();
    statement("COMMIT").exec();
  });
  tidy();
}

void DatabaseFile::rollback() noexcept {
  if (!database_) return;
  try {
    for (auto& [sql, prepared] : statements_) prepared->tryReset();
    if (sqlite3_get_autocommit(database_->getHandle()) == 0) execute("ROLLBACK");  // SQLite may have done so already
    if (full_) write_back();
  } catch (const std::exception& error) {
    spdlog::error("{}: rollback: {}", format_.name, error.what());
  }
}

// Room

/// After a commit. What fails here is tried again after the next one: the commit holds.
void DatabaseFile::tidy() {
  try {
    if (full_) write_back();  // then there is room in the log to move pages
    hand_back_pages();
    if (full_ || log_size_ >= std::min(kLargestLog, static_cast<std::int64_t>(reserve_.size() / 2))) write_back();
    std::error_code error;
    const auto log = std::filesystem::file_size(std::filesystem::path(path_) += "-wal", error);
    size_on_disk_ = static_cast<std::uint64_t>(pragma("page_count") * page_size_) + (error ? 0 : log);
  } catch (const SQLite::Exception& error) {
    note(error);
    spdlog::warn("{}: {}: tidying up: {}", format_.name, path_.string(), error.what());
  }
  if (full_ && reserve_.take()) set_full(false);
}

/// On a full disk what makes the database grow has to leave enough of the reserve for the log to be written back: else
/// nothing could be deleted any more.
void DatabaseFile::spare_the_rest() {
  const auto grows = growth();
  if (grows <= 0 || has_room_for(grows + static_cast<std::int64_t>(reserve_.size() / 4))) return;
  throw SQLite::Exception("the rest of the disk is for what frees room", SQLITE_FULL);
}

/// Bytes by which the file grows when the log is written back to it.
std::int64_t DatabaseFile::growth() {
  std::error_code error;
  const auto size = std::filesystem::file_size(path_, error);
  return error ? 0 : (pragma("page_count") * page_size_) - static_cast<std::int64_t>(size);
}

/// A log that is never written back grows for ever. When the disk has no room for what the database grows by, the
/// reserve is needed now: later there would be more in the log than it takes. Where even that is not enough nothing is
/// tried, because it would be eaten up without getting anywhere.
void DatabaseFile::write_back() {
  const auto grows = growth();
  if (!has_room_for(grows)) run_out();
  if (!has_room_for(grows)) return;
  checkpoint(SQLITE_CHECKPOINT_PASSIVE);
}

void DatabaseFile::checkpoint(int mode) {
  const int result = sqlite3_wal_checkpoint_v2(database_->getHandle(), nullptr, mode, nullptr, nullptr);
  if (result != SQLITE_OK) throw SQLite::Exception(database_->getHandle(), result);
}

bool DatabaseFile::has_room_for(std::int64_t bytes) const {
  if (bytes <= 0) return true;
  std::error_code error;
  const auto space = std::filesystem::space(path_, error);
  return error || space.available >= static_cast<std::uint64_t>(bytes);
}

/// Free pages beyond what is soon used again, a few at a time; on a full disk all that the reserve has room to move.
void DatabaseFile::hand_back_pages() {
  const auto bytes = full_ ? std::min(kVacuumed, static_cast<std::int64_t>(reserve_.size() / 4)) : kVacuumed;
  if (pragma("freelist_count") * page_size_ > (full_ ? 2 * bytes : kVacuumAbove)) {
    execute(fmt::format("PRAGMA incremental_vacuum({})", bytes / page_size_).c_str());
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

// One SQLite database of ours: opened alone, set aside when it cannot be used, its statements prepared once.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "mqtt/disk_reserve.hpp"

namespace SQLite {
class Column;
class Database;
class Exception;
class Statement;
}  // namespace SQLite

namespace ferrule::mqtt {

/// What a database is of: files of another application or schema are not touched.
struct DatabaseFormat {
  std::string_view name;  ///< for log lines: "outbox"
  int application_id;
  int schema;
  int oldest_schema = schema;       ///< that `opened` can make one of `schema` of
  const char* create;               ///< SQL that makes the tables
  bool survives_power_loss = true;  ///< a commit waits for the disk
  int page_size = 4'096;            ///< bytes, of a new file
  std::string_view when_damaged;    ///< for the log line, what becomes of the contents: "what it holds is not sent"
};

/// When the disk is full it gives back a reserve, so that what was accepted before still gets there, deleting works,
/// and a start does. `full` says so: until the reserve could be taken again, whoever adds to the file is to do without.
///
/// Thread: the store's, but for the constructor and what is marked otherwise.
class DatabaseFile {
 public:
  /// What makes a file unusable, though it could be opened.
  struct Unusable : std::runtime_error {
    using std::runtime_error::runtime_error;
  };

  /// Opens or creates `path`, alone: throws std::runtime_error when another process has it, or when it cannot be
  /// written. A file that is damaged, foreign or of another schema is renamed to `<path>.corrupt-<UTC time>` with a
  /// line in the log, and a new one is begun. `opened` is called whenever a file was opened: it reads what is kept in
  /// memory, and may throw Unusable. `fresh`: it was made just now; still inside the transaction that makes it.
  /// `make`: when it is not there it is made at once, else at the first `begin`.
  DatabaseFile(std::filesystem::path path, const DatabaseFormat& format, std::function<void(bool fresh)> opened,
               bool make = true);
  ~DatabaseFile();
  DatabaseFile(const DatabaseFile&) = delete;
  DatabaseFile& operator=(const DatabaseFile&) = delete;

  /// After a job found damage, sets the file aside and begins a new one.
  void begin();
  void commit();
  void rollback() noexcept;

  /// Calls `f`; errors of SQLite become a std::runtime_error with the file's name, and damage is noted for `begin`.
  template <class F>
  auto guarded(F f) {
    try {
      require_open();
      return f();
    } catch (...) {
      explain();
    }
  }

  // Inside `guarded`.
  SQLite::Statement& statement(const char* literal);  ///< prepared at the first call, reset at the others
  void execute(const char* sql);
  std::int64_t pragma(const char* name);
  std::int64_t last_rowid() const;

  bool is_open() const { return database_ != nullptr; }
  const std::filesystem::path& path() const { return path_; }   ///< Any thread.
  std::uint64_t size_on_disk() const { return size_on_disk_; }  ///< Any thread. Bytes of the database and its log.
  std::uint64_t times_set_aside() const { return set_aside_; }  ///< Any thread. Since the start; lost logs, too.
  bool full() const { return full_; }                           ///< Any thread. The disk has no room but the reserve.
  std::uint64_t reserve() const { return reserve_.size(); }     ///< Any thread. Bytes.

 private:
  class Lock;
  void open();
  void open_database();
  void create();
  void sync_header();
  void wait_for_disk();
  bool lost_its_log() const;
  void tune();
  void check();
  void tidy();
  void write_back();
  void checkpoint(int mode);
  void begin_log_anew();
  void hand_back_pages();
  void spare_the_rest();
  std::int64_t growth();
  bool has_room_for(std::int64_t bytes) const;
  void note(const SQLite::Exception& error);
  bool found_no_room() const;
  void run_out();
  void set_full(bool full);
  void set_aside(const std::string& why);
  void close();
  void require_open() const;
  [[noreturn]] void explain();

  // Constant after construction
  const std::filesystem::path path_;
  const DatabaseFormat format_;
  const std::function<void(bool)> opened_;
  const std::unique_ptr<Lock> lock_;
  DiskReserve reserve_;
  // Owned by the store thread
  std::unique_ptr<SQLite::Database> database_;
  std::unordered_map<const char*, std::unique_ptr<SQLite::Statement>> statements_;  // by literal
  bool damaged_ = false;
  bool doubtful_ = false;       // an fsync failed: what the kernel has of the log is not what the disk has
  std::int64_t page_size_ = 0;  // bytes
  std::int64_t log_size_ = 0;   // bytes of pages in the log as of the last commit
  // Any thread
  std::atomic<std::uint64_t> size_on_disk_ = 0;
  std::atomic<std::uint64_t> set_aside_ = 0;
  std::atomic<bool> full_ = false;
};

/// The table `topic (id, name)` of a database: a gateway has few topics and many publications, whose rows need not hold
/// their topic's text. Thread: as the file.
class TopicNames {
 public:
  explicit TopicNames(DatabaseFile& file) : file_(file) {}

  void load();
  /// The topic's number; 0 when there are too many already: then the row holds the text.
  std::int64_t intern(const std::string& topic);
  void forget_many();  ///< before a commit while no row holds a number: forgets them all, if they are many
  void committed() { new_.clear(); }
  void rolled_back() noexcept;

 private:
  DatabaseFile& file_;
  std::unordered_map<std::string, std::int64_t> numbers_;
  std::vector<std::string> new_;  // since the transaction began
};

void bind_bytes(SQLite::Statement& statement, int index, std::string_view bytes);  ///< not copied
std::string bytes_of(const SQLite::Column& column);

}  // namespace ferrule::mqtt

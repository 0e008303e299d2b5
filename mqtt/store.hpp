// The store thread: the one place where SQLite is written, with group commit.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "mqtt/written.hpp"

namespace ferrule::mqtt {

/// Numbers the durable work handed to the store, in order; a commit of ticket N covers every ticket before it. 0:
/// nothing to wait for.
using Ticket = std::uint64_t;

/// One database on the store thread (an outbox, the broker's sessions). All members are called on the store thread.
class StoreFile {
 public:
  virtual ~StoreFile() = default;
  virtual void begin() = 0;
  virtual void commit() = 0;  ///< on return the data is on disk (fsync); throws std::runtime_error otherwise
  virtual void rollback() noexcept = 0;
  /// True: it refers to what the other files of a group hold, and is committed after them.
  virtual bool commits_last() const { return false; }
};

/// Runs jobs against StoreFiles on its own thread. What gathers while one commit runs is committed together by the
/// next: one fsync per file and group, however many jobs wait. Jobs of all files run in the order they were posted.
class Store {
 public:
  /// Posts a function to the thread that owns the broker. Any thread.
  using Post = std::function<void(std::function<void()>)>;
  /// Told on the broker's thread, in order: everything up to `ticket` is on disk, except in the files that Failed was
  /// told of before, whose jobs left nothing behind.
  using Committed = std::function<void(Ticket)>;
  /// Told on the broker's thread when a group of jobs could not be committed to `file`, before the Committed that
  /// covers their tickets: whoever waits for one of them is to be refused now. All of the group's jobs on this file
  /// were rolled back. Its later jobs are not run but fail too, with a Failed for each group, until `resume`.
  using Failed = std::function<void(StoreFile& file, std::string what)>;

  Store(Post post, Committed committed, Failed failed);
  ~Store();  ///< commits what was posted, then joins
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  /// Broker thread. Runs `job` inside a transaction of `file`; `file` must outlive the store. A job that throws fails
  /// its group.
  Ticket write(StoreFile& file, std::function<void()> job);
  /// Any thread. Like `write`; `written` is told on the store's thread.
  void write(StoreFile& file, std::function<void()> job, Written written);
  /// Any thread. Like `write`, but returns when the job is on disk; throws std::runtime_error when it could not be.
  void write_and_wait(StoreFile& file, std::function<void()> job);
  /// Broker thread. Runs `job` after everything posted so far was committed, outside any transaction; `then` is posted
  /// back afterwards, also when `job` threw (which is logged).
  void read(std::function<void()> job, std::function<void()> then);

  /// Broker thread. Lets a file that failed be written again, from the jobs on that are posted after this call.
  void resume(StoreFile& file);

  Ticket last_ticket() const;  ///< Broker thread. The newest ticket handed out.
  /// Any thread. Jobs not yet committed. The queue itself has no limit: who posts bounds what it posts.
  std::size_t backlog() const;
  std::uint64_t commits() const;   ///< Any thread. Files committed so far, one fsync each.
  std::uint64_t failures() const;  ///< Any thread. Groups that could not be committed to a file.
  /// Any thread. When its thread began what it does now, a job or a commit, or was woken to; max() while it has
  /// nothing to do.
  std::chrono::steady_clock::time_point due() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ferrule::mqtt

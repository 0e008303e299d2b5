// Where slow password checks run, so that they never hold up the broker's loop.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace ferrule::mqtt {

class PasswordChecker {
 public:
  /// Computes whether a password is right; nullopt when there was no memory for it. Runs on a thread of the checker.
  using Check = std::function<std::optional<bool>()>;
  using Done = std::function<void(std::optional<bool>)>;

  virtual ~PasswordChecker() = default;
  /// Broker thread, and there `done` is called, later. False when too many are waiting already: nothing will be called.
  virtual bool submit(Check check, Done done) = 0;
};

/// A few threads behind a bounded queue (policy: refuse the newest), started by the first check.
class PasswordChecks final : public PasswordChecker {
 public:
  /// `post` runs a task on the broker thread; it may be called from any thread until the destructor returns.
  PasswordChecks(std::function<void(std::function<void()>)> post, std::size_t most_threads, std::size_t most_waiting);
  ~PasswordChecks() override;  ///< waits for the checks under way; those waiting are dropped

  bool submit(Check check, Done done) override;
  /// Any thread. Since when the longest check under way goes on, or, when none is, the first one waits; max(): neither.
  std::chrono::steady_clock::time_point due() const;

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Job {
    Check check;
    Done done;
    Time submitted;
  };
  void work();

  // Constant after construction.
  const std::function<void(std::function<void()>)> post_;
  const std::size_t most_threads_, most_waiting_;
  // Shared with the threads, under the mutex.
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> waiting_;
  std::list<Time> begun_;  // of the checks under way
  std::size_t idle_ = 0;
  bool stopping_ = false;
  // Owned by the broker thread.
  std::vector<std::thread> threads_;
};

}  // namespace ferrule::mqtt

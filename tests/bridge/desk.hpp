// The broker thread as tests see it: what is posted to it waits until the test runs it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>

#include <unistd.h>

#include "mqtt/clock.hpp"

namespace ferrule::bridge::testing {

class Desk {
 public:
  std::function<void(std::function<void()>)> post() {
    return [this](std::function<void()> task) {
      const std::lock_guard lock(mutex_);
      tasks_.push_back(std::move(task));
      wake_.notify_all();
    };
  }

  /// Runs what is posted until `done` holds; false when it still does not after `time`.
  bool run_until(const std::function<bool()>& done, std::chrono::milliseconds time = std::chrono::seconds(20)) {
    const auto end = std::chrono::steady_clock::now() + time;
    while (!done()) {
      std::unique_lock lock(mutex_);
      if (!wake_.wait_until(lock, end, [this] { return !tasks_.empty(); })) {
        lock.unlock();
        return done();
      }
      auto task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
    }
    return true;
  }

  /// Runs what is posted now, and what that posts.
  void run_posted() {
    std::unique_lock lock(mutex_);
    while (!tasks_.empty()) {
      auto task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
      lock.lock();
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
};

class FakeClock final : public mqtt::Clock {
 public:
  std::chrono::steady_clock::time_point now() const override { return now_; }
  std::chrono::system_clock::time_point utc() const override {
    return kBegan + jumped_ + std::chrono::duration_cast<std::chrono::system_clock::duration>(now_.time_since_epoch());
  }
  void advance(std::chrono::milliseconds time) { now_ += time; }
  void jump(std::chrono::milliseconds time) { jumped_ += time; }  ///< of the time of day only

 private:
  static constexpr std::chrono::system_clock::time_point kBegan{std::chrono::hours(24 * 20'000)};
  std::chrono::milliseconds jumped_{0};
  std::chrono::steady_clock::time_point now_{std::chrono::hours(1)};
};

/// A directory of its own for each test, gone afterwards.
class Directory {
 public:
  Directory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "ferrule-bridge-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~Directory() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace ferrule::bridge::testing

// What goes over a bus's wire, kept for whoever watches.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ferrule::drivers {

struct WireEvent {
  enum class Kind : std::uint8_t {
    Sent,
    Received,
    Opened,
    Closed,
    Failed,  ///< a request had no good answer
  };
  std::chrono::system_clock::time_point at;  ///< when the bus knew of it
  Kind kind = Kind::Sent;
  std::string data;  ///< the bytes; of Failed why, for people
};

std::string_view name(WireEvent::Kind kind);  ///< "sent" ...

/// Filled by a bus's thread, emptied by one watcher. Costs one load while nobody watches. Bounded: what comes while it
/// is full is left out, and counted.
class WireTrace {
 public:
  static constexpr std::size_t kMostEvents = 4096;
  static constexpr std::size_t kMostBytes = 256 * 1024;

  struct News {
    std::vector<WireEvent> events;
    std::uint64_t lost = 0;  ///< events left out after these
  };

  WireTrace() = default;
  WireTrace(const WireTrace&) = delete;
  WireTrace& operator=(const WireTrace&) = delete;

  bool watched() const { return watched_.load(std::memory_order_relaxed); }  ///< Any thread.
  /// Any thread. Nothing while nobody watches.
  void note(WireEvent::Kind kind, std::string_view data = {});
  void note(WireEvent::Kind kind, std::span<const std::uint8_t> bytes) {
    note(kind, std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  }

  /// Any thread. `news` is called, on the bus's thread, whenever there is something to take and was not before.
  void watch(std::function<void()> news);
  void unwatch();  ///< Any thread. `news` is not called any more when it returns, and nothing is kept.
  News take();     ///< Any thread.

 private:
  std::atomic<bool> watched_ = false;
  std::mutex mutex_;
  // Guarded by mutex_.
  std::function<void()> news_;
  News kept_;
  std::size_t bytes_ = 0;
};

}  // namespace ferrule::drivers

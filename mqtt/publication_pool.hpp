// Publications whose memory the next ones take over: most are gone when their round, or their acknowledgement, is over.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "mqtt/publication.hpp"

namespace ferrule::mqtt {

/// Keeps what it gave out lately, and gives it out again once nobody else has it: at most kMost publications, and none
/// larger than kMostBytes but the last one. Broker thread.
class PublicationPool {
 public:
  /// One to be filled in, with anything in it; `last` is its shared pointer.
  Publication& take() {
    if (is_free(last_)) return *last_.own;
    if (last_.shared != nullptr && is_small(*last_.own)) keep_last();
    if (!is_free(last_)) {
      auto fresh = std::make_shared<Publication>();
      last_.own = fresh.get();
      last_.shared = std::move(fresh);
    }
    return *last_.own;
  }
  const PublicationPtr& last() const { return last_.shared; }
  std::size_t size() const { return kept_.size(); }

  static constexpr std::size_t kMost = 256;
  static constexpr std::size_t kMostBytes = 2048;

 private:
  struct Place {
    PublicationPtr shared;
    Publication* own = nullptr;
  };

  static bool is_small(const Publication& publication) {
    return publication.payload.capacity() + publication.properties.capacity() + publication.topic.capacity() <=
           kMostBytes;
  }

  static bool is_free(const Place& place) {
    if (place.shared.use_count() != 1 || !is_small(*place.own)) return false;
      // Another thread may have dropped the last other reference just now: its reads come before our writes.
#ifdef __SANITIZE_THREAD__
    const PublicationPtr ordered = place.shared;  // which knows of no fences
#else
    std::atomic_thread_fence(std::memory_order_acquire);
#endif
    return true;
  }

  /// In a ring: whose turn it is was kept longest, and is the likeliest to be free.
  void keep_last() {
    if (kept_.empty() || (kept_.size() < kMost && kept_[next_].shared.use_count() != 1)) {
      kept_.insert(kept_.begin() + static_cast<std::ptrdiff_t>(next_), std::exchange(last_, {}));
    } else {
      std::swap(kept_[next_], last_);
    }
    next_ = (next_ + 1) % kept_.size();
  }

  std::vector<Place> kept_;
  std::size_t next_ = 0;
  Place last_;
};

}  // namespace ferrule::mqtt

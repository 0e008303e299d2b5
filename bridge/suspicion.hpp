// Which message makes the cloud hang up.
#pragma once

#include <cstddef>
#include <optional>

#include "bridge/link.hpp"

namespace ferrule::bridge {

/// A message that a cloud answers by closing the connection would be sent for ever, and hold up all behind it. The
/// suspect is the oldest in flight when a connection ends that had hardly begun; then fewer are sent at once, so that
/// it comes to stand alone, and after five times it is convicted.
class Suspicion {
 public:
  /// A connection ended soon after it began. The message to park, if it is convicted.
  std::optional<Seq> hung_up(std::optional<Seq> oldest_in_flight) {
    if (!oldest_in_flight) return {};
    times_ = oldest_in_flight == suspect_ ? times_ + 1 : 1;
    suspect_ = oldest_in_flight;
    if (times_ >= kNarrow) window_ = 1;
    if (times_ < kConvicted) return {};
    suspect_.reset();
    return oldest_in_flight;
  }
  void settled() { window_ = window_ < kWide ? window_ * 2 : kWide; }
  std::size_t window() const { return window_; }  ///< messages in flight at most

 private:
  static constexpr int kNarrow = 3, kConvicted = 5;
  static constexpr std::size_t kWide = 65'536;
  std::optional<Seq> suspect_;
  int times_ = 0;
  std::size_t window_ = kWide;
};

}  // namespace ferrule::bridge

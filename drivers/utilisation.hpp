// How much of the time a wire was in use.
#pragma once

#include <chrono>

#include "drivers/stop_signal.hpp"

namespace ferrule::drivers {

/// Of the last whole minute, or of the time since the start while there was none. Used by one thread.
class Utilisation {
 public:
  static constexpr std::chrono::seconds kWindow{60};

  explicit Utilisation(TimePoint now) : began_(now) {}

  /// The wire was in use from `began` to `ended`, after every such time before. Returns the share, 0 to 1.
  double add(TimePoint began, TimePoint ended) {
    busy_ += ended - began;
    const auto elapsed = ended - began_;
    if (elapsed <= TimePoint::duration::zero()) return share_;
    if (!whole_ || elapsed >= kWindow) {
      share_ = std::chrono::duration<double>(busy_) / std::chrono::duration<double>(elapsed);
    }
    if (elapsed >= kWindow) {
      whole_ = true;
      began_ = ended;
      busy_ = {};
    }
    return share_;
  }

 private:
  TimePoint began_;  // of the present window
  TimePoint::duration busy_{};
  double share_ = 0;
  bool whole_ = false;  // there was one
};

}  // namespace ferrule::drivers

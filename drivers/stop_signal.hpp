// Waiting on a bus thread: for a descriptor, for a moment, or for the call to stop, whichever comes first.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace ferrule::drivers {

/// A moment on the monotonic clock. Waits on the wire are real time, whatever Clock the schedule runs on.
using TimePoint = std::chrono::steady_clock::time_point;

/// What ended a wait.
enum class Woke : std::uint8_t {
  Ready,     ///< the descriptor is readable/writable as asked, has hung up, or is in error
  Deadline,  ///< the moment has come
  Stopped,   ///< stop was requested; it stays requested
  Rung,      ///< the doorbell is readable
};

/// The one way in which a bus thread sleeps. Constructed before the thread, outlives it.
class StopSignal {
 public:
  StopSignal();  ///< throws std::system_error when the process is out of descriptors
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  void request();                                ///< Any thread. Ends the present wait and every later one.
  bool requested() const { return requested_; }  ///< Any thread.

  /// Waits for `events` (POLLIN, POLLOUT, POLLRDHUP; a hang-up and an error always count) on `descriptor`, and until
  /// `doorbell` is readable; -1 means none.
  Woke wait(int descriptor, short events, TimePoint deadline, int doorbell = -1) const;
  Woke sleep_until(TimePoint deadline) const { return wait(-1, 0, deadline); }

  /// Any thread. By when the thread expected to be back from where it is: max() while it does not run.
  TimePoint due() const { return due_.load(std::memory_order_relaxed); }
  /// The thread goes on, or, with max(), ends.
  void moves(TimePoint due = std::chrono::steady_clock::now()) const { due_.store(due, std::memory_order_relaxed); }

 private:
  Woke sleep(int descriptor, short events, TimePoint deadline, int doorbell) const;

  std::atomic<bool> requested_ = false;
  mutable std::atomic<TimePoint> due_ = TimePoint::max();
  int event_ = -1;  // readable once it is requested
};

}  // namespace ferrule::drivers

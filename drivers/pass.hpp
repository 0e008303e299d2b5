// Requests of other masters that share a bus with us.
#pragma once

#include <cstdint>
#include <list>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <tl/expected.hpp>
#include <vector>

#include "drivers/backoff.hpp"
#include "drivers/clock.hpp"
#include "drivers/driver.hpp"

namespace ferrule::drivers {

/// The answer in the protocol's own words (Modbus: function code and data), or why there is none.
using PassResult = tl::expected<std::vector<std::uint8_t>, Fault>;

struct PassRequest {
  std::uint8_t unit = 0;
  std::vector<std::uint8_t> request;       ///< in the protocol's own words
  TimePoint deadline;                      ///< not sent after it
  std::function<void(PassResult&&)> done;  ///< called once, on the bus's thread
};

/// Filled by any thread, served by the bus's, first come, first served. Bounded (policy: a new request is turned away
/// when it is full). A unit that did not answer `offline_after` times in a row is not asked for a while, which grows:
/// its requests are refused as UnitOffline at once, so that it does not take the line from the others.
class PassQueue {
 public:
  static constexpr std::size_t kMost = 64;
  /// A request that was never sent for want of time or of a port: the exception that a gateway answers (Modbus AP
  /// v1.1b3 7).
  static constexpr std::uint8_t kPathUnavailable = 0x0A;

  PassQueue(int offline_after, Backoff::Bounds offline_retry, const Clock& clock)
      : after_(offline_after), retry_(offline_retry), clock_(clock) {}

  bool push(PassRequest&& request);  ///< Any thread. False when it is full or closed: `done` is not called then.
  bool waiting() const;              ///< Any thread.
  TimePoint next() const;            ///< Any thread. The earliest deadline.

  /// Refuses what is too late, or all when the port is known to be out of order; with an open port sends the oldest
  /// request. Returns the fault that closed the port, if it did, and whether something was sent.
  struct Served {
    bool sent = false;
    std::optional<Fault> lost{};
  };
  Served serve(Driver& driver, bool out_of_order);
  void close();  ///< refuses all that wait; none is taken from now on

 private:
  struct Silence {
    explicit Silence(Backoff::Bounds bounds) : backoff(bounds) {}
    int misses = 0;
    TimePoint again{};
    Backoff backoff;
  };

  std::optional<PassRequest> take(bool out_of_order, TimePoint now, bool open);
  bool is_silent(std::uint8_t unit, TimePoint now) const;
  void note(std::uint8_t unit, const PassResult& result);

  const int after_;
  const Backoff::Bounds retry_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::list<PassRequest> waiting_;  // guarded by mutex_; an empty deque takes 600 bytes of every bus
  bool closed_ = false;              // guarded by mutex_
  // Owned by the bus thread.
  std::map<std::uint8_t, Silence> silent_;
  std::minstd_rand random_;
};

}  // namespace ferrule::drivers

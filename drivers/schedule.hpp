// When which task of a bus is due: the earliest deadline first, what cannot keep up is skipped, the dead wait.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "drivers/backoff.hpp"
#include "drivers/driver.hpp"

namespace ferrule::drivers {

/// What a device's last polls say about it. A device that has answered nothing yet is Online until it misses.
enum class Health : std::uint8_t {
  Online,
  Doubtful,  ///< missed its last poll, but not often enough to be offline
  Offline,   ///< only probed, at growing intervals
};

/// The plan of one bus. Pure logic on the `now` that it is given; used by the bus thread only.
///
/// Doubtful and offline devices cost a timeout each time they are asked. As long as another device on the bus answers,
/// they get a tenth of the time between them, one at a time, so that the living keep their rate.
class Schedule {
 public:
  /// `phase` (0..1) places this bus's polls within their interval, so that many buses do not all poll in the same
  /// instant.
  Schedule(std::size_t devices, int offline_after, Backoff::Bounds offline_retry, double phase, std::uint32_t seed);

  /// Adds the task with the next number, due at once.
  void add(const Task& task, TimePoint now);
  std::size_t size() const { return tasks_.size(); }

  struct Next {
    std::size_t task = 0;
    TimePoint due;
  };
  Next next() const;  ///< there is at least one task
  /// `task`, if its device is online, and what comes after it among what is due at `now` of devices that are; up to
  /// `most`.
  std::vector<std::size_t> due(std::size_t task, TimePoint now, std::size_t most) const;

  /// The task was run from `started` to `now`; it is due again one interval later. The intervals that were missed
  /// meanwhile are left out; their number is returned (0 for a device that is not online).
  std::uint64_t ran(std::size_t task, std::chrono::milliseconds interval, TimePoint started, TimePoint now);

  /// The device answered, be it with a refusal. If it was not Online its tasks are due at once. Returns the health
  /// before.
  Health answered(std::size_t task, TimePoint now);
  /// The device missed a poll. Returns its health after it.
  Health missed(std::size_t task, TimePoint now);

  void due_now(std::size_t task, TimePoint now) { tasks_[task].due = now; }
  /// The port is back: everything is due at once, and nothing is known about the devices.
  void restart(TimePoint now);

  Health health(std::uint32_t device) const { return devices_[device].health; }

 private:
  struct Entry {
    std::uint32_t device;
    TimePoint due;
    TimePoint ran_at;
  };
  struct Device {
    explicit Device(Backoff::Bounds offline_retry) : backoff(offline_retry) {}
    Health health = Health::Online;
    int misses = 0;
    bool answered = false;       // since the port was opened
    std::size_t probe_task = 0;  // the one that stands for all while the device is offline
    TimePoint probe_at;
    Backoff backoff;
  };

  TimePoint due(std::size_t task) const;
  std::size_t following(std::size_t task) const;
  bool another_lives(std::uint32_t device) const;

  const int offline_after_;
  const double phase_;
  std::minstd_rand random_;
  TimePoint start_{};          // of the grid on which polls fall
  TimePoint doubtful_from_{};  // before it no doubtful device is asked
  std::vector<Entry> tasks_;
  std::vector<Device> devices_;
};

}  // namespace ferrule::drivers

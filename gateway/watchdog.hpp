// Whether the threads beside the broker's move: the service manager's watchdog is fed only while they do.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace ferrule::gateway {

/// A thread as seen from the broker's.
struct WatchedThread {
  std::string name;                           ///< for people: "bus line1"
  std::chrono::steady_clock::time_point due;  ///< by when it expected to have moved again; max(): it waits for work
  std::chrono::seconds patience;              ///< how much later than that it counts as stuck
};

/// A wrong verdict costs a restart: every patience is several times what was ever seen.
/// A bus: each of its waits has its deadline; beyond that there is a driver that does not come back from the kernel.
constexpr std::chrono::seconds kBusPatience{60};
/// A job or a commit: a card that tidies itself up holds an fsync for tens of seconds.
constexpr std::chrono::seconds kStorePatience{120};
/// An uplink: it may wait for the store.
constexpr std::chrono::seconds kUplinkPatience{180};
/// A Modbus server: it waits for nobody, but it opens and closes serial ports.
constexpr std::chrono::seconds kServerPatience{60};
/// A password check: 22 ms on a machine with nothing else to do.
constexpr std::chrono::seconds kPasswordPatience{60};

/// Any one thread, always the same.
class Watchdog {
 public:
  /// False when one is stuck: later than its patience allows, and not moved since the last call either (after a
  /// standstill of the whole machine all are late, until they have run). The log tells which, once, and when it moves
  /// again.
  bool all_move(const std::vector<WatchedThread>& threads, std::chrono::steady_clock::time_point now);
  /// As of the last call, for people: "bus line1 is stuck"; empty when none is.
  std::string verdict() const;

 private:
  struct Late {
    std::chrono::steady_clock::time_point due;
    bool stuck = false;
  };
  std::map<std::string, Late> late_;  // at the last call, by name
};

}  // namespace ferrule::gateway

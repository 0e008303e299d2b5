// The `queue` section of the configuration, and of each uplink, as a plain struct.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "bridge/thinning.hpp"
#include "config/node.hpp"

namespace ferrule::bridge {

/// What to do with a new message when the queue is full. Each drop is counted.
enum class WhenFull : std::uint8_t {
  DropOldest,  ///< the oldest that is not under way to the cloud makes room
  DropNewest,  ///< the new one is dropped, and its publisher is not told
  Reject,      ///< the new one is dropped, and a publisher who waits is told (0x97 Quota exceeded)
};

/// How much a message matters when not all can be kept: as its route says (key `priority`).
enum class Priority : std::uint8_t { Low, Normal, High };
inline constexpr std::array kPriorities{Priority::Low, Priority::Normal, Priority::High};

/// One policy for all, or one for each priority: `{low: drop-oldest, high: reject}`. What has DropOldest also makes
/// room for what has a higher priority, and goes first; what has another one is never dropped once it is queued.
class FullPolicy {
 public:
  FullPolicy(WhenFull all) : of_{all, all, all} {}  // NOLINT: that is what one word means
  WhenFull& operator[](Priority priority) { return of_[static_cast<std::size_t>(priority)]; }
  WhenFull operator[](Priority priority) const { return of_[static_cast<std::size_t>(priority)]; }
  bool operator==(const FullPolicy&) const = default;

 private:
  std::array<WhenFull, kPriorities.size()> of_;
};

/// What a commit survives besides a kill.
enum class Durability : std::uint8_t {
  PowerLoss,     ///< everything: it waits for the disk
  ProcessCrash,  ///< the end of the process, not that of the machine: it waits for the kernel only
};

/// What goes first while more waits than an uplink has sent at once.
enum class Backfill : std::uint8_t {
  InOrder,    ///< what came first
  LiveFirst,  ///< what comes now; what waited follows in order with the rest of the window
};

struct QueueSettings {
  std::uint64_t max_size = 512'000'000;  ///< bytes of queued messages with what they take on disk, per uplink
  /// What is older is dropped and counted, by a calendar that does not follow the clock when that jumps. 0: no limit.
  std::chrono::milliseconds max_age{0};
  FullPolicy when_full = WhenFull::DropOldest;
  Thinning keep;  ///< of what has no high priority
  /// Messages nobody waits for reach the disk at least this often (key `sync`); 0 (`sync: always`): each at once.
  std::chrono::milliseconds commit_interval{1000};
  Durability durability = Durability::PowerLoss;
  Backfill backfill = Backfill::InOrder;
  int backfill_rate = 0;  ///< messages per second of what waited, with LiveFirst; 0: no limit
};

/// What `node` does not name is as in `defaults`.
QueueSettings read_queue(const config::Node& node, const QueueSettings& defaults);

}  // namespace ferrule::bridge

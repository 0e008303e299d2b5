// The `queue` section of the configuration, and of each uplink, as a plain struct.
#pragma once

#include <chrono>
#include <cstdint>

#include "config/node.hpp"

namespace ferrule::bridge {

/// What to do with a new message when the queue is full. Each drop is counted.
enum class WhenFull : std::uint8_t {
  DropOldest,  ///< the oldest that is not under way to the cloud makes room
  DropNewest,  ///< the new one is dropped, and its publisher is not told
  Reject,      ///< the new one is dropped, and a publisher who waits is told (0x97 Quota exceeded)
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
  WhenFull when_full = WhenFull::DropOldest;
  /// Messages nobody waits for reach the disk at least this often (key `sync`); 0 (`sync: always`): each at once.
  std::chrono::milliseconds commit_interval{1000};
  Durability durability = Durability::PowerLoss;
  Backfill backfill = Backfill::InOrder;
  int backfill_rate = 0;  ///< messages per second of what waited, with LiveFirst; 0: no limit
};

/// What `node` does not name is as in `defaults`.
QueueSettings read_queue(const config::Node& node, const QueueSettings& defaults);

}  // namespace ferrule::bridge

#include "bridge/queue_settings.hpp"

#include <array>

namespace ferrule::bridge {

namespace {

using namespace std::chrono_literals;
using config::Choice;

constexpr std::uint64_t kSmallestQueue = 1'000'000;
constexpr std::int64_t kMaxRate = 1'000'000;
constexpr auto kShortestAge = 1min, kLongestAge = std::chrono::minutes(24 * 60 * 3650);

constexpr std::array kPolicies{Choice<WhenFull>{"drop-oldest", WhenFull::DropOldest},
                               Choice<WhenFull>{"drop-newest", WhenFull::DropNewest},
                               Choice<WhenFull>{"reject", WhenFull::Reject}};
constexpr std::array kDurabilities{Choice<Durability>{"power-loss", Durability::PowerLoss},
                                   Choice<Durability>{"process-crash", Durability::ProcessCrash}};
constexpr std::array kBackfills{Choice<Backfill>{"in-order", Backfill::InOrder},
                                Choice<Backfill>{"live-first", Backfill::LiveFirst}};

}  // namespace

QueueSettings read_queue(const config::Node& node, const QueueSettings& defaults) {
  QueueSettings queue = defaults;
  queue.max_size = node["max_size"].size(queue.max_size, kSmallestQueue);
  const auto age = node["max_age"];
  if (age.present()) queue.max_age = age.duration(24h, kShortestAge, kLongestAge);
  queue.when_full = node["when_full"].one_of<WhenFull>(queue.when_full, kPolicies);
  const auto sync = node["sync"];
  queue.commit_interval =
      sync.is_scalar() && sync.text() == "always" ? 0ms : sync.duration(queue.commit_interval, 10ms, 1h);
  queue.durability = node["durability"].one_of<Durability>(queue.durability, kDurabilities);
  queue.backfill = node["backfill"].one_of<Backfill>(queue.backfill, kBackfills);
  const auto rate = node["backfill_rate"];
  queue.backfill_rate = static_cast<int>(rate.integer(queue.backfill_rate, rate.present() ? 1 : 0, kMaxRate));
  if (rate.present() && queue.backfill != Backfill::LiveFirst) rate.mistake("needs \"backfill: live-first\"");
  return queue;
}

}  // namespace ferrule::bridge

#include "bridge/queue_settings.hpp"

#include <fmt/format.h>

#include <array>
#include <optional>
#include <string_view>

#include "config/units.hpp"

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

void read_policies(const config::Node& node, FullPolicy& policy) {
  if (!node.is_map()) {
    if (node.present()) policy = node.one_of<WhenFull>(WhenFull::DropOldest, kPolicies);
    return;
  }
  policy[Priority::Low] = node["low"].one_of<WhenFull>(policy[Priority::Low], kPolicies);
  policy[Priority::Normal] = node["normal"].one_of<WhenFull>(policy[Priority::Normal], kPolicies);
  policy[Priority::High] = node["high"].one_of<WhenFull>(policy[Priority::High], kPolicies);
}

/// `min`, `h`, `15m` ...
std::optional<config::Milliseconds> parse_interval(std::string_view text) {
  if (text == "s") return 1s;
  if (text == "min") return 1min;
  if (text == "h") return 1h;
  if (text == "d") return 24h;
  const auto duration = config::parse_duration(text);
  return duration && *duration > 0ms ? std::optional(*duration) : std::nullopt;
}

std::optional<Thinning> parse_thinning(std::string_view text) {
  constexpr std::string_view kOne = "1/", kAfter = " after ";
  const auto after = text.find(kAfter);
  if (!text.starts_with(kOne) || after == text.npos) return {};
  const auto interval = parse_interval(text.substr(kOne.size(), after - kOne.size()));
  const auto age = config::parse_duration(text.substr(after + kAfter.size()));
  if (!interval || !age) return {};
  return Thinning{*interval, *age};
}

void read_backfill(const config::Node& node, QueueSettings& queue) {
  if (!node.is_map()) {
    queue.backfill = node.one_of<Backfill>(queue.backfill, kBackfills);
    return;
  }
  queue.backfill = Backfill::LiveFirst;
  const auto rate = node["rate"];
  if (rate.present()) queue.backfill_rate = static_cast<int>(rate.integer(1, 1, kMaxRate));
}

void read_keep(const config::Node& node, Thinning& keep) {
  if (!node.present()) return;
  const auto text = node.text();
  if (const auto thinning = parse_thinning(text)) {
    keep = *thinning;
  } else {
    node.mistake(fmt::format("\"{}\" does not say how many to keep", text), "1/min after 1d, or 1/15m after 12h");
  }
}

}  // namespace

QueueSettings read_queue(const config::Node& node, const QueueSettings& defaults) {
  QueueSettings queue = defaults;
  queue.max_size = node["max_size"].size(queue.max_size, kSmallestQueue);
  const auto age = node["max_age"];
  if (age.present()) queue.max_age = age.duration(24h, kShortestAge, kLongestAge);
  read_policies(node["when_full"], queue.when_full);
  read_keep(node["keep"], queue.keep);
  const auto sync = node["sync"];
  queue.commit_interval =
      sync.is_scalar() && sync.text() == "always" ? 0ms : sync.duration(queue.commit_interval, 10ms, 1h);
  queue.durability = node["durability"].one_of<Durability>(queue.durability, kDurabilities);
  read_backfill(node["backfill"], queue);
  return queue;
}

}  // namespace ferrule::bridge

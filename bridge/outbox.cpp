#include "bridge/outbox.hpp"

#include <algorithm>
#include <iterator>

namespace ferrule::bridge {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr std::size_t kRefillBelow = 2'048;     // rows
constexpr std::uint64_t kTailBytes = 16 << 20;  // beyond, the disk does not keep up: the queue counts as full
constexpr std::uint64_t kUnwritten = 5'000;     // messages that wait for their commit interval

}  // namespace

// ---- a message comes

tl::expected<mqtt::Ticket, mqtt::Reason> Outbox::append(Routed routed, bool durable, const mqtt::Receipt* receipt) {
  const auto& publication = routed.publication;
  const bool failing = durable && !disk_error_.empty();
  if (failing && !file_.full()) return tl::unexpected(mqtt::Reason::ImplementationSpecificError);
  if (receipt != nullptr && is_here(publication->origin, *receipt)) {
    return post([this, session = publication->origin, known = *receipt] { file_.put_receipt(session, known); });
  }
  Entry entry;
  const auto& topic = routed.topic.empty() ? publication->topic : routed.topic;
  entry.cost = row_cost(topic.size(), publication->payload.size(), publication->properties.size());
  if (failing || tail_bytes_ > kTailBytes ||
      (bytes_ + entry.cost > limit() && !make_room(entry.cost, routed.priority))) {
    return refuse(entry.cost, routed.priority);
  }
  entry.seq = take_seq();
  entry.publication = std::move(routed.publication);
  entry.topic = std::move(routed.topic);
  entry.qos = routed.qos;
  entry.priority = routed.priority;
  entry.added = clock_.now();
  if (receipt != nullptr) entry.receipt = *receipt;
  ++rows_;
  bytes_ += entry.cost;
  ++unwritten_;
  auto& added = keep(std::move(entry));
  if (!disk_error_.empty()) return 0;
  if (durable || settings_.commit_interval == 0ms) write({&added});
  const auto ticket = durable ? added.written_by : 0;
  if (unwritten_ > kUnwritten && !owing_ && !file_.full()) write_older_than(0ms);
  return ticket;
}

Outbox::Entry& Outbox::keep(Entry entry) {
  if (is_live()) {
    live_bytes_ += entry.cost;
    return live_.emplace_back(std::move(entry));
  }
  backlog_ = backlog_ || head_.size() >= kHeadRows || head_bytes_ >= kHeadBytes;
  if (backlog_) {
    tail_bytes_ += entry.cost;
    backlog_of(entry.priority) = true;
    return tail_.emplace_back(std::move(entry));
  }
  add_to_head(std::move(entry));
  return head_.back();
}

/// Whether what comes now is sent before what waits.
bool Outbox::is_live() const {
  if (!live_first_ || !online_ || live_.size() >= kLiveRows || live_bytes_ >= kLiveBytes) return false;
  return backlog_ || head_.size() + live_in_flight_ > in_flight_ + kBehind;
}

/// Whether it is on disk since before a kill.
bool Outbox::is_here(const std::string& session, const mqtt::Receipt& receipt) {
  if (receipts_.empty()) return false;
  const auto known = receipts_.extract({session, receipt.packet_id});
  return known && receipt.repeated && known.mapped().digest == receipt.digest;
}

/// By the policy. With drop-oldest the publisher is told too when the disk is why, or there will be room soon.
tl::expected<mqtt::Ticket, mqtt::Reason> Outbox::refuse(std::uint64_t cost, Priority priority) {
  ++dropped();
  const auto policy = settings_.when_full[priority];
  if ((policy == WhenFull::DropOldest && cost > settings_.max_size) || policy == WhenFull::DropNewest) return 0;
  return tl::unexpected(mqtt::Reason::QuotaExceeded);
}

/// For a message of `cost` bytes, there being less than that: of the priorities up to its own whose policy allows it,
/// the lowest first.
bool Outbox::make_room(std::uint64_t cost, Priority priority) {
  if (cost > limit()) return false;
  for (const auto lower : kPriorities) {
    if (lower > priority || settings_.when_full[lower] != WhenFull::DropOldest) continue;
    const auto needed = bytes_ + cost - limit();
    const auto freed = drop_from(head_, needed, lower);
    if (freed >= needed) return true;
    if (!backlog_ || !backlog_of(lower)) continue;
    drop_from_disk(needed - freed, lower);
    return bytes_ + cost <= limit() + slack();
  }
  return false;
}

/// How much is dropped from the disk at a time, and by how much the queue may exceed its bound until that is done.
std::uint64_t Outbox::slack() const { return limit() / 20; }

/// Drops the oldest of one part and priority, but what is in flight; returns the bytes freed.
std::uint64_t Outbox::drop_from(Entries& part, std::uint64_t bytes, Priority priority) {
  std::uint64_t freed = 0;
  for (auto entry = part.begin(); entry != part.end() && freed < bytes;) {
    if (entry->in_flight || entry->priority != priority) {
      ++entry;
      continue;
    }
    freed += entry->cost;
    ++dropped();
    const auto index = entry - part.begin();
    if (entry->maybe_on_disk) erasures_.push_back({entry->seq, entry->cost, {}});
    forget(part, entry);
    entry = part.begin() + index;
  }
  return freed;
}

/// What is on disk only, or there as well as in the tail.
OutboxFile::Range Outbox::on_disk() const {
  OutboxFile::Range range;
  range.after = last_in_head_;
  range.spared = held_;
  for (const auto& entry : live_) range.spared.insert(entry.seq);
  for (const auto& entry : tail_) {
    if (!entry.unwritten) continue;
    range.complete_until = entry.seq;
    break;
  }
  return range;
}

void Outbox::drop_from_disk(std::uint64_t needed, Priority priority) {
  if (dropping_ || loading_ || !disk_error_.empty()) return;
  dropping_ = true;
  const auto bytes = file_.full() ? piece() : std::max(needed, slack());
  const auto removed = std::make_shared<OutboxFile::Removed>();
  post([this, removed, bytes, priority, range = on_disk()] { *removed = file_.drop_oldest(range, bytes, priority); });
  store_.read([] {},
              [this, alive = std::weak_ptr(alive_), removed, bytes, priority] {
                if (!alive.expired()) dropped_from_disk(*removed, bytes, priority);
              });
}

void Outbox::dropped_from_disk(const OutboxFile::Removed& removed, std::uint64_t wanted, Priority priority) {
  dropping_ = false;
  if (!disk_error_.empty()) return;  // rolled back
  dropped() += removed.seqs.size();
  gone_from_disk(removed);
  if (removed.bytes >= wanted) return;
  const auto rest = wanted - removed.bytes;
  if (drop_from(tail_, rest, priority) < rest) backlog_of(priority) = false;
}

/// Some of it may still have been in memory, on its way to the disk.
void Outbox::gone_from_disk(const OutboxFile::Removed& removed) {
  rows_ -= std::min<std::uint64_t>(removed.seqs.size(), rows_);
  bytes_ -= std::min(removed.bytes, bytes_);
  std::erase_if(tail_, [&](const Entry& entry) {
    const bool gone = std::ranges::binary_search(removed.seqs, entry.seq);
    if (gone) tail_bytes_ -= entry.cost;
    return gone;
  });
}

// ---- to the cloud

Outbox::Entry* Outbox::next(std::size_t window) {
  if (backlog_ && head_.size() < kRefillBelow) refill();
  if (auto* live = next_of(live_, live_cursor_)) return live;
  if (!may_backfill(window)) return nullptr;
  return next_of(head_, cursor_);
}

/// Without LiveFirst, always. With it, and while something comes beside it, a quarter of the window, so that what comes
/// has little before it on the wire and at the cloud, and as the rate says.
bool Outbox::may_backfill(std::size_t window) {
  if (!live_first_ || (!backlog_ && head_.size() + live_in_flight_ <= in_flight_ + kBehind)) return true;
  return in_flight_ - live_in_flight_ < std::max<std::size_t>(window / 4, 1) && backfill_.allows(1, clock_.now());
}

/// The first of one part that is not in flight; what expired before it is dropped.
Outbox::Entry* Outbox::next_of(Entries& part, Seq& cursor) {
  auto entry = std::ranges::lower_bound(part, cursor, {}, &Entry::seq);
  while (entry != part.end()) {
    const auto index = entry - part.begin();
    if (entry->in_flight) {
      ++entry;
    } else if (drop_if_expired(part, entry)) {
      entry = part.begin() + index;
    } else {
      break;
    }
  }
  const bool none = entry == part.end();
  cursor = !none ? entry->seq : part.empty() ? std::max(cursor, last_in_head_ + 1) : part.back().seq + 1;
  return none ? nullptr : &*entry;
}

bool Outbox::drop_if_expired(Entries& part, Entries::iterator entry) {
  const auto& expires = entry->publication->expires;
  if (is_aged(*entry)) {
    ++counters_.dropped_aged;
  } else if (expires && *expires <= clock_.now()) {
    ++counters_.dropped_expired;
  } else {
    return false;
  }
  remove(part, entry);
  return true;
}

void Outbox::sent(Entry& entry) {
  entry.in_flight = true;
  entry.sent = clock_.now();
  if (entry.qos == mqtt::Qos::ExactlyOnce) entry.maybe_on_disk = true;  // by LinkState::put
  ++in_flight_;
  if (!live_.empty() && find_in(live_, entry.seq) != live_.end()) {
    ++live_in_flight_;
  } else if (live_first_) {
    backfill_.take(1);
  }
}

void Outbox::hold(Seq seq) {
  const auto [part, entry] = find(seq);
  if (part == nullptr) {
    held_.insert(seq);
  } else if (!entry->in_flight) {
    sent(*entry);
  }
}

void Outbox::use(const QueueSettings& settings) {
  settings_ = settings;
  live_first_ = settings.backfill == Backfill::LiveFirst;
  backfill_ = Rate(settings.backfill_rate);
}

bool Outbox::settle(Seq seq) {
  const auto [part, entry] = find(seq);
  if (part == nullptr) {
    erasures_.push_back({seq, 0, {}});
    if (held_.erase(seq) == 0) return false;
    rows_ -= std::min<std::size_t>(rows_, 1);  // it is on disk, behind what has been loaded
    return true;
  }
  if (!entry->maybe_on_disk) ++counters_.never_written;
  remove(*part, entry);
  return true;
}

void Outbox::park(Seq seq, mqtt::Reason reason) {
  const auto [part, entry] = find(seq);
  if (part == nullptr) return;
  if (entry->unwritten && disk_error_.empty()) write({&*entry});
  ++counters_.parked;
  erasures_.push_back({seq, entry->cost, reason});
  forget(*part, entry);
}

void Outbox::requeue(Seq seq) {
  const auto [part, entry] = find(seq);
  if (part == nullptr || !entry->in_flight) return;
  entry->in_flight = false;
  --in_flight_;
  if (part == &live_) --live_in_flight_;
  auto& cursor = part == &live_ ? live_cursor_ : cursor_;
  cursor = std::min(cursor, seq);
}

std::optional<Seq> Outbox::oldest_in_flight() const {
  std::optional<Seq> oldest;
  for (const auto* part : {&head_, &live_}) {
    const auto first = std::ranges::find_if(*part, &Entry::in_flight);
    if (first != part->end()) oldest = std::min(oldest.value_or(first->seq), first->seq);
  }
  return oldest;
}

std::optional<std::chrono::steady_clock::time_point> Outbox::sent_at(Seq seq) {
  const auto [part, entry] = find(seq);
  if (part == nullptr || !entry->in_flight) return std::nullopt;
  return entry->sent;
}

std::optional<milliseconds> Outbox::age() const {
  std::optional<std::chrono::steady_clock::time_point> first;
  for (const auto* part : {&head_, &tail_, &live_}) {
    if (part->empty()) continue;
    const auto published = part->front().publication->published;
    first = std::min(first.value_or(published), published);
  }
  if (!first) return std::nullopt;
  return std::max(milliseconds(0), std::chrono::duration_cast<milliseconds>(clock_.now() - *first));
}

std::size_t Outbox::requeue_all(const std::function<bool(Seq)>& keep) {
  std::vector<Seq> seqs;
  for (const auto* part : {&head_, &live_}) {
    for (const auto& entry : *part) {
      if (entry.in_flight && !keep(entry.seq)) seqs.push_back(entry.seq);
    }
  }
  for (const Seq seq : seqs) requeue(seq);
  std::erase_if(held_, [&](Seq seq) { return !keep(seq); });
  return seqs.size();
}

// ---- small things

void Outbox::add_to_head(Entry entry) {
  last_in_head_ = entry.seq;
  head_bytes_ += entry.cost;
  head_.push_back(std::move(entry));
  if (held_.erase(head_.back().seq) != 0) sent(head_.back());
}

Outbox::Entries::iterator Outbox::find_in(Entries& part, Seq seq) {
  const auto entry = std::ranges::lower_bound(part, seq, {}, &Entry::seq);
  return entry != part.end() && entry->seq == seq ? entry : part.end();
}

/// In the head or in the live part: what is elsewhere is not in flight.
Outbox::Place Outbox::find(Seq seq) {
  for (auto* part : {&head_, &live_}) {
    if (const auto entry = find_in(*part, seq); entry != part->end()) return {part, entry};
  }
  return {nullptr, {}};
}

/// Takes it out of the queue and off the disk.
void Outbox::remove(Entries& part, Entries::iterator entry) {
  if (entry->maybe_on_disk) erasures_.push_back({entry->seq, entry->cost, {}});
  forget(part, entry);
}

std::uint64_t& Outbox::bytes_of(const Entries& part) {
  return &part == &head_ ? head_bytes_ : &part == &live_ ? live_bytes_ : tail_bytes_;
}

void Outbox::forget(Entries& part, Entries::iterator entry) {
  count_out(part, *entry);
  part.erase(entry);
}

void Outbox::count_out(const Entries& part, const Entry& entry) {
  bytes_ = --rows_ == 0 ? 0 : bytes_ - std::min(entry.cost, bytes_);
  bytes_of(part) -= entry.cost;
  if (entry.in_flight) --in_flight_;
  if (entry.in_flight && &part == &live_) --live_in_flight_;
  if (entry.unwritten) --unwritten_;
}

}  // namespace ferrule::bridge

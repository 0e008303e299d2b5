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

tl::expected<mqtt::Ticket, mqtt::Reason> Outbox::append(mqtt::PublicationPtr publication, std::string topic,
                                                        mqtt::Qos qos, bool durable, const mqtt::Receipt* receipt) {
  const bool failing = durable && !disk_error_.empty();
  if (failing && !file_.full()) return tl::unexpected(mqtt::Reason::ImplementationSpecificError);
  if (receipt != nullptr && is_here(publication->origin, *receipt)) {
    return post([this, session = publication->origin, known = *receipt] { file_.put_receipt(session, known); });
  }
  Entry entry;
  entry.cost = row_cost(topic.empty() ? publication->topic.size() : topic.size(), publication->payload.size(),
                        publication->properties.size());
  if (failing || tail_bytes_ > kTailBytes || (bytes_ + entry.cost > limit() && !make_room(entry.cost))) {
    return refuse(entry.cost);
  }
  entry.seq = take_seq();
  entry.publication = std::move(publication);
  entry.topic = std::move(topic);
  entry.qos = qos;
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
tl::expected<mqtt::Ticket, mqtt::Reason> Outbox::refuse(std::uint64_t cost) {
  ++dropped();
  const bool never = settings_.when_full == WhenFull::DropOldest && cost > settings_.max_size;
  if (never || settings_.when_full == WhenFull::DropNewest) return 0;
  return tl::unexpected(mqtt::Reason::QuotaExceeded);
}

/// For a message of `cost` bytes, if the policy allows it.
bool Outbox::make_room(std::uint64_t cost) {
  if (settings_.when_full != WhenFull::DropOldest || cost > limit()) return false;
  const auto needed = bytes_ + cost - limit();
  const auto freed = drop_from(head_, needed);
  if (freed >= needed) return true;
  if (!backlog_) return false;
  drop_from_disk(needed - freed);
  return bytes_ + cost <= limit() + slack();
}

/// How much is dropped from the disk at a time, and by how much the queue may exceed its bound until that is done.
std::uint64_t Outbox::slack() const { return limit() / 20; }

/// Drops the oldest of one part, but what is in flight; returns the bytes freed.
std::uint64_t Outbox::drop_from(Entries& part, std::uint64_t bytes) {
  std::uint64_t freed = 0;
  for (auto entry = part.begin(); entry != part.end() && freed < bytes;) {
    if (entry->in_flight) {
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

void Outbox::drop_from_disk(std::uint64_t needed) {
  if (dropping_ || loading_ || !disk_error_.empty()) return;
  dropping_ = true;
  const auto bytes = file_.full() ? piece() : std::max(needed, slack());
  const auto removed = std::make_shared<OutboxFile::Removed>();
  const auto ticket = post([this, removed, bytes, after = last_in_head_, live = live_seqs()] {
    *removed = file_.drop_oldest(after, bytes, live);
  });
  store_.read([] {},
              [this, alive = std::weak_ptr(alive_), removed, bytes, ticket] {
                if (!alive.expired()) dropped_from_disk(*removed, bytes, ticket);
              });
}

void Outbox::dropped_from_disk(const OutboxFile::Removed& removed, std::uint64_t wanted, mqtt::Ticket ticket) {
  dropping_ = false;
  if (!disk_error_.empty()) return;  // rolled back
  rows_ -= std::min(removed.rows, rows_);
  bytes_ -= std::min(removed.bytes, bytes_);
  dropped() += removed.rows;
  // Those of them that were still in memory, on their way to the disk.
  for (auto entry = tail_.begin(); entry != tail_.end() && entry->seq <= removed.last;) {
    if (entry->unwritten || entry->written_by > ticket) {
      ++entry;
      continue;
    }
    tail_bytes_ -= entry->cost;
    entry = tail_.erase(entry);
  }
  if (removed.bytes < wanted) drop_from(tail_, wanted - removed.bytes);
}

// ---- to the cloud

Outbox::Entry* Outbox::next(std::size_t window) {
  if (backlog_ && head_.size() < kRefillBelow) refill();
  if (auto* live = next_of(live_, live_cursor_)) return live;
  if (!may_backfill(window)) return nullptr;
  return next_of(head_, cursor_);
}

/// Without LiveFirst, always. With it, and while something comes beside it, half of the window and as the rate says.
bool Outbox::may_backfill(std::size_t window) {
  if (!live_first_ || (!backlog_ && head_.size() + live_in_flight_ <= in_flight_ + kBehind)) return true;
  return in_flight_ - live_in_flight_ < std::max<std::size_t>(window / 2, 1) && backfill_.allows(1, clock_.now());
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

bool Outbox::settle(Seq seq) {
  const auto [part, entry] = find(seq);
  if (part == nullptr) {
    erasures_.push_back({seq, 0, {}});
    return false;
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

std::vector<Seq> Outbox::live_seqs() const {
  std::vector<Seq> seqs;
  for (const auto& entry : live_) seqs.push_back(entry.seq);
  return seqs;
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
  --rows_;
  bytes_ -= std::min(entry->cost, bytes_);
  bytes_of(part) -= entry->cost;
  if (entry->in_flight) --in_flight_;
  if (entry->in_flight && &part == &live_) --live_in_flight_;
  if (entry->unwritten) --unwritten_;
  part.erase(entry);
}

}  // namespace ferrule::bridge

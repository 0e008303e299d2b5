#include "bridge/outbox.hpp"

#include <algorithm>
#include <iterator>

namespace ferrule::bridge {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr std::size_t kHeadRows = 4'096;
constexpr std::uint64_t kHeadBytes = 8 << 20;
constexpr std::size_t kRefillBelow = 2'048;     // rows
constexpr std::uint64_t kTailBytes = 16 << 20;  // beyond, the disk does not keep up: the queue counts as full
constexpr std::uint64_t kUnwritten = 5'000;     // messages that wait for their commit interval
constexpr std::size_t kErasures = 1'000;
constexpr Seq kSeqBlock = 100'000;  // Seqs reserved on disk at a time
constexpr auto kDiskRetry = 1s;

/// Between the monotonic clock and the calendar.
milliseconds calendar_offset(const mqtt::Clock& clock) {
  const auto since_epoch =
      std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch());
  return since_epoch - std::chrono::duration_cast<milliseconds>(clock.now().time_since_epoch());
}

std::int64_t calendar(std::chrono::steady_clock::time_point time, milliseconds offset) {
  return (std::chrono::duration_cast<milliseconds>(time.time_since_epoch()) + offset).count();
}

std::chrono::steady_clock::time_point monotonic(std::int64_t time, milliseconds offset) {
  return std::chrono::steady_clock::time_point(milliseconds(time) - offset);
}

Row make_row(const Outbox::Entry& entry, milliseconds offset) {
  const auto& publication = *entry.publication;
  Row row{entry.seq,
          entry.cloud_topic(),
          entry.qos,
          publication.retain,
          publication.payload,
          publication.properties,
          calendar(publication.published, offset),
          {}};
  if (publication.expires) row.expires = calendar(*publication.expires, offset);
  return row;
}

}  // namespace

Outbox::Outbox(OutboxFile& file, mqtt::Store& store, const QueueSettings& settings, mqtt::Clock& clock)
    : file_(file), store_(store), settings_(settings), clock_(clock) {
  next_seq_ = file_.reserved();
  reserved_ = next_seq_ + kSeqBlock;
  file_.begin();
  file_.reserve(reserved_);
  file_.commit();
  rows_ = file_.rows();
  bytes_ = file_.bytes();
  times_set_aside_ = file_.times_set_aside();
  backlog_ = true;
  loaded(file_.load(0, kHeadRows, kHeadBytes));
}

// ---- a message comes

tl::expected<mqtt::Ticket, mqtt::Reason> Outbox::append(mqtt::PublicationPtr publication, std::string topic,
                                                        mqtt::Qos qos, bool durable) {
  if (durable && !disk_error_.empty()) return tl::unexpected(mqtt::Reason::ImplementationSpecificError);
  Entry entry;
  entry.cost = row_cost(topic.empty() ? publication->topic.size() : topic.size(), publication->payload.size(),
                        publication->properties.size());
  if (tail_bytes_ > kTailBytes || (bytes_ + entry.cost > settings_.max_size && !make_room(entry.cost))) {
    ++counters_.dropped_full;
    if (settings_.when_full == WhenFull::Reject) return tl::unexpected(mqtt::Reason::QuotaExceeded);
    return 0;
  }
  entry.seq = take_seq();
  entry.publication = std::move(publication);
  entry.topic = std::move(topic);
  entry.qos = qos;
  entry.added = clock_.now();
  ++rows_;
  bytes_ += entry.cost;
  ++unwritten_;
  backlog_ = backlog_ || head_.size() >= kHeadRows || head_bytes_ >= kHeadBytes;
  if (backlog_) {
    tail_bytes_ += entry.cost;
    tail_.push_back(std::move(entry));
  } else {
    add_to_head(std::move(entry));
  }
  auto& added = backlog_ ? tail_.back() : head_.back();
  if (!disk_error_.empty()) return 0;
  if (durable || settings_.commit_interval == 0ms) write({&added});
  const auto ticket = durable ? added.written_by : 0;
  if (unwritten_ > kUnwritten) write_older_than(0ms);
  return ticket;
}

Seq Outbox::take_seq() {
  if (next_seq_ + kSeqBlock / 2 > reserved_ && disk_error_.empty()) {
    reserved_ = next_seq_ + kSeqBlock;
    reserve();
  }
  return next_seq_++;
}

void Outbox::reserve() {
  post([this, end = reserved_] { file_.reserve(end); });
}

bool Outbox::make_room(std::uint64_t cost) {
  if (settings_.when_full != WhenFull::DropOldest || cost > settings_.max_size) return false;
  const auto needed = bytes_ + cost - settings_.max_size;
  const auto freed = drop_from(head_, needed);
  if (freed >= needed) return true;
  if (!backlog_) return false;
  drop_from_disk(needed - freed);
  return bytes_ + cost <= settings_.max_size + slack();
}

/// How much is dropped from the disk at a time, and by how much the queue may exceed its bound until that is done.
std::uint64_t Outbox::slack() const { return settings_.max_size / 20; }

/// Drops the oldest of one part, but what is in flight; returns the bytes freed.
std::uint64_t Outbox::drop_from(Entries& part, std::uint64_t bytes) {
  std::uint64_t freed = 0;
  for (auto entry = part.begin(); entry != part.end() && freed < bytes;) {
    if (entry->in_flight) {
      ++entry;
      continue;
    }
    freed += entry->cost;
    ++counters_.dropped_full;
    const auto index = entry - part.begin();
    if (entry->maybe_on_disk) erasures_.push_back({entry->seq, {}});
    forget(part, entry);
    entry = part.begin() + index;
  }
  return freed;
}

void Outbox::drop_from_disk(std::uint64_t needed) {
  if (dropping_ || loading_ || !disk_error_.empty()) return;
  dropping_ = true;
  const auto bytes = std::max(needed, slack());
  const auto removed = std::make_shared<OutboxFile::Removed>();
  const auto ticket =
      post([this, removed, bytes, after = last_in_head_] { *removed = file_.drop_oldest(after, bytes); });
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
  counters_.dropped_full += removed.rows;
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

Outbox::Entry* Outbox::next() {
  if (backlog_ && head_.size() < kRefillBelow) refill();
  auto entry = std::ranges::lower_bound(head_, cursor_, {}, &Entry::seq);
  while (entry != head_.end()) {
    const auto index = entry - head_.begin();
    if (entry->in_flight) {
      ++entry;
    } else if (drop_if_expired(entry)) {
      entry = head_.begin() + index;
    } else {
      break;
    }
  }
  cursor_ = entry == head_.end() ? last_in_head_ + 1 : entry->seq;
  return entry == head_.end() ? nullptr : &*entry;
}

bool Outbox::drop_if_expired(Entries::iterator entry) {
  const auto& expires = entry->publication->expires;
  if (!expires || *expires > clock_.now()) return false;
  ++counters_.dropped_expired;
  remove(entry);
  return true;
}

void Outbox::sent(Entry& entry) {
  entry.in_flight = true;
  if (entry.qos == mqtt::Qos::ExactlyOnce) entry.maybe_on_disk = true;  // by LinkState::put
  ++in_flight_;
}

void Outbox::hold(Seq seq) {
  const auto entry = find(seq);
  if (entry == head_.end()) {
    held_.insert(seq);
  } else if (!entry->in_flight) {
    sent(*entry);
  }
}

bool Outbox::settle(Seq seq) {
  const auto entry = find(seq);
  if (entry == head_.end()) {
    erasures_.push_back({seq, {}});
    return false;
  }
  if (!entry->maybe_on_disk) ++counters_.never_written;
  remove(entry);
  return true;
}

void Outbox::park(Seq seq, mqtt::Reason reason) {
  const auto entry = find(seq);
  if (entry == head_.end()) return;
  if (entry->unwritten && disk_error_.empty()) write({&*entry});
  ++counters_.parked;
  erasures_.push_back({seq, reason});
  forget(head_, entry);
}

void Outbox::requeue(Seq seq) {
  const auto entry = find(seq);
  if (entry == head_.end() || !entry->in_flight) return;
  entry->in_flight = false;
  --in_flight_;
  cursor_ = std::min(cursor_, seq);
}

std::size_t Outbox::requeue_all(const std::function<bool(Seq)>& keep) {
  std::size_t requeued = 0;
  for (auto& entry : head_) {
    if (!entry.in_flight || keep(entry.seq)) continue;
    entry.in_flight = false;
    --in_flight_;
    ++requeued;
    cursor_ = std::min(cursor_, entry.seq);
  }
  std::erase_if(held_, [&](Seq seq) { return !keep(seq); });
  return requeued;
}

// ---- to the disk

void Outbox::tick() {
  const auto now = clock_.now();
  if (!disk_error_.empty()) {
    if (now >= retry_at_) retry_disk();
    return;
  }
  if (bytes_ > settings_.max_size && backlog_ && settings_.when_full == WhenFull::DropOldest) {
    drop_from_disk(bytes_ - settings_.max_size);
  }
  if (any_older_than(settings_.commit_interval)) {
    write_older_than(settings_.commit_interval / 2);
  }
  if (erasures_.empty()) {
    erasures_since_ = now;
  } else if (erasures_.size() >= kErasures || now - erasures_since_ >= settings_.commit_interval) {
    write_erasures();
  }
}

bool Outbox::any_older_than(milliseconds age) const {
  const auto limit = clock_.now() - age;
  const auto old = [&](const Entry& entry) { return entry.unwritten && entry.added <= limit; };
  return unwritten_ > 0 && (std::ranges::any_of(head_, old) || std::ranges::any_of(tail_, old));
}

void Outbox::write_older_than(milliseconds age) {
  const auto limit = clock_.now() - age;
  std::vector<Entry*> entries;
  each([&](Entry& entry) {
    if (entry.unwritten && entry.added <= limit) entries.push_back(&entry);
  });
  if (!entries.empty()) write(entries);
}

void Outbox::write(const std::vector<Entry*>& entries) {
  write_erasures();
  std::vector<Entry> copies;
  for (const auto* entry : entries) copies.push_back(*entry);
  const auto ticket = post([this, copies = std::move(copies), offset = calendar_offset(clock_)] {
    for (const auto& entry : copies) file_.insert(make_row(entry, offset));
  });
  for (auto* entry : entries) {
    entry->unwritten = false;
    entry->maybe_on_disk = true;
    entry->written_by = ticket;
    --unwritten_;
  }
}

void Outbox::write_erasures() {
  if (erasures_.empty()) return;
  const auto now = calendar(clock_.now(), calendar_offset(clock_));
  const auto ticket = post([this, erasures = erasures_, now] {
    for (const auto& erasure : erasures) {
      erasure.parked ? static_cast<void>(file_.park(erasure.seq, *erasure.parked, now)) : file_.erase(erasure.seq);
    }
  });
  erasing_.emplace_back(ticket, std::move(erasures_));
  erasures_.clear();
  erasures_since_ = clock_.now();
}

mqtt::Ticket Outbox::post(std::function<void()> job) { return store_.write(file_, std::move(job)); }

void Outbox::committed(mqtt::Ticket ticket) {
  committed_ = ticket;
  while (!erasing_.empty() && erasing_.front().first <= ticket) erasing_.pop_front();
  if (file_.times_set_aside() != times_set_aside_) start_over();
  while (!tail_.empty() && !tail_.front().unwritten && tail_.front().written_by <= ticket) {
    tail_bytes_ -= tail_.front().cost;
    tail_.pop_front();
  }
}

void Outbox::failed(const std::string& what) {
  if (disk_error_.empty()) retry_at_ = clock_.now() + kDiskRetry;
  disk_error_ = what.empty() ? "unknown error" : what;
  each([this](Entry& entry) {
    if (entry.unwritten || entry.written_by <= committed_) return;
    entry.unwritten = true;
    ++unwritten_;
  });
  std::vector<Erasure> again;
  for (auto& [ticket, erasures] : erasing_) std::ranges::move(erasures, std::back_inserter(again));
  erasing_.clear();
  erasures_.insert(erasures_.begin(), again.begin(), again.end());
}

void Outbox::retry_disk() {
  disk_error_.clear();
  store_.resume(file_);
  reserve();
  write_erasures();
  write_older_than(0ms);
  owed_until_ = store_.last_ticket();
}

/// The file was found damaged and set aside with the backlog: what is in memory goes into the new one.
void Outbox::start_over() {
  times_set_aside_ = file_.times_set_aside();
  rows_ = head_.size() + tail_.size();
  bytes_ = head_bytes_ + tail_bytes_;
  each([this](Entry& entry) {
    if (!entry.unwritten) ++unwritten_;
    entry.unwritten = true;
  });
  if (disk_error_.empty()) reserve();
  load_again_at_ = {};
  refill();
}

void Outbox::flush() {
  if (!disk_error_.empty()) retry_disk();
  write_erasures();
  write_older_than(0ms);
  reserved_ = next_seq_;
  reserve();
}

// ---- from the disk

void Outbox::refill() {
  if (loading_ || dropping_ || clock_.now() < load_again_at_) return;
  loading_ = true;
  const auto page = std::make_shared<std::optional<OutboxFile::Page>>();
  store_.read([this, page, after = last_in_head_] { *page = file_.load(after, kHeadRows, kHeadBytes); },
              [this, alive = std::weak_ptr(alive_), page] {
                if (alive.expired()) return;
                loading_ = false;
                if (!*page) return not_loaded();
                loaded(std::move(**page));
                if (on_loaded_) on_loaded_();
              });
}

/// The store has logged why. If the file is damaged, the next transaction on it begins a new one.
void Outbox::not_loaded() {
  load_again_at_ = clock_.now() + kDiskRetry;
  if (disk_error_.empty()) reserve();
}

/// Merges what came from the disk with what is in memory, on its way there, and belongs before or among it.
void Outbox::loaded(OutboxFile::Page page) {
  const Seq last = page.rows.empty() ? 0 : page.rows.back().seq;
  auto row = page.rows.begin();
  while (row != page.rows.end() || !tail_.empty()) {
    const bool from_tail = !tail_.empty() && (row == page.rows.end() || tail_.front().seq <= row->seq);
    if (!from_tail) {
      add_to_head(entry_of(std::move(*row++)));
      continue;
    }
    if (!page.complete && tail_.front().seq > last) break;
    if (row != page.rows.end() && row->seq == tail_.front().seq) ++row;
    tail_bytes_ -= tail_.front().cost;
    add_to_head(std::move(tail_.front()));
    tail_.pop_front();
  }
  backlog_ = !page.complete;
}

void Outbox::add_to_head(Entry entry) {
  last_in_head_ = entry.seq;
  head_bytes_ += entry.cost;
  head_.push_back(std::move(entry));
  if (held_.erase(head_.back().seq) != 0) sent(head_.back());
}

Outbox::Entry Outbox::entry_of(Row row) const {
  const auto offset = calendar_offset(clock_);
  auto publication = std::make_shared<mqtt::Publication>();
  Entry entry;
  entry.cost = row_cost(row.topic.size(), row.payload.size(), row.properties.size());
  publication->topic = std::move(row.topic);
  publication->payload = std::move(row.payload);
  publication->properties = std::move(row.properties);
  publication->qos = row.qos;
  publication->retain = row.retain;
  publication->published = monotonic(row.published, offset);
  if (row.expires) publication->expires = monotonic(*row.expires, offset);
  entry.seq = row.seq;
  entry.publication = std::move(publication);
  entry.qos = row.qos;
  entry.unwritten = false;
  entry.maybe_on_disk = true;
  entry.added = clock_.now();
  return entry;
}

Row Outbox::row_of(const Entry& entry) const { return make_row(entry, calendar_offset(clock_)); }

// ---- small things

template <class F>
void Outbox::each(F f) {
  for (auto& entry : head_) f(entry);
  for (auto& entry : tail_) f(entry);
}

Outbox::Entries::iterator Outbox::find(Seq seq) {
  const auto entry = std::ranges::lower_bound(head_, seq, {}, &Entry::seq);
  return entry != head_.end() && entry->seq == seq ? entry : head_.end();
}

/// Takes it out of the queue and off the disk.
void Outbox::remove(Entries::iterator entry) {
  if (entry->maybe_on_disk) erasures_.push_back({entry->seq, {}});
  forget(head_, entry);
}

void Outbox::forget(Entries& part, Entries::iterator entry) {
  --rows_;
  bytes_ -= entry->cost;
  (&part == &head_ ? head_bytes_ : tail_bytes_) -= entry->cost;
  if (entry->in_flight) --in_flight_;
  if (entry->unwritten) --unwritten_;
  part.erase(entry);
}

}  // namespace ferrule::bridge

// What of an Outbox has to do with its file.
#include <algorithm>
#include <iterator>

#include "bridge/outbox.hpp"

namespace ferrule::bridge {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

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

template <class F>
void Outbox::each(F f) {
  for (auto& entry : head_) f(entry);
  for (auto& entry : tail_) f(entry);
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

}  // namespace ferrule::bridge

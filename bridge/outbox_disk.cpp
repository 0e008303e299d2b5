// What of an Outbox has to do with its file.
#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "bridge/outbox.hpp"

namespace ferrule::bridge {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr std::size_t kErasures = 1'000;
constexpr std::size_t kPageRows = 512;  // at a time: what is live waits meanwhile
constexpr Seq kSeqBlock = 100'000;      // Seqs reserved on disk at a time
constexpr auto kDiskRetry = 1s;
constexpr int kVainLoads = 3;  // before what cannot be read is skipped
constexpr int kPieces = 16;    // that are written at a time while the disk is full

}  // namespace

Outbox::Outbox(OutboxFile& file, mqtt::Store& store, const QueueSettings& settings, mqtt::Clock& clock)
    : file_(file),
      store_(store),
      settings_(settings),
      clock_(clock),
      live_first_(settings.backfill == Backfill::LiveFirst),
      backfill_(settings.backfill_rate) {
  begin_calendar();
  next_seq_ = reserved_ = file_.reserved();
  rows_ = file_.rows();
  bytes_ = file_.bytes();
  times_set_aside_ = file_.times_set_aside();
  backlog_ = true;
  loaded(file_.load_readable(0, kHeadRows, kHeadBytes));
  for (const auto priority : kPriorities) backlog_of(priority) = file_.rows(priority) > 0;
  for (auto& [session, known] : file_.receipts()) receipts_.emplace(std::pair(session, known.packet_id), known);
  reserve_first();
  watch_room();
}

/// Before anything is sent, because receivers recognise repetitions by Seq. Where the disk is full even for that, they
/// begin where the calendar stands, as those of a new file do.
void Outbox::reserve_first() {
  for (const bool again : {true, false}) {
    try {
      file_.begin();
      file_.reserve(next_seq_ + kSeqBlock);
      file_.commit();
      reserved_ = next_seq_ + kSeqBlock;
      return;
    } catch (const std::runtime_error& error) {
      file_.rollback();
      if (!file_.full()) throw;
      if (again) continue;  // by now the reserve has been given back
      next_seq_ = reserved_ = std::max(next_seq_, seq_of_today());
    }
  }
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
  for (auto* part : {&head_, &tail_, &live_}) {
    for (auto& entry : *part) f(entry);
  }
}

// ---- to the disk

void Outbox::tick() {
  const auto now = clock_.now();
  if (!disk_error_.empty()) {
    if (now >= retry_at_) retry_disk();
    return;
  }
  watch_room();
  drop_aged();
  thin();
  if (bytes_ > limit()) make_room(0, Priority::High);
  if (owing_ || file_.full()) return write_pieces(owing_ ? 0ms : settings_.commit_interval);
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
  const auto any_old = [&](const Entries* part) { return std::ranges::any_of(*part, old); };
  return unwritten_ > 0 && std::ranges::any_of(std::array{&head_, &tail_, &live_}, any_old);
}

/// The oldest of them, of `bytes` and one more.
std::vector<Outbox::Entry*> Outbox::unwritten(milliseconds age, std::uint64_t bytes) {
  const auto limit = clock_.now() - age;
  std::vector<Entry*> entries;
  std::uint64_t found = 0;
  each([&](Entry& entry) {
    if (!entry.unwritten || entry.added > limit || found >= bytes) return;
    found += entry.cost;
    entries.push_back(&entry);
  });
  return entries;
}

void Outbox::write_older_than(milliseconds age) {
  write_erasures();
  if (const auto entries = unwritten(age, UINT64_MAX); !entries.empty()) write(entries);
}

/// Some transactions, each behind the commit of the one before, once those of the last time are on disk.
void Outbox::write_pieces(milliseconds age) {
  if (committed_ < owed_until_) return;
  for (int i = 0; i < kPieces; ++i) {
    if (!write_piece(age)) {
      owing_ = false;
      return;
    }
    owed_until_ = store_.last_ticket();
    store_.read([] {}, {});  // ends the transaction
  }
}

/// What frees room first; false when there is nothing.
bool Outbox::write_piece(milliseconds age) {
  if (!erasures_.empty()) {
    write_erasures(piece());
    return true;
  }
  const auto entries = unwritten_ > 0 ? unwritten(age, piece()) : std::vector<Entry*>();
  if (!entries.empty()) write(entries);
  return !entries.empty();
}

/// Bytes of messages whose pages the log takes for certain: it is kept at half the reserve at least.
std::uint64_t Outbox::piece() const { return file_.reserve() / 16; }

void Outbox::write(const std::vector<Entry*>& entries) {
  std::vector<Entry> copies;
  bool receipts = false;
  for (const auto* entry : entries) {
    copies.push_back(*entry);
    receipts = receipts || entry->receipt;
  }
  const auto known = receipts ? remembered_.value_or(0) : 0;
  const auto ticket = post([this, copies = std::move(copies), noted = time_to_note(), known] {
    if (noted) file_.note_time(*noted);
    if (known != 0) file_.erase_receipts(known);
    for (const auto& entry : copies) {
      file_.insert(row_of(entry));
      if (entry.receipt) file_.put_receipt(entry.publication->origin, *entry.receipt);
    }
  });
  for (auto* entry : entries) {
    entry->unwritten = false;
    entry->maybe_on_disk = true;
    entry->written_by = ticket;
    --unwritten_;
  }
}

std::uint64_t Outbox::remember(std::uint64_t receipt) {
  if (std::exchange(remembered_, receipt)) return receipt;
  std::uint64_t newest = receipt;
  std::erase_if(receipts_, [&](const auto& each) {
    const auto known = each.second.number;
    if (known != OutboxFile::kHeldReceipt) newest = std::max(newest, known);
    return known <= receipt;
  });
  // The broker did not get those on disk that are left, and it never will under these numbers, which rise on.
  post([this, receipt] {
    file_.erase_receipts(receipt);
    file_.hold_receipts();
  });
  return newest;
}

/// The first of them, of `bytes` and one more.
void Outbox::write_erasures(std::uint64_t bytes) {
  if (erasures_.empty()) return;
  auto end = erasures_.begin();
  for (std::uint64_t taken = 0; end != erasures_.end() && taken < bytes; ++end) taken += end->cost + 1;
  std::vector<Erasure> taken(erasures_.begin(), end);
  erasures_.erase(erasures_.begin(), end);
  const auto now = calendar(clock_.now());
  const auto ticket = post([this, taken, now] {
    std::vector<Seq> erased;
    for (const auto& erasure : taken) {
      erasure.parked ? file_.park(erasure.seq, *erasure.parked, now) : erased.push_back(erasure.seq);
    }
    file_.erase(std::move(erased));
  });
  erasing_.emplace_back(ticket, std::move(taken));
  erasures_since_ = clock_.now();
}

mqtt::Ticket Outbox::post(std::function<void()> job) { return store_.write(file_, std::move(job)); }

/// They are on disk only, behind what is in memory by now and before what comes.
void Outbox::retry_parked(std::vector<Seq> seqs, std::function<void(std::size_t)> told) {
  std::vector<std::pair<Seq, Seq>> moves;
  for (const Seq seq : seqs) moves.emplace_back(seq, take_seq());
  backlog_ = true;
  backlog_of_.fill(true);
  const auto costs = std::make_shared<std::vector<std::uint64_t>>();
  const auto ticket = post([this, moves, costs] {
    for (const auto& [seq, as] : moves) {
      if (const auto cost = file_.unpark(seq, as); cost != 0) costs->push_back(cost);
    }
  });
  store_.read([] {},
              [this, alive = std::weak_ptr(alive_), costs, ticket, told = std::move(told)] {
                if (alive.expired()) return;
                const bool done = disk_error_.empty() && committed_ >= ticket;
                for (const auto cost : *costs) {
                  rows_ += done ? 1 : 0;
                  bytes_ += done ? cost : 0;
                }
                if (on_loaded_) on_loaded_();
                told(done ? costs->size() : 0);
              });
}

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
  const bool again = !disk_error_.empty();
  const bool ran_out = file_.full() && disk_limit_ == UINT64_MAX;  // by now the reserve has been given back
  if (!again) retry_at_ = clock_.now() + (ran_out ? 0s : kDiskRetry);
  disk_error_ = what.empty() ? "unknown error" : what;
  watch_room();
  if (file_.full() && !ran_out && !again) disk_limit_ -= disk_limit_ / 16;  // if the policy is to drop, more has to go
  each([this](Entry& entry) {
    if (entry.unwritten || entry.written_by <= committed_) return;
    entry.unwritten = true;
    ++unwritten_;
  });
  std::vector<Erasure> lost;
  for (auto& [ticket, erasures] : erasing_) std::ranges::move(erasures, std::back_inserter(lost));
  erasing_.clear();
  erasures_.insert(erasures_.begin(), lost.begin(), lost.end());
}

/// While the disk is full the queue may hold what it holds now, or at least what the reserve takes.
void Outbox::watch_room() {
  if (!file_.full()) {
    disk_limit_ = UINT64_MAX;
    return;
  }
  if (disk_limit_ == UINT64_MAX) disk_limit_ = std::max(bytes_, file_.reserve() / 2);
  if (!disk_error_.empty() || clock_.now() < retry_at_) return;
  retry_at_ = clock_.now() + kDiskRetry;
  reserve();  // a commit finds out whether there is room again
}

void Outbox::retry_disk() {
  disk_error_.clear();
  retry_at_ = clock_.now() + kDiskRetry;
  store_.resume(file_);
  reserve();
  owing_ = true;
  owed_until_ = store_.last_ticket();
  if (bytes_ > limit()) make_room(0, Priority::High);
}

/// The file was found damaged and set aside with the backlog: what is in memory goes into the new one.
void Outbox::start_over() {
  times_set_aside_ = file_.times_set_aside();
  receipts_.clear();
  rows_ = head_.size() + tail_.size() + live_.size();
  bytes_ = head_bytes_ + tail_bytes_ + live_bytes_;
  each([this](Entry& entry) {
    if (!entry.unwritten) ++unwritten_;
    entry.unwritten = true;
  });
  if (disk_error_.empty()) reserve();
  load_again_at_ = {};
  refill();
}

void Outbox::flush() {
  if (!disk_error_.empty()) store_.resume(file_);
  disk_error_.clear();
  reserved_ = next_seq_;
  if (owing_ || file_.full()) {
    while (write_piece(0ms)) store_.read([] {}, {});
  } else {
    write_older_than(0ms);
  }
  reserve();
}

// ---- from the disk

void Outbox::refill() {
  if (loading_ || dropping_ || clock_.now() < load_again_at_) return;
  loading_ = true;
  const auto page = std::make_shared<std::optional<OutboxFile::Page>>();
  const bool skips = vain_loads_ >= kVainLoads;
  store_.read(
      [this, page, skips, after = last_in_head_] {
        *page = skips ? file_.load_readable(after, kPageRows, kHeadBytes) : file_.load(after, kPageRows, kHeadBytes);
      },
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
  ++vain_loads_;
  load_again_at_ = clock_.now() + kDiskRetry;
  if (disk_error_.empty()) reserve();
}

/// Merges what came from the disk with what is in memory, on its way there, and belongs before or among it.
void Outbox::loaded(OutboxFile::Page page) {
  vain_loads_ = 0;
  skipped_ = skipped_ || page.skipped;
  const Seq last = page.rows.empty() ? 0 : page.rows.back().seq;
  leave_out_known(page);
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
  last_in_head_ = std::max(last_in_head_, last);
  backlog_ = !page.complete;
  if (skipped_ && page.complete) count_unreadable();
}

/// All that can be read is in memory.
void Outbox::count_unreadable() {
  skipped_ = false;
  const auto rows = head_.size() + tail_.size() + live_.size();
  counters_.unreadable += rows_ - std::min<std::uint64_t>(rows, rows_);
  rows_ = rows;
  bytes_ = head_bytes_ + tail_bytes_ + live_bytes_;
}

/// What is live is on disk among the others, and so is what went from behind the head and is not erased there yet.
void Outbox::leave_out_known(OutboxFile::Page& page) const {
  std::set<Seq> out;
  const auto leave_out = [&](Seq seq) {
    if (seq > last_in_head_) out.insert(seq);
  };
  for (const auto& entry : live_) leave_out(entry.seq);
  for (const auto& erasure : erasures_) leave_out(erasure.seq);
  for (const auto& [ticket, erasures] : erasing_) {
    for (const auto& erasure : erasures) leave_out(erasure.seq);
  }
  if (!out.empty()) std::erase_if(page.rows, [&](const Row& row) { return out.contains(row.seq); });
}

}  // namespace ferrule::bridge

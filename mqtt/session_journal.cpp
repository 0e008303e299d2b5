#include "mqtt/session_journal.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cassert>
#include <utility>

namespace ferrule::mqtt {

namespace {

using namespace std::chrono_literals;

constexpr auto kDiskRetry = 1s;
constexpr std::size_t kMaxGathered = 20'000;  // changes that wait for their commit interval

std::shared_ptr<Batch> batch_from(ChangeNo first) {
  auto batch = std::make_shared<Batch>();
  batch->first = first;
  return batch;
}

}  // namespace

SessionJournal::SessionJournal(std::filesystem::path path, Store& store, Clock& clock,
                               std::chrono::milliseconds commit_interval)
    : store_(store),
      clock_(clock),
      commit_interval_(commit_interval),
      file_(std::move(path), clock.now(), std::chrono::system_clock::now()),
      full_(file_.full()),
      times_lost_(file_.times_set_aside()) {}

RestoredState SessionJournal::restore() {
  RestoredState state = file_.sessions();
  open_ = batch_from(state.next_change);
  committed_ = state.next_change;
  open_->erased = std::move(state.orphans);
  shared_ = std::move(state.shared);
  last_receipt_ = receipts_on_disk_ = state.receipt;
  for (const auto& restored : state.sessions) last_session_ = std::max(last_session_, restored.session.row);
  return state;
}

void SessionJournal::restore_retained(const SessionFile::TakeRetained& take) {
  file_.retained([&](RetainedRow row, PublicationPtr publication) {
    last_retained_ = std::max(last_retained_, row);
    take(row, std::move(publication));
  });
}

// Gathering

/// Before a change, within a Whole. The store does not take the batch from under it until the outermost is over.
void SessionJournal::hold() {
  assert(depth_ > 0);
  if (std::exchange(held_, true)) return;
  open_->mutex.lock();
  if (!open_->taken) return;
  open_->mutex.unlock();
  replace_open();
  open_->mutex.lock();
}

void SessionJournal::follow(Ticket ticket) {
  if (open_->ticket == 0 || open_->ticket > ticket) return;
  if (std::exchange(held_, false)) open_->mutex.unlock();
  replace_open();
}

void SessionJournal::replace_open() {
  open_ = batch_from(open_->end());
  retained_.clear();
}

void SessionJournal::note_age() {
  if (open_->since == Time{}) open_->since = clock_.now();
}

ChangeNo SessionJournal::push(Change change) {
  const Whole whole(this);
  hold();
  note_age();
  open_->changes.push_back(std::move(change));
  return open_->end() - 1;
}

/// Within a Whole. False when it is too late.
bool SessionJournal::take_back(ChangeNo change) {
  hold();
  if (change < open_->first || change >= open_->end()) return false;
  open_->changes[change - open_->first] = std::monostate();
  return true;
}

// Sessions

void SessionJournal::save(StoredSession session) {
  push(change::SaveSession{std::make_unique<StoredSession>(std::move(session))});
}

void SessionJournal::end(SessionRow session) {
  const Whole whole(this);
  push(change::EndSession{session});
  open_->done.erase(session);
}

void SessionJournal::subscribe(SessionRow session, StoredSubscription subscription) {
  push(change::Subscribe{session, std::make_unique<StoredSubscription>(std::move(subscription))});
}

void SessionJournal::unsubscribe(SessionRow session, std::string filter) {
  push(change::Unsubscribe{session, std::move(filter)});
}

// Publications to sessions

ChangeNo SessionJournal::add_receiver(SessionRow session, const StoredDelivery& delivery) {
  hold();
  const bool here = current_ >= open_->first && current_ < open_->end();
  auto* added = here ? std::get_if<change::AddPublication>(&open_->changes[current_ - open_->first]) : nullptr;
  if (added == nullptr) {  // the first, or all before have given it back already
    current_ = push(change::AddPublication{*publication_, {}});
    added = &std::get<change::AddPublication>(open_->changes.back());
  } else {
    const auto known = shared_.emplace(current_, 1).first;
    ++known->second;
  }
  encode_receiver(added->receivers, session, delivery);
  return current_;
}

void SessionJournal::give_back(ChangeNo publication) {
  if (!shared_.empty()) {
    if (const auto found = shared_.find(publication); found != shared_.end()) {
      if (--found->second > 0) return;
      shared_.erase(found);
    }
  }
  const Whole whole(this);
  if (take_back(publication)) return;
  note_age();
  open_->erased.push_back(publication);
}

void SessionJournal::done(SessionRow session, std::uint64_t number) {
  const Whole whole(this);
  hold();
  note_age();
  open_->done[session] = number;
}

ChangeNo SessionJournal::save_exchange(SessionRow session, std::uint64_t number, bool complete) {
  return push(change::SaveExchange{session, number, complete});
}

void SessionJournal::add_incoming(SessionRow session, std::uint16_t packet_id, std::uint64_t receipt) {
  const Whole whole(this);
  push(change::AddIncoming{session, packet_id});
  open_->receipt = receipt;
}

void SessionJournal::drop_incoming(SessionRow session, std::uint16_t packet_id) {
  push(change::DropIncoming{session, packet_id});
}

// Retained publications

void SessionJournal::retain(RetainedRow row, PublicationPtr publication) {
  const Whole whole(this);
  hold();
  if (const auto before = retained_.find(row); before != retained_.end()) take_back(before->second);
  retained_[row] = push(change::SaveRetained{row, std::move(publication)});
}

void SessionJournal::drop_retained(RetainedRow row) {
  const Whole whole(this);
  hold();
  if (const auto before = retained_.extract(row)) take_back(before.mapped());
  push(change::DropRetained{row});
}

// To the disk

Ticket SessionJournal::post() {
  const Whole whole(this);
  hold();
  if (open_->ticket != 0) return open_->ticket;
  const bool empty = open_->changes.empty() && open_->erased.empty() && open_->done.empty();
  if (empty) return posted_.empty() ? 0 : posted_.back()->ticket;
  posted_.push_back(open_);
  write(*open_);
  return open_->ticket;
}

void SessionJournal::write(Batch& batch) {
  // Held by posted_ until it is committed, and that is after the job.
  batch.ticket = store_.write(file_, [this, &batch, now = clock_.now()] {
    {
      const std::lock_guard lock(batch.mutex);
      batch.taken = true;
    }
    file_.apply(batch, now);
  });
}

void SessionJournal::committed(Ticket ticket) {
  told_ = ticket;
  if (failing()) return;  // what failed was told before: a later ticket covers it
  while (!posted_.empty() && posted_.front()->ticket <= ticket) {
    committed_ = posted_.front()->end();
    receipts_on_disk_ = std::max(receipts_on_disk_, posted_.front()->receipt);
    if (posted_.front() == open_) replace_open();  // lets its publications go
    posted_.pop_front();
  }
  if (std::exchange(times_lost_, file_.times_set_aside()) != times_lost_ && on_lost_) on_lost_();
}

void SessionJournal::failed(const StoreFile& file, const std::string& what) {
  if (&file != &file_) return;
  const bool ran_out = !std::exchange(full_, file_.full()) && full_;  // by now the reserve has been given back
  if (!failing()) {
    retry_at_ = clock_.now() + (ran_out ? 0s : kDiskRetry);
    spdlog::error("broker: sessions cannot be written: {}; clients' publications for them wait", what);
  }
  disk_error_ = what.empty() ? "unknown error" : what;
}

/// A commit finds out whether there is room again.
void SessionJournal::watch_room() {
  full_ = file_.full();
  if (!full_ || clock_.now() < retry_at_) return;
  retry_at_ = clock_.now() + kDiskRetry;
  store_.write(file_, [] {});
}

/// Everything that is not on disk once more, in order.
void SessionJournal::retry() {
  disk_error_.clear();
  store_.resume(file_);
  for (const auto& batch : posted_) write(*batch);
  owed_until_ = store_.last_ticket();
}

void SessionJournal::tick() {
  const auto now = clock_.now();
  if (failing()) {
    if (now >= retry_at_) retry();
    return;
  }
  watch_room();
  const bool due = open_->since != Time{} && now - open_->since >= commit_interval_;
  if (due || open_->changes.size() + open_->erased.size() > kMaxGathered) post();
  if (failed_loads_.empty() || now < retry_at_) return;
  store_.write(file_, [] {});  // if the file is damaged, this begins a new one
  for (const auto& load : std::exchange(failed_loads_, {})) read(load);
}

// From the disk

void SessionJournal::load(std::string client_id, SessionRow session, std::vector<ChangeNo> publications) {
  post();
  read(std::make_shared<Load>(Load{std::move(client_id), session, std::move(publications), {}, false}));
}

void SessionJournal::read(const std::shared_ptr<Load>& load) {
  store_.read(
      [this, load] {
        load->found = file_.publications(load->publications);
        load->complete = true;
      },
      [this, alive = std::weak_ptr(alive_), load] {
        if (alive.expired()) return;
        if (load->complete) return loaded(*load);
        retry_at_ = clock_.now() + kDiskRetry;
        failed_loads_.push_back(load);
      });
}

/// What the disk did not take yet is still in memory.
void SessionJournal::loaded(Load& load) {
  Loaded all;
  auto found = load.found.begin();
  for (const ChangeNo publication : load.publications) {
    const bool here = found != load.found.end() && found->first == publication;
    all.emplace_back(publication, here ? std::move((found++)->second) : in_memory(publication));
  }
  if (on_loaded_) on_loaded_(load.client_id, load.session, all);
}

PublicationPtr SessionJournal::in_memory(ChangeNo publication) const {
  const auto find_in = [&](const Batch& batch) -> PublicationPtr {
    if (publication < batch.first || publication >= batch.end()) return nullptr;
    const auto* added = std::get_if<change::AddPublication>(&batch.changes[publication - batch.first]);
    return added != nullptr ? added->publication : nullptr;
  };
  for (const auto& batch : posted_) {
    if (auto found = find_in(*batch)) return found;
  }
  return find_in(*open_);
}

}  // namespace ferrule::mqtt

#include "bridge/row_state.hpp"

#include "mqtt/failpoint.hpp"

namespace ferrule::bridge {

RowState::RowState(OutboxFile& file, mqtt::Store& store) : file_(file), store_(store), followers_(file.followers()) {
  for (auto& record : file_.records()) records_[record.seq][record.key] = std::move(record.packet);
  for (const auto& [leader, followers] : followers_) {
    for (const Seq seq : followers) records_[seq];
  }
}

void RowState::prepare(std::vector<Prepared> rows) {
  const std::lock_guard lock(mutex_);
  const auto seq = rows.front().row.seq;
  prepared_.insert_or_assign(seq, std::move(rows));
}

void RowState::unprepare_all() {
  const std::lock_guard lock(mutex_);
  prepared_.clear();
}

bool RowState::is_idle() const {
  const std::lock_guard lock(mutex_);
  return records_.upper_bound(kNoRow) == records_.end();
}

RowState::UnderWay RowState::under_way() const {
  const std::lock_guard lock(mutex_);
  UnderWay all;
  for (const auto& [seq, records] : records_) {
    if (seq != kNoRow) all.seqs.insert(seq);
  }
  for (const auto& [leader, followers] : followers_) all.followers += followers.size();
  return all;
}

std::vector<Seq> RowState::take_followers(Seq leader) {
  const std::lock_guard lock(mutex_);
  auto followers = set_free_.extract(leader);
  return followers ? std::move(followers.mapped()) : std::vector<Seq>();
}

void RowState::write(std::vector<InFlight> records, Written written) {
  const auto changes = std::make_shared<Changes>();
  {
    const std::lock_guard lock(mutex_);
    for (auto& record : records) add(std::move(record), *changes);
    if (!changes->added.empty() || !released_.empty()) {
      changes->ended.swap(ended_);
      changes->released.swap(released_);
      post(changes, std::move(written));
      return;
    }
  }
  written({});
}

/// Under the lock: what ended goes before what uses its packet identifier again.
void RowState::post(const std::shared_ptr<Changes>& changes, Written written) {
  mqtt::failpoint("link.record");
  store_.write(
      file_, [this, changes] { apply(*changes); },
      [this, changes, written = std::move(written)](const std::string& error) {
        error.empty() ? mqtt::failpoint("link.recorded") : take_back(*changes);
        written(error);
      });
}

void RowState::add(InFlight record, Changes& changes) {
  const auto seq = record.seq;
  if (!records_[seq].emplace(record.key, record.packet).second) return;
  auto prepared = prepared_.extract(seq);
  auto rows = prepared ? std::move(prepared.mapped()) : std::vector<Prepared>();
  for (const auto& [row, is_written] : rows) {
    if (row.seq == seq) continue;
    records_[row.seq];
    followers_[seq].push_back(row.seq);
  }
  changes.added.push_back({std::move(record), std::move(rows)});
}

/// On the store's thread.
void RowState::apply(const Changes& changes) {
  std::vector<Seq> delivered;
  for (const auto& [seq, has_it] : changes.ended) has_it ? delivered.push_back(seq) : file_.erase_records(seq);
  file_.erase_delivered(delivered);
  for (const auto& key : changes.released) file_.erase_received(key);
  for (const auto& writing : changes.added) write(writing);
}

/// They are not on disk.
void RowState::take_back(Changes& changes) {
  const std::lock_guard lock(mutex_);
  for (auto& [record, rows] : changes.added) {
    auto known = records_.find(record.seq);
    if (known != records_.end() && known->second.erase(record.key) != 0 && known->second.empty()) records_.erase(known);
    if (rows.empty()) continue;
    for (const auto& [row, is_written] : rows) {
      if (row.seq != record.seq) records_.erase(row.seq);
    }
    followers_.erase(record.seq);
    prepared_.insert_or_assign(record.seq, std::move(rows));
  }
  ended_.insert(ended_.begin(), changes.ended.begin(), changes.ended.end());
  released_.insert(released_.begin(), changes.released.begin(), changes.released.end());
}

/// How much of the packet's end its row has. What goes as a batch is no row's.
std::size_t RowState::Writing::cut() const {
  if (rows.size() != 1 || !record.packet.ends_with(rows.front().row.payload)) return 0;
  return rows.front().row.payload.size();
}

void RowState::write(const Writing& writing) {
  const auto& [record, rows] = writing;
  for (const auto& [row, is_written] : rows) {
    if (!is_written) file_.insert(row);
    if (row.seq != record.seq) file_.put_follower(row.seq, record.seq);
  }
  file_.put_record(record.seq, record.key, record.packet, writing.cut());
}

void RowState::done(Seq seq, bool delivered) {
  const std::lock_guard lock(mutex_);
  if (records_.erase(seq) != 0) ended_.emplace_back(seq, delivered);
  auto followers = followers_.extract(seq);
  if (!followers) return;
  for (const Seq follower : followers.mapped()) {
    records_.erase(follower);
    ended_.emplace_back(follower, delivered);
  }
  set_free_.insert(std::move(followers));
}

void RowState::released(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto known = records_.find(kNoRow);
  if (known != records_.end() && known->second.erase(key) != 0) released_.push_back(key);
}

void RowState::clear() {
  store_.write_and_wait(file_, [this] { file_.clear_records(); });
  const std::lock_guard lock(mutex_);
  records_.clear();
  followers_.clear();
  released_.clear();
  std::erase_if(ended_, [](const auto& ended) { return !ended.second; });
}

std::vector<LinkState::InFlight> RowState::restore() {
  const std::lock_guard lock(mutex_);
  std::vector<InFlight> all;
  for (const auto& [seq, records] : records_) {
    for (const auto& [key, packet] : records) all.push_back({seq, key, packet});
  }
  return all;
}

}  // namespace ferrule::bridge

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

bool RowState::holds(Seq seq) const {
  const std::lock_guard lock(mutex_);
  return records_.contains(seq);
}

bool RowState::is_idle() const {
  const std::lock_guard lock(mutex_);
  return records_.upper_bound(kNoRow) == records_.end();
}

std::vector<Seq> RowState::followers() const {
  const std::lock_guard lock(mutex_);
  std::vector<Seq> all;
  for (const auto& [leader, followers] : followers_) all.insert(all.end(), followers.begin(), followers.end());
  return all;
}

std::vector<Seq> RowState::take_followers(Seq leader) {
  const std::lock_guard lock(mutex_);
  auto followers = set_free_.extract(leader);
  return followers ? std::move(followers.mapped()) : std::vector<Seq>();
}

void RowState::put(const std::vector<InFlight>& records) {
  std::vector<Writing> missing;
  std::vector<std::pair<Seq, bool>> ended;
  std::vector<std::string> released;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& record : records) {
      const auto known = records_.find(record.seq);
      if (known != records_.end() && known->second.contains(record.key)) continue;
      auto prepared = prepared_.extract(record.seq);
      missing.push_back({record, prepared ? std::move(prepared.mapped()) : std::vector<Prepared>()});
    }
    if (missing.empty() && released_.empty()) return;
    ended = ended_;
    released = released_;
  }
  mqtt::failpoint("link.record");
  try {
    store_.write_and_wait(file_, [&] {
      std::vector<Seq> delivered;
      for (const auto& [seq, has_it] : ended) has_it ? delivered.push_back(seq) : file_.erase_records(seq);
      file_.erase_delivered(delivered);
      for (const auto& key : released) file_.erase_received(key);
      for (const auto& writing : missing) write(writing);
    });
  } catch (...) {
    for (auto& writing : missing) {
      if (!writing.rows.empty()) prepare(std::move(writing.rows));
    }
    throw;
  }
  mqtt::failpoint("link.recorded");
  const std::lock_guard lock(mutex_);
  for (auto& writing : missing) keep(writing);
  ended_.erase(ended_.begin(), ended_.begin() + static_cast<std::ptrdiff_t>(ended.size()));
  released_.erase(released_.begin(), released_.begin() + static_cast<std::ptrdiff_t>(released.size()));
}

/// How much of the packet's end its row has. What goes as a batch is no row's.
std::size_t RowState::Writing::cut() const {
  if (rows.size() != 1 || !record.packet.ends_with(rows.front().row.payload)) return 0;
  return rows.front().row.payload.size();
}

void RowState::write(const Writing& writing) {
  const auto& [record, rows] = writing;
  for (const auto& [row, written] : rows) {
    if (!written) file_.insert(row);
    if (row.seq != record.seq) file_.put_follower(row.seq, record.seq);
  }
  file_.put_record(record.seq, record.key, record.packet, writing.cut());
}

void RowState::keep(Writing& writing) {
  auto& record = writing.record;
  records_[record.seq][record.key] = std::move(record.packet);
  for (const auto& [row, written] : writing.rows) {
    if (row.seq == record.seq) continue;
    records_[row.seq];
    followers_[record.seq].push_back(row.seq);
  }
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

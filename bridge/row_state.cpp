#include "bridge/row_state.hpp"

#include "mqtt/failpoint.hpp"

namespace ferrule::bridge {

RowState::RowState(OutboxFile& file, mqtt::Store& store) : file_(file), store_(store) {
  for (auto& record : file_.records()) records_[record.seq][record.key] = std::move(record.packet);
}

void RowState::prepare(Row row) {
  const std::lock_guard lock(mutex_);
  const auto seq = row.seq;
  prepared_.insert_or_assign(seq, std::move(row));
}

void RowState::unprepare_all() {
  const std::lock_guard lock(mutex_);
  prepared_.clear();
}

bool RowState::holds(Seq seq) const {
  const std::lock_guard lock(mutex_);
  return records_.contains(seq);
}

void RowState::put(const std::vector<InFlight>& records) {
  std::vector<Row> rows;
  std::vector<InFlight> missing;
  std::vector<std::pair<Seq, bool>> ended;
  std::vector<std::string> released;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& record : records) {
      const auto known = records_.find(record.seq);
      if (known != records_.end() && known->second.contains(record.key)) continue;
      missing.push_back(record);
      if (auto prepared = prepared_.extract(record.seq)) rows.push_back(std::move(prepared.mapped()));
    }
    if (missing.empty() && released_.empty()) return;
    ended = ended_;
    released = released_;
  }
  mqtt::failpoint("link.record");
  try {
    store_.write_and_wait(file_, [&] {
      for (const auto& [other, delivered] : ended) delivered ? file_.erase(other) : file_.erase_records(other);
      for (const auto& key : released) file_.erase_record(kNoRow, key);
      for (const auto& row : rows) file_.insert(row);
      for (const auto& record : missing) file_.put_record(record.seq, record.key, record.packet);
    });
  } catch (...) {
    for (auto& row : rows) prepare(std::move(row));
    throw;
  }
  mqtt::failpoint("link.recorded");
  const std::lock_guard lock(mutex_);
  for (auto& record : missing) records_[record.seq][record.key] = std::move(record.packet);
  ended_.erase(ended_.begin(), ended_.begin() + static_cast<std::ptrdiff_t>(ended.size()));
  released_.erase(released_.begin(), released_.begin() + static_cast<std::ptrdiff_t>(released.size()));
}

void RowState::done(Seq seq, bool delivered) {
  const std::lock_guard lock(mutex_);
  if (records_.erase(seq) != 0) ended_.emplace_back(seq, delivered);
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

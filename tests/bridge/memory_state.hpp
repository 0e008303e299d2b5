// A LinkState without a disk.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "bridge/link.hpp"

namespace ferrule::bridge::testing {

class MemoryState final : public LinkState {
 public:
  void write(std::vector<InFlight> records, Written written) override {
    if (fail) return written("disk full");
    {
      const std::lock_guard lock(mutex_);
      ++puts;
      for (const auto& [seq, key, packet] : records) records_[seq][key] = packet;
      if (hold) return held_.push_back(std::move(written));
    }
    written({});
  }
  /// What `hold` has kept back is on disk now.
  void let_go() {
    for (const auto& written : std::exchange(held_, {})) written({});
  }
  /// From LinkEvents::on_settled.
  void done(Seq seq, mqtt::Reason reason) {
    const std::lock_guard lock(mutex_);
    if (records_.erase(seq) != 0) ended_.emplace_back(seq, !is_error(reason));
  }
  void released(const std::string& key) override {
    const std::lock_guard lock(mutex_);
    records_[kNoRow].erase(key);
  }
  void clear() override {
    const std::lock_guard lock(mutex_);
    if (fail) throw std::runtime_error("disk full");
    records_.clear();
    ++clears;
  }
  std::vector<InFlight> restore() override {
    const std::lock_guard lock(mutex_);
    std::vector<InFlight> all;
    for (const auto& [seq, records] : records_) {
      for (const auto& [key, packet] : records) all.push_back({seq, key, packet});
    }
    return all;
  }
  std::vector<std::pair<Seq, bool>> ended() const {
    const std::lock_guard lock(mutex_);
    return ended_;
  }

  std::atomic<bool> fail = false, hold = false;
  std::atomic<int> clears = 0, puts = 0;

 private:
  mutable std::mutex mutex_;
  std::map<Seq, std::map<std::string, std::string>> records_;
  std::vector<std::pair<Seq, bool>> ended_;
  std::vector<Written> held_;
};

}  // namespace ferrule::bridge::testing

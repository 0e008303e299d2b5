// A map of bounded size: the key that was touched longest ago gives way to a new one.
#pragma once

#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace ferrule::mqtt {

template <class Value>
class RecentMap {
 public:
  explicit RecentMap(std::size_t capacity) : capacity_(capacity) {}
  RecentMap(const RecentMap&) = delete;
  RecentMap& operator=(const RecentMap&) = delete;

  const Value* find(std::string_view key) const {
    const auto found = by_key_.find(key);
    return found == by_key_.end() ? nullptr : &found->second->second;
  }

  /// The key's value, a new one if need be; it is the one touched last from now on.
  Value& touch(std::string_view key) {
    const auto found = by_key_.find(key);
    if (found != by_key_.end()) {
      entries_.splice(entries_.begin(), entries_, found->second);
      return entries_.front().second;
    }
    if (entries_.size() == capacity_) {
      erase(entries_.back().first);
      ++evicted_;
    }
    entries_.emplace_front(std::string(key), Value{});
    by_key_.emplace(entries_.front().first, entries_.begin());
    return entries_.front().second;
  }

  void erase(std::string_view key) {
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return;
    const auto entry = found->second;
    by_key_.erase(found);  // its key is the entry's
    entries_.erase(entry);
  }

  std::size_t size() const { return entries_.size(); }
  std::uint64_t evicted() const { return evicted_; }

 private:
  std::size_t capacity_;
  std::uint64_t evicted_ = 0;
  std::list<std::pair<std::string, Value>> entries_;  // the one touched last in front
  std::unordered_map<std::string_view, typename std::list<std::pair<std::string, Value>>::iterator> by_key_;
};

}  // namespace ferrule::mqtt

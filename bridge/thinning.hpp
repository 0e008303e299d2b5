// Which old messages of a topic are enough.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>

namespace ferrule::bridge {

/// `keep: 1/min after 1d`: of what is older than `after`, the first of each `interval` and topic.
struct Thinning {
  std::chrono::milliseconds interval{0};  ///< 0: all are kept
  std::chrono::milliseconds after{0};
};

/// Asked of the messages in their order.
class Thinner {
 public:
  bool keeps(const std::string& topic, std::int64_t published, std::chrono::milliseconds interval) {
    if (last_.size() >= kMost) last_.clear();  // then one more of each is kept
    const auto [last, is_new] = last_.try_emplace(topic, published / interval.count());
    if (is_new) return true;
    const bool other = last->second != published / interval.count();
    last->second = published / interval.count();
    return other;
  }

 private:
  static constexpr std::size_t kMost = 50'000;  // topics
  std::unordered_map<std::string, std::int64_t> last_;
};

}  // namespace ferrule::bridge

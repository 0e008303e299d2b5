#include "gateway/watchdog.hpp"

#include <spdlog/spdlog.h>

#include <utility>

namespace ferrule::gateway {

bool Watchdog::all_move(const std::vector<WatchedThread>& threads, std::chrono::steady_clock::time_point now) {
  const auto before = std::exchange(late_, {});
  bool all = true;
  for (const auto& thread : threads) {
    const auto known = before.find(thread.name);
    const bool was_stuck = known != before.end() && known->second.stuck;
    if (now - thread.due <= thread.patience) {
      if (was_stuck) spdlog::warn("thread of {} moves again", thread.name);
      continue;
    }
    const bool stuck = known != before.end() && known->second.due == thread.due;
    if (stuck && !was_stuck) {
      spdlog::critical("thread of {} is stuck for {} s: the service manager is told that we live no more", thread.name,
                       std::chrono::floor<std::chrono::seconds>(now - thread.due).count());
    }
    late_[thread.name] = {thread.due, stuck};
    all = all && !stuck;
  }
  return all;
}

}  // namespace ferrule::gateway

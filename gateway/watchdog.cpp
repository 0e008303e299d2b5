#include "gateway/watchdog.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <utility>

namespace ferrule::gateway {

namespace {

/// Tests of a debug build have less of it: FERRULE_PATIENCE, in seconds.
std::chrono::seconds patience_for(const WatchedThread& thread) {
#ifndef NDEBUG
  if (const char* text = std::getenv("FERRULE_PATIENCE")) return std::chrono::seconds(std::atoi(text));
#endif
  return thread.patience;
}

}  // namespace

bool Watchdog::all_move(const std::vector<WatchedThread>& threads, std::chrono::steady_clock::time_point now) {
  const auto before = std::exchange(late_, {});
  bool all = true;
  for (const auto& thread : threads) {
    const auto known = before.find(thread.name);
    const bool was_stuck = known != before.end() && known->second.stuck;
    if (now - thread.due <= patience_for(thread)) {
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

std::string Watchdog::verdict() const {
  std::string names;
  std::size_t stuck = 0;
  for (const auto& [name, late] : late_) {
    if (late.stuck) names += (stuck++ == 0 ? "" : ", ") + name;
  }
  return stuck == 0 ? "" : fmt::format("{} {} stuck", names, stuck == 1 ? "is" : "are");
}

}  // namespace ferrule::gateway

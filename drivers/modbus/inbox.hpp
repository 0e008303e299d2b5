// What others want to be run on a thread that waits on descriptors.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

#include "drivers/descriptor.hpp"

namespace ferrule::drivers::modbus {

/// Any thread posts and rings; one takes when `bell` can be read, and closes at its end: then tasks are dropped.
struct Inbox {
  Inbox() : bell(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

  void ring() const {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(bell.get(), &one, sizeof one);  // fails only when it rings already
  }
  void post(std::function<void()>&& task) {
    const std::lock_guard lock(mutex);
    if (closed) return;
    tasks.push_back(std::move(task));
    ring();
  }
  std::vector<std::function<void()>> take() {
    std::uint64_t rings = 0;
    [[maybe_unused]] const auto got = ::read(bell.get(), &rings, sizeof rings);
    const std::lock_guard lock(mutex);
    return std::exchange(tasks, {});
  }
  void close() {
    std::vector<std::function<void()>> dropped;  // outside the lock: what they hold may post
    const std::lock_guard lock(mutex);
    closed = true;
    dropped.swap(tasks);
  }

  const Descriptor bell;
  std::mutex mutex;
  std::vector<std::function<void()>> tasks;  // guarded by mutex
  bool closed = false;                       // guarded by mutex
};

}  // namespace ferrule::drivers::modbus

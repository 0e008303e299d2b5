#include "drivers/schedule.hpp"

#include <algorithm>
#include <tuple>

namespace ferrule::drivers {

namespace {

// Nine parts of the time belong to the devices that answer, one to those that may be dead.
constexpr int kPartsForTheLiving = 9;

}  // namespace

Schedule::Schedule(std::size_t devices, int offline_after, Backoff::Bounds offline_retry, double phase,
                   std::uint32_t seed)
    : offline_after_(std::max(offline_after, 1)), phase_(phase), random_(seed) {
  devices_.assign(devices, Device(offline_retry));
}

void Schedule::add(const Task& task, TimePoint now) {
  if (tasks_.empty()) start_ = now;
  tasks_.push_back({task.device, now, {}});
}

Schedule::Next Schedule::next() const {
  Next best{0, TimePoint::max()};
  for (std::size_t task = 0; task < tasks_.size(); ++task) {
    const auto at = due(task);
    // Of those that are due together, the one that has waited longest since its last turn.
    if (at < best.due || (at == best.due && tasks_[task].ran_at < tasks_[best.task].ran_at)) best = {task, at};
  }
  return best;
}

std::vector<std::size_t> Schedule::due(std::size_t task, TimePoint now, std::size_t most) const {
  if (devices_[tasks_[task].device].health != Health::Online) return {};
  std::vector<std::size_t> found;
  for (std::size_t other = 0; other < tasks_.size(); ++other) {
    const auto& entry = tasks_[other];
    if (other != task && entry.due <= now && devices_[entry.device].health == Health::Online) found.push_back(other);
  }
  const auto kept = std::min(found.size(), most - 1);
  std::ranges::partial_sort(found, found.begin() + static_cast<std::ptrdiff_t>(kept), [&](auto left, auto right) {
    return std::tuple(tasks_[left].due, tasks_[left].ran_at, left) <
           std::tuple(tasks_[right].due, tasks_[right].ran_at, right);
  });
  found.resize(kept);
  found.insert(found.begin(), task);
  return found;
}

TimePoint Schedule::due(std::size_t task) const {
  const auto& device = devices_[tasks_[task].device];
  if (device.health == Health::Online) return tasks_[task].due;
  if (device.health == Health::Offline && task != device.probe_task) return TimePoint::max();
  const auto wanted = device.health == Health::Offline ? device.probe_at : tasks_[task].due;
  return another_lives(tasks_[task].device) ? std::max(wanted, doubtful_from_) : wanted;
}

bool Schedule::another_lives(std::uint32_t device) const {
  for (std::uint32_t other = 0; other < devices_.size(); ++other) {
    if (other != device && devices_[other].answered && devices_[other].health == Health::Online) return true;
  }
  return false;
}

std::uint64_t Schedule::ran(std::size_t task, std::chrono::milliseconds interval, TimePoint started, TimePoint now) {
  auto& entry = tasks_[task];
  const bool online = devices_[entry.device].health == Health::Online;
  if (!online) doubtful_from_ = now + kPartsForTheLiving * (now - started);

  const TimePoint::duration period = std::max(interval, std::chrono::milliseconds(1));
  const auto offset = std::chrono::duration_cast<TimePoint::duration>(phase_ * period);
  const auto wanted = entry.due + period;
  // The first moment of the grid that is still to come.
  const auto since = now - start_ - offset;
  const auto periods = since < TimePoint::duration::zero() ? 0 : since / period + 1;
  entry.due = start_ + offset + periods * period;
  entry.ran_at = now;
  if (!online || wanted > now) return 0;
  return static_cast<std::uint64_t>((now - wanted) / period) + 1;
}

Health Schedule::answered(std::size_t task, TimePoint now) {
  const auto number = tasks_[task].device;
  auto& device = devices_[number];
  const auto before = device.health;
  device.health = Health::Online;
  device.misses = 0;
  device.answered = true;
  device.backoff.reset();
  if (before != Health::Online) {
    for (auto& entry : tasks_) {
      if (entry.device == number) entry.due = now;
    }
  }
  return before;
}

Health Schedule::missed(std::size_t task, TimePoint now) {
  auto& device = devices_[tasks_[task].device];
  ++device.misses;
  device.health = device.misses >= offline_after_ ? Health::Offline : Health::Doubtful;
  if (device.health == Health::Offline) {
    device.probe_at = now + device.backoff.next(random_);
    device.probe_task = following(task);
  }
  return device.health;
}

/// The next task of the same device, so that no single refused block decides whether it lives.
std::size_t Schedule::following(std::size_t task) const {
  const auto device = tasks_[task].device;
  for (std::size_t step = 1; step < tasks_.size(); ++step) {
    const auto other = (task + step) % tasks_.size();
    if (tasks_[other].device == device) return other;
  }
  return task;
}

void Schedule::restart(TimePoint now) {
  doubtful_from_ = now;
  for (auto& entry : tasks_) entry.due = now;
  for (auto& device : devices_) {
    device.health = Health::Online;
    device.misses = 0;
    device.answered = false;
    device.backoff.reset();
  }
}

}  // namespace ferrule::drivers

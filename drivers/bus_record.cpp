#include "drivers/bus_record.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "drivers/registry.hpp"

namespace ferrule::drivers {

namespace {

/// What follows a line that was said before.
std::string more(std::uint64_t repeats) {
  return repeats > 0 ? fmt::format(" (... {} more in the last {} s)", repeats, FailureLog::kPeriod.count()) : "";
}

}  // namespace

void PollTimes::add(std::chrono::nanoseconds time) {
  ++counts[static_cast<std::size_t>(std::ranges::lower_bound(kBounds, time) - kBounds.begin())];
  sum += time;
}

BusRecord::BusRecord(const BusSettings& settings, const Driver& driver, TimePoint now)
    : settings_(settings),
      driver_(driver),
      utilisation_(now),
      log_(settings.devices.size() + 1),
      overrun_log_(settings.devices.size()) {
  status_.name = settings.name;
  status_.type = driver_entry(settings.type).word;
  status_.port = driver.port_name();
  status_.timeout = settings.timeout;
  status_.planned = driver.planned_utilisation();
  for (const auto& device : settings.devices) {
    status_.devices.emplace_back().name = device.name;
    status_.devices.back().polled = false;
    if (is_modbus(settings.type)) status_.devices.back().unit_id = device.unit_id;
  }
  for (std::size_t task = 0; task < driver.task_count(); ++task)
    status_.devices[driver.task(task).device].polled = true;
}

BusStatus BusRecord::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

void BusRecord::opened() {
  const std::lock_guard lock(mutex_);
  status_.connected = true;
  status_.trouble.clear();
  ++status_.connects;
}

void BusRecord::lost() {
  const std::lock_guard lock(mutex_);
  status_.connected = false;
  ++status_.losses;
}

void BusRecord::is_away(const Fault& fault, TimePoint now) {
  if (const auto repeats = log_.add(static_cast<std::uint32_t>(settings_.devices.size()), fault.failure, now)) {
    spdlog::warn("bus {}: {}: {}{}", settings_.name, name(fault.failure), fault.detail, more(*repeats));
  }
  const std::lock_guard lock(mutex_);
  status_.connected = false;
  status_.trouble = fault.detail;
  ++status_.losses;
  for (auto& device : status_.devices) {
    device.online = false;
    device.failure = fault.failure;
  }
}

/// A wire that is in trouble, and works all the same.
void BusRecord::is_in(const WireCondition& condition, TimePoint now) {
  if (condition.trouble == trouble_) return;
  trouble_ = condition.trouble;
  if (trouble_.empty()) {
    if (std::exchange(trouble_told_, false)) spdlog::info("bus {}: all is well again", settings_.name);
    return;
  }
  const auto repeats = log_.add(static_cast<std::uint32_t>(settings_.devices.size()), Failure::BadReply, now);
  if (!repeats) return;
  trouble_told_ = true;
  spdlog::warn("bus {}: {}{}", settings_.name, trouble_, more(*repeats));
}

void BusRecord::used(TimePoint began, TimePoint now) {
  const auto share = utilisation_.add(began, now);
  const std::lock_guard lock(mutex_);
  status_.utilisation = share;
}

void BusRecord::asked(std::uint32_t device, const tl::expected<void, Fault>& result, TimePoint now,
                      std::optional<std::chrono::nanoseconds> took) {
  const std::lock_guard lock(mutex_);
  if (took) status_.poll_times.add(*took);
  auto& status = status_.devices[device];
  ++status.polls;
  status.online = result || is_answer(result.error().failure);
  status.failure = result ? Failure::None : result.error().failure;
  if (status.online) {
    status.answered = now;
    status.round_trip = took.value_or(std::chrono::nanoseconds(0));
  }
  if (result) return;
  ++status.failures;
  ++status.failures_by[static_cast<std::size_t>(result.error().failure)];
}

void BusRecord::failed(std::size_t task, const Fault& fault, int attempt, int attempts, TimePoint began,
                       TimePoint now) {
  const auto device = driver_.task(task).device;
  const auto repeats = log_.add(device, fault.failure, now);
  if (!repeats) return;
  spdlog::warn("bus {}: device {}, {}, attempt {} of {}, {} ms: {}: {}{}", settings_.name,
               settings_.devices[device].name, driver_.describe(task), attempt, attempts,
               std::chrono::duration_cast<std::chrono::milliseconds>(now - began).count(), name(fault.failure),
               fault.detail, more(*repeats));
}

void BusRecord::overran(std::size_t task, std::uint64_t overruns, TimePoint now) {
  const auto known = driver_.task(task);
  {
    const std::lock_guard lock(mutex_);
    status_.devices[known.device].overruns += overruns;
  }
  const auto repeats = overrun_log_.add(known.device, Failure::None, now);
  if (!repeats) return;
  spdlog::warn("bus {}: device {}, {}: the bus cannot keep up: polled after {} ms instead of {} ms{}", settings_.name,
               settings_.devices[known.device].name, driver_.describe(task),
               known.interval.count() * static_cast<std::int64_t>(overruns + 1), known.interval.count(),
               more(*repeats));
}

}  // namespace ferrule::drivers

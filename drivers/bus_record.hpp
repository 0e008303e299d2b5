// What is known of a bus and its devices, for status lines and metrics, and what the log says of them.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>

#include "drivers/bus.hpp"
#include "drivers/failure_log.hpp"
#include "drivers/utilisation.hpp"

namespace ferrule::drivers {

/// Whether the device itself has spoken, so that only this request failed.
constexpr bool is_answer(Failure failure) {
  return failure == Failure::DeviceBusy || failure == Failure::PointRejected;
}

/// Belongs to the bus's thread, but for `status`. What is said again and again is logged now and then, with a count.
class BusRecord {
 public:
  /// `settings` and `driver` outlive it.
  BusRecord(const BusSettings& settings, const Driver& driver, TimePoint now);
  BusRecord(const BusRecord&) = delete;
  BusRecord& operator=(const BusRecord&) = delete;

  BusStatus status() const;  ///< Any thread.

  // The port.
  void opened();
  void lost();  ///< for now: it is opened again at once
  void is_away(const Fault& fault, TimePoint now);
  void is_in(const WireCondition& condition, TimePoint now);
  void used(TimePoint began, TimePoint now);  ///< the wire was ours

  // The requests.
  /// `took`: until the answer or the timeout; nothing of a device that talks by itself.
  void asked(std::uint32_t device, const tl::expected<void, Fault>& result, TimePoint now,
             std::optional<std::chrono::nanoseconds> took);
  void failed(std::size_t task, const Fault& fault, int attempt, int attempts, TimePoint began, TimePoint now);
  void overran(std::size_t task, std::uint64_t overruns, TimePoint now);

 private:
  const BusSettings& settings_;
  const Driver& driver_;
  Utilisation utilisation_;
  FailureLog log_;  // the last place is the port's
  FailureLog overrun_log_;
  std::string trouble_;  // of the wire's condition
  bool trouble_told_ = false;
  mutable std::mutex mutex_;
  BusStatus status_;  // guarded by mutex_
};

}  // namespace ferrule::drivers

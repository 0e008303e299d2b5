// The seam between a bus, which knows when to ask, and a protocol, which knows how.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "drivers/fault.hpp"
#include "drivers/reading.hpp"
#include "drivers/settings.hpp"
#include "drivers/stop_signal.hpp"
#include "drivers/wire_trace.hpp"

namespace ferrule::drivers {

/// Something a bus does again and again: one request to one device, or listening to one that talks by itself.
struct Task {
  std::uint32_t device = 0;              ///< index in BusSettings::devices
  std::chrono::milliseconds interval{};  ///< from one run to the next; may change from run to run
  /// It is also run whenever the descriptor can be read: its device talks by itself. Its run never waits for more; one
  /// that succeeds without a reading says nothing about the device, and BadReply leaves the values as they are. All or
  /// none of a driver's tasks listen.
  bool listens = false;
};

/// How a wire is that works, more or less, and what its driver counts beside requests.
struct WireCondition {
  std::string trouble;  ///< for people; empty: nothing
  std::vector<std::pair<std::string_view, std::uint64_t>> counts;
};

/// What a device has of a point that was written.
struct Held {
  bool as_written = false;
  std::optional<Value> value{};  ///< nothing: what it has is no value
};

/// One protocol on one port. Used by its bus thread only. Every call ends by its deadline, or at once when stop is
/// requested. Times of readings are not the driver's affair: the bus stamps them when `run` returns.
class Driver {
 public:
  virtual ~Driver() = default;
  Driver() = default;
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  virtual tl::expected<void, Fault> open(TimePoint deadline) = 0;
  virtual void close() = 0;
  /// False also after `run` has closed what it could not use any more.
  virtual bool is_open() const = 0;
  /// What to watch for a hang-up while nothing is asked; -1 when there is nothing to watch.
  virtual int descriptor() const = 0;
  virtual std::string port_name() const = 0;
  /// Notes there what goes over the wire, if there is one. `trace` outlives the driver.
  virtual void trace(WireTrace& /*trace*/) {}

  /// The tasks, by number. `run` may append some (a refused block was split: then it returns PointRejected and both
  /// parts are due at once), none ever goes away.
  virtual std::size_t task_count() const = 0;
  virtual Task task(std::size_t number) const = 0;
  /// Asks once and appends what came back, in the order of the points. On a failure nothing is appended.
  virtual tl::expected<void, Fault> run(std::size_t number, std::vector<Reading>& readings) = 0;
  /// Asks what the next `run` of the task will wait for, if the protocol can have several requests under way and has
  /// room for it.
  virtual bool ask_ahead(std::size_t /*number*/) { return false; }
  /// Appends a Bad reading with that cause for each point of the task.
  virtual void fail(std::size_t number, Failure failure, std::vector<Reading>& readings) = 0;
  /// Writes a point's value, at most once; see Fault::sent for what a failure leaves open.
  virtual tl::expected<void, Fault> write(PointIndex point, const Value& value) = 0;
  /// Asks what the device has now, after `value` was written.
  virtual tl::expected<Held, Fault> read_back(PointIndex point, const Value& value) = 0;
  /// The task that reads the point; nothing when none does.
  virtual std::optional<std::size_t> task_of(PointIndex point) const = 0;
  /// Passes a request of another master on, in the protocol's own words (Modbus: function code and data), at most once.
  virtual tl::expected<std::vector<std::uint8_t>, Fault> pass(std::uint8_t unit,
                                                              std::span<const std::uint8_t> request) {
    static_cast<void>(unit);
    static_cast<void>(request);
    return tl::unexpected(Fault{Failure::PointRejected, "this bus passes nothing on"});
  }
  /// Any thread. What the unit answered to such a request at `since` or later, if that is known.
  virtual std::optional<std::vector<std::uint8_t>> recall(std::uint8_t unit, std::span<const std::uint8_t> request,
                                                          TimePoint since) const {
    static_cast<void>(unit);
    static_cast<void>(request);
    static_cast<void>(since);
    return std::nullopt;
  }
  /// The share of the wire's time that the tasks will take, 1 being all of it; nothing where that is not known.
  virtual std::optional<double> planned_utilisation() const { return std::nullopt; }
  virtual WireCondition condition() const { return {}; }  ///< Any thread.
  /// Names the request for a log line: "unit 3, function 4, addresses 0..9".
  virtual std::string describe(std::size_t number) const = 0;
};

/// Makes the driver of a bus. Both arguments outlive it.
using DriverFactory = std::function<std::unique_ptr<Driver>(const BusSettings&, const StopSignal&)>;

}  // namespace ferrule::drivers

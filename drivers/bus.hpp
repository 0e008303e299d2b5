// A bus: one wire (a serial line) or one socket (a TCP endpoint), its devices, and the thread that polls them.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "drivers/clock.hpp"
#include "drivers/driver.hpp"
#include "drivers/pass.hpp"
#include "drivers/reading.hpp"
#include "drivers/settings.hpp"
#include "drivers/wire_trace.hpp"
#include "drivers/write.hpp"

namespace ferrule::drivers {

/// Counters and state of a bus and of its devices, for status lines and metrics.
struct DeviceStatus {
  std::string name;
  bool polled = true;               ///< false: there is nothing to read, it is only written to (a broadcast)
  bool online = false;              ///< it answered its last poll
  Failure failure = Failure::None;  ///< why its last poll failed; None after a good one
  std::uint64_t polls = 0;          ///< requests sent
  std::uint64_t failures = 0;       ///< requests without a good answer
  std::array<std::uint64_t, kFailures> failures_by{};  ///< the same by cause: index is the Failure
  std::uint64_t overruns = 0;                          ///< polls left out because the bus could not keep up
  std::optional<std::uint8_t> unit_id;                 ///< of a Modbus device
  std::optional<TimePoint> answered;                   ///< last; nothing: never yet
  std::chrono::nanoseconds round_trip{0};              ///< of that answer; 0: it talks by itself
};
/// How long requests took until their answer or timeout.
struct PollTimes {
  static constexpr std::array<std::chrono::milliseconds, 10> kBounds{
      std::chrono::milliseconds(1),   std::chrono::milliseconds(5),   std::chrono::milliseconds(10),
      std::chrono::milliseconds(25),  std::chrono::milliseconds(50),  std::chrono::milliseconds(100),
      std::chrono::milliseconds(250), std::chrono::milliseconds(500), std::chrono::milliseconds(1000),
      std::chrono::milliseconds(2500)};

  std::array<std::uint64_t, kBounds.size() + 1> counts{};  ///< up to each bound, above the one before; then the rest
  std::chrono::nanoseconds sum{0};

  void add(std::chrono::nanoseconds time);
};
struct BusStatus {
  std::string name;
  std::string_view type;  ///< as in the configuration: `modbus-tcp`
  std::string port;       ///< the address: `10.0.0.5:502`, `/dev/ttyUSB0`
  bool connected = false;
  std::chrono::milliseconds timeout{0};  ///< how long an answer is awaited
  std::string trouble;                   ///< why it is not connected, for people; empty while it is
  std::uint64_t connects = 0;            ///< times the port was opened
  std::uint64_t losses = 0;              ///< times it was lost or could not be opened
  PollTimes poll_times;
  double utilisation = 0;         ///< share of the last minute in which the wire was in use, 0 to 1
  std::optional<double> planned;  ///< the same as the configuration lets expect; nothing where nobody can say
  WireCondition condition;
  std::vector<DeviceStatus> devices;
};

/// Receives what a bus found. Called on the bus's own thread, once per poll of a device, never with an empty span.
/// Readings of one point arrive in the order they were taken.
using ReadingSink = std::function<void(std::span<const Reading>)>;

/// Owns the port, device health and poll schedule of one bus on a thread of its own. The thread starts with `start`
/// and ends with `stop`, which returns within 2 s whatever the device does.
class Bus {
 public:
  /// `settings` as checked by read_buses; the points' indexes are those of `settings.points()`. Does no I/O yet.
  Bus(BusSettings settings, ReadingSink sink, Clock& clock);
  /// The same with another driver than the registry's.
  Bus(BusSettings settings, const DriverFactory& make_driver, ReadingSink sink, Clock& clock);
  ~Bus();  ///< stops
  Bus(const Bus&) = delete;
  Bus& operator=(const Bus&) = delete;

  void start();              ///< throws std::system_error when there is no thread to be had
  void request_stop();       ///< Any thread. Returns at once, so that many buses stop together.
  void stop();               ///< request_stop, then join
  BusStatus status() const;  ///< Any thread.
  WireTrace& trace();        ///< Any thread. What goes over its wire.
  /// Any thread. By when its thread expected to be back from what it does or waits for: long ago when it is stuck.
  TimePoint due() const;

  /// Any thread. The write jumps the queue of reads: it waits for one transaction at most. `request.done` is called on
  /// the bus's thread. False, and `done` is not called, when too many wait already or the bus has stopped.
  bool submit(WriteRequest&& request);
  /// Any thread. A request of another master, which takes turns with our own reads: one of each while both wait. False,
  /// and `done` is not called, when too many wait already or the bus has stopped.
  bool pass(PassRequest&& request);
  /// Any thread. What the unit answered to such a request at `since` or later, if that is known (see Driver::recall).
  std::optional<std::vector<std::uint8_t>> recall(std::uint8_t unit, std::span<const std::uint8_t> request,
                                                  TimePoint since) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ferrule::drivers

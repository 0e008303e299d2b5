// A CAN bus as a Driver: hears frames, finds the points' signals in them, sends a frame to write one.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "drivers/can/port.hpp"
#include "drivers/can/settings.hpp"
#include "drivers/driver.hpp"
#include "drivers/freshness.hpp"

namespace ferrule::drivers::can {

std::unique_ptr<Driver> make_driver(const BusSettings& settings, const StopSignal& stop);

/// A task is a device, which listens. Any frame may be anybody's: what one look brings is kept for the devices whose
/// turn comes later.
class CanDriver final : public Driver {
 public:
  CanDriver(const BusSettings& settings, std::unique_ptr<CanPort> port, const StopSignal& stop);

  tl::expected<void, Fault> open(TimePoint deadline) override;
  void close() override { port_->close(); }
  bool is_open() const override { return port_->is_open(); }
  int descriptor() const override { return port_->descriptor(); }
  std::string port_name() const override { return port_->name(); }
  void trace(WireTrace& trace) override { trace_ = &trace; }

  std::size_t task_count() const override { return devices_.size(); }
  Task task(std::size_t number) const override;
  tl::expected<void, Fault> run(std::size_t number, std::vector<Reading>& readings) override;
  void fail(std::size_t number, Failure failure, std::vector<Reading>& readings) override;
  tl::expected<void, Fault> write(PointIndex point, const Value& value) override;
  tl::expected<Held, Fault> read_back(PointIndex point, const Value& value) override;
  std::optional<std::size_t> task_of(PointIndex point) const override { return points_[point].device; }
  std::string describe(std::size_t) const override { return "listening"; }
  WireCondition condition() const override;

 private:
  using Result = tl::expected<void, Fault>;
  static constexpr std::size_t kNone = ~std::size_t{0};

  struct Point {
    PointRule rule;
    std::size_t device;
    bool writable;
    std::size_t heard = kNone;  // index of its reading in its device's `heard`
    // Of those that can be written: the last frame that has the signal, and whether it was ours.
    std::optional<Frame> base{};
    bool base_is_ours = false;
    TimePoint base_at{};
    bool heard_since_write = false;
  };
  struct Device {
    std::size_t first = 0;
    Freshness freshness{};
    std::vector<Reading> heard{};
    std::string trouble{};
    TimePoint told_at{};
  };

  Result hear();
  void take(const Frame& frame);
  void take(const std::vector<PointIndex>& points, const Frame& frame, TimePoint now);
  void take(PointIndex number, const Frame& frame, TimePoint now);
  Result take_error(const Frame& frame);
  void count_dropped(std::uint32_t dropped);
  void enter(ControllerState state);
  void notice(std::string what);
  void trouble(std::size_t device, std::string why);
  std::string take_trouble(Device& device, TimePoint now);

  tl::expected<Frame, Fault> frame_for(const Point& point, const Value& value) const;
  std::optional<Frame> known_frame(const Point& point) const;
  Result send(const Frame& frame, TimePoint deadline);
  Result await_sent(TimePoint deadline);
  void remember_sent(const Frame& frame);
  void note(WireEvent::Kind kind, const Frame& frame) const;
  tl::unexpected<Fault> lost(std::string why);

  const std::unique_ptr<CanPort> port_;
  const StopSignal& stop_;
  const std::chrono::milliseconds timeout_;
  WireTrace* trace_ = nullptr;
  std::vector<Point> points_;  // by PointIndex
  std::vector<Device> devices_;
  std::vector<IdFilter> filters_;
  std::unordered_map<std::uint32_t, std::vector<PointIndex>> by_id_;    // of one message
  std::vector<std::pair<IdFilter, std::vector<PointIndex>>> by_group_;  // of a parameter group
  std::optional<Frame> unconfirmed_;                                    // sent, and not yet come back
  std::uint32_t dropped_ = 0;                                           // since it was opened

  // What others read.
  std::atomic<std::uint64_t> received_{0};
  std::atomic<std::uint64_t> sent_{0};
  std::atomic<std::uint64_t> lost_{0};
  std::atomic<std::uint64_t> malformed_{0};
  std::atomic<std::uint64_t> errors_{0};
  std::atomic<std::uint64_t> bus_offs_{0};
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  ControllerState state_ = ControllerState::Active;
  std::string notice_;  // what was wrong, though the controller's state is not
  TimePoint noticed_at_{};
};

}  // namespace ferrule::drivers::can

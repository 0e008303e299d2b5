// This machine as a Driver: its temperature, load, memory, disks, links, 1-wire thermometers and GPIO inputs.
#pragma once

#include <memory>
#include <vector>

#include "drivers/driver.hpp"
#include "drivers/system/gpio.hpp"
#include "drivers/system/machine.hpp"

namespace ferrule::drivers::system {

std::unique_ptr<Driver> make_driver(const BusSettings& settings, const StopSignal& stop);

/// A task is a point: one that is not there does not touch the others. There is no port; it is always open.
class SystemDriver final : public Driver {
 public:
  SystemDriver(const BusSettings& settings, Roots roots);

  tl::expected<void, Fault> open(TimePoint) override {
    open_ = true;
    return {};
  }
  void close() override { open_ = false; }
  bool is_open() const override { return open_; }
  int descriptor() const override { return -1; }
  std::string port_name() const override { return "this machine"; }

  std::size_t task_count() const override { return points_.size(); }
  Task task(std::size_t number) const override { return {points_[number].device, points_[number].interval}; }
  tl::expected<void, Fault> run(std::size_t number, std::vector<Reading>& readings) override;
  void fail(std::size_t number, Failure failure, std::vector<Reading>& readings) override;
  tl::expected<void, Fault> write(PointIndex point, const Value& value) override;
  tl::expected<Held, Fault> read_back(PointIndex, const Value&) override { return Held{}; }
  std::optional<std::size_t> task_of(PointIndex point) const override { return point; }
  std::string describe(std::size_t number) const override { return "point " + points_[number].name; }

 private:
  struct Point {
    std::string name;
    std::uint32_t device;
    std::chrono::milliseconds interval;
    Encoding encoding;
    PointRule rule;
    std::unique_ptr<GpioLine> gpio;  // of Source::Gpio
    Machine machine;                 // each point its own: what it used since it was last asked is its affair
  };
  std::vector<Point> points_;  // by PointIndex, which is the task's number too
  bool open_ = false;
};

}  // namespace ferrule::drivers::system

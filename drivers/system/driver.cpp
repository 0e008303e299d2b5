#include "drivers/system/driver.hpp"

#include <utility>

#include "drivers/serial/value.hpp"

namespace ferrule::drivers::system {

std::unique_ptr<Driver> make_driver(const BusSettings& settings, const StopSignal&) {
  return std::make_unique<SystemDriver>(settings, Roots{});
}

SystemDriver::SystemDriver(const BusSettings& settings, Roots roots) {
  for (std::uint32_t device = 0; device < settings.devices.size(); ++device) {
    const auto& own = dynamic_cast<const MachineSettings&>(*settings.devices[device].own);
    for (std::size_t i = 0; i < own.points.size(); ++i) {
      const auto& point = settings.devices[device].points[i];
      const auto& rule = own.points[i];
      auto gpio = rule.source == Source::Gpio ? std::make_unique<GpioLine>(rule) : nullptr;
      points_.push_back({point.name, device, point.interval, point, rule, std::move(gpio), Machine(roots)});
    }
  }
}

tl::expected<void, Fault> SystemDriver::run(std::size_t number, std::vector<Reading>& readings) {
  auto& point = points_[number];
  Reading reading{static_cast<PointIndex>(number), Quality::Good, Failure::None, false, {}, {}};
  if (point.gpio) {
    const auto active = point.gpio->read();
    if (!active) return tl::unexpected(active.error());
    reading.value = *active;
  } else {
    const auto text = point.machine.read(point.rule);
    if (!text) return tl::unexpected(text.error());
    auto decoded = serial::decode_text(*text, point.encoding);
    reading.quality = decoded.quality;
    reading.failure = decoded.failure;
    reading.value = std::move(decoded.value);
  }
  readings.push_back(std::move(reading));
  return {};
}

void SystemDriver::fail(std::size_t number, Failure failure, std::vector<Reading>& readings) {
  readings.push_back({static_cast<PointIndex>(number), Quality::Bad, failure, false, {}, {}});
}

tl::expected<void, Fault> SystemDriver::write(PointIndex, const Value&) {
  return tl::unexpected(Fault{Failure::PointRejected, "the points of this machine cannot be written"});
}

}  // namespace ferrule::drivers::system

// What the configured devices would plausibly hold.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string_view>

#include "drivers/modbus/decode.hpp"
#include "drivers/modbus/simulator.hpp"

namespace ferrule::drivers::modbus {

namespace {

using std::chrono::minutes;
using std::chrono::seconds;

struct UnitWave {
  std::string_view unit;
  Waveform waveform;  // in that unit
};

constexpr std::array kUnitWaves{
    UnitWave{"V", {Shape::RandomWalk, 225, 235, minutes{5}}},
    UnitWave{"A", {Shape::RandomWalk, 0.5, 16, minutes{2}}},
    UnitWave{"W", {Shape::RandomWalk, 100, 3500, minutes{2}}},
    UnitWave{"kW", {Shape::RandomWalk, 0.1, 11, minutes{2}}},
    UnitWave{"VA", {Shape::RandomWalk, 100, 3500, minutes{2}}},
    UnitWave{"var", {Shape::RandomWalk, -200, 800, minutes{2}}},
    UnitWave{"Hz", {Shape::RandomWalk, 49.95, 50.05, minutes{1}}},
    UnitWave{"Wh", {Shape::Counter, 120'000, 121'000, minutes{20}}},
    UnitWave{"kWh", {Shape::Counter, 1200, 1210, minutes{20}}},
    UnitWave{"m³", {Shape::Counter, 340, 341, minutes{20}}},
    UnitWave{"°C", {Shape::Sine, 18, 62, minutes{10}}},
    UnitWave{"K", {Shape::Sine, 291, 335, minutes{10}}},
    UnitWave{"%", {Shape::Sine, 20, 80, minutes{5}}},
    UnitWave{"bar", {Shape::RandomWalk, 1.2, 2.4, minutes{3}}},
    UnitWave{"mbar", {Shape::RandomWalk, 990, 1030, minutes{3}}},
    UnitWave{"Pa", {Shape::RandomWalk, 99'000, 103'000, minutes{3}}},
    UnitWave{"rpm", {Shape::RandomWalk, 1400, 1500, minutes{1}}},
    UnitWave{"l/min", {Shape::RandomWalk, 5, 20, minutes{2}}},
    UnitWave{"l/s", {Shape::RandomWalk, 0.2, 1.5, minutes{2}}},
    UnitWave{"m/s", {Shape::RandomWalk, 0, 12, minutes{2}}},
    UnitWave{"s", {Shape::Counter, 0, 60, minutes{1}}},
    UnitWave{"h", {Shape::Counter, 5000, 5001, minutes{60}}},
};

Waveform engineering_waveform(const PointSettings& point) {
  if (point.type == Type::Bool) return {Shape::Ramp, 0, 1, seconds{20}};
  const auto known =
      std::find_if(kUnitWaves.begin(), kUnitWaves.end(), [&](const auto& wave) { return wave.unit == point.unit; });
  if (known != kUnitWaves.end()) return known->waveform;
  return {Shape::Sine, 0, 100, minutes{1}};
}

std::pair<double, double> limits_of(Type type) {
  switch (type) {
    case Type::Bool:
      return {0, 1};
    case Type::Int16:
      return {std::numeric_limits<std::int16_t>::min(), std::numeric_limits<std::int16_t>::max()};
    case Type::Uint16:
      return {0, std::numeric_limits<std::uint16_t>::max()};
    case Type::Int32:
      return {std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max()};
    case Type::Uint32:
      return {0, std::numeric_limits<std::uint32_t>::max()};
    case Type::Float32:
      return {std::numeric_limits<float>::lowest(), std::numeric_limits<float>::max()};
  }
  return {0, 1};
}

bool overlap(const SimulatedPoint& a, const SimulatedPoint& b) {
  const auto width = [](const SimulatedPoint& point) { return is_bits(point.table) ? 1 : registers_of(point.type); };
  return a.table == b.table && a.address < b.address + width(b) && b.address < a.address + width(a);
}

}  // namespace

Waveform plausible_waveform(const PointSettings& point) {
  auto wave = engineering_waveform(point);
  const auto [min, max] = limits_of(point.type);
  const auto raw = [&, lowest = min, highest = max](double value) {
    return std::clamp((value - point.offset) / point.scale, lowest, highest);
  };
  const auto [low, high] = std::minmax({raw(wave.low), raw(wave.high)});
  wave.low = low;
  wave.high = high;
  return wave;
}

std::vector<SimulatedSlave> simulated_slaves(const BusSettings& bus, const Faults& faults) {
  std::vector<SimulatedSlave> slaves;
  slaves.reserve(bus.devices.size());
  for (const auto& device : bus.devices) {
    SimulatedSlave slave{device.unit_id, {}, faults};
    for (const auto& point : device.points) {
      const SimulatedPoint simulated{point.table, point.address, point.type, point.byte_order,
                                     plausible_waveform(point)};
      const bool taken = std::any_of(slave.points.begin(), slave.points.end(),
                                     [&](const auto& other) { return overlap(simulated, other); });
      if (!taken) slave.points.push_back(simulated);
    }
    slaves.push_back(std::move(slave));
  }
  return slaves;
}

}  // namespace ferrule::drivers::modbus

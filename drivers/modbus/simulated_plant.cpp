// What the configured devices would plausibly hold.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string_view>

#include "drivers/modbus/decode.hpp"
#include "drivers/modbus/layout.hpp"
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

// A double counts to 2^53: a waveform needs no more.
constexpr double kMostExact = 9'007'199'254'740'992;

std::pair<double, double> limits_of(const Encoding& encoding) {
  const auto layout = layout_of(encoding);
  switch (layout.kind) {
    case Kind::Boolean:
      return {0, 1};
    case Kind::Signed:
      return {-std::min(kMostExact, std::exp2(layout.bits - 1)), std::min(kMostExact, std::exp2(layout.bits - 1) - 1)};
    case Kind::Unsigned:
    case Kind::Bcd:
      return {0, std::min(kMostExact, largest_count(encoding))};
    case Kind::Real: {
      const double largest = layout.bits == 16 ? 65504 : std::numeric_limits<float>::max();
      return {-largest, largest};
    }
    case Kind::Text:
      break;
  }
  return {0, 0};
}

bool overlap(const Encoding& a, const Encoding& b) {
  const auto width = [](const Encoding& place) { return is_bits(place.table) ? 1 : registers_of(place); };
  return a.table == b.table && a.address < b.address + width(b) && b.address < a.address + width(a);
}

}  // namespace

Waveform plausible_waveform(const PointSettings& point) {
  auto wave = engineering_waveform(point);
  const auto [min, max] = limits_of(point);
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
      const bool taken = std::any_of(slave.points.begin(), slave.points.end(),
                                     [&](const auto& other) { return overlap(point, other.encoding); });
      if (!taken) slave.points.push_back({point, plausible_waveform(point)});
    }
    slaves.push_back(std::move(slave));
  }
  return slaves;
}

}  // namespace ferrule::drivers::modbus

#include "drivers/modbus/waveform.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace ferrule::drivers::modbus {

namespace {

// A walk that nobody read for longer takes up where this many ticks lead it: bounds the work of one read.
constexpr std::int64_t kMostSteps = 10'000;

std::int64_t at_least_one(std::chrono::milliseconds duration) { return std::max<std::int64_t>(1, duration.count()); }

}  // namespace

std::uint64_t Random::next() {
  state_ += 0x9E3779B97F4A7C15u;
  auto mixed = state_;
  mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9u;
  mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EBu;
  return mixed ^ mixed >> 31;
}

double Random::fraction() { return static_cast<double>(next() >> 11) * 0x1p-53; }

Signal::Signal(const Waveform& waveform, std::uint64_t seed)
    : waveform_(waveform),
      random_(seed),
      phase_(random_.fraction()),
      value_(waveform.low + (waveform.high - waveform.low) * random_.fraction()) {}

double Signal::at(std::chrono::milliseconds elapsed) {
  const auto tick = elapsed.count() / at_least_one(waveform_.tick);
  const auto ticks_per_period =
      static_cast<double>(at_least_one(waveform_.period)) / static_cast<double>(at_least_one(waveform_.tick));
  const double periods = static_cast<double>(tick) / ticks_per_period;
  const double range = waveform_.high - waveform_.low;
  switch (waveform_.shape) {
    case Shape::Constant:
      return waveform_.low;
    case Shape::Ramp:
      return waveform_.low + range * std::fmod(periods + phase_, 1.0);
    case Shape::Sine:
      return waveform_.low + range * (0.5 + 0.5 * std::sin(2 * std::numbers::pi * (periods + phase_)));
    case Shape::RandomWalk:
      return walk(tick);
    case Shape::Counter:
      return waveform_.low + range * periods;
  }
  return waveform_.low;
}

double Signal::walk(std::int64_t tick) {
  const double step = 2 * (waveform_.high - waveform_.low) * static_cast<double>(at_least_one(waveform_.tick)) /
                      static_cast<double>(at_least_one(waveform_.period));
  for (walked_ = std::max(walked_, tick - kMostSteps); walked_ < tick; ++walked_) {
    value_ = std::clamp(value_ + step * (2 * random_.fraction() - 1), waveform_.low, waveform_.high);
  }
  return value_;
}

}  // namespace ferrule::drivers::modbus

// Values that move with time, for simulated devices.
#pragma once

#include <chrono>
#include <cstdint>

namespace ferrule::drivers::modbus {

enum class Shape : std::uint8_t {
  Constant,    ///< `low`
  Ramp,        ///< from `low` up to `high`, then from `low` again
  Sine,        ///< between `low` and `high`
  RandomWalk,  ///< between `low` and `high`, which it could cross in half a period
  Counter,     ///< from `low` on by `high - low` each period, without end
};

/// What a simulated value does, in the units of its registers (before a point's scale and offset).
struct Waveform {
  Shape shape = Shape::Constant;
  double low = 0;
  double high = 0;
  std::chrono::milliseconds period{60'000};
  std::chrono::milliseconds tick{100};  ///< between two ticks the value stands still
};

/// A sequence of random numbers that is the same for a seed on every machine (splitmix64).
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next();
  double fraction();  ///< in [0, 1)

 private:
  std::uint64_t state_;
};

/// One waveform at work. The same waveform, seed and time since the start give the same value.
class Signal {
 public:
  Signal(const Waveform& waveform, std::uint64_t seed);

  double at(std::chrono::milliseconds elapsed);  ///< since the start; must not go back

 private:
  double walk(std::int64_t tick);

  const Waveform waveform_;
  Random random_;
  double phase_ = 0;         // of a period, so that equal waveforms differ
  double value_ = 0;         // of the walk
  std::int64_t walked_ = 0;  // ticks
};

}  // namespace ferrule::drivers::modbus

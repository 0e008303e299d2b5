// The byte stream under a bus: a TCP connection or a serial line, on a descriptor that Ferrule owns.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <tl/expected.hpp>

#include "drivers/fault.hpp"
#include "drivers/stop_signal.hpp"

namespace ferrule::drivers {

/// How a drain ended, and what it took off the wire.
struct Drained {
  std::size_t bytes = 0;  ///< discarded; the first of them are in the caller's buffer
  bool silent = false;    ///< the wire was silent for the time asked; false: it was still talking at the deadline
  bool lost = false;      ///< the port is gone; the caller closes it
};

/// One wire. Used by its bus thread only. A lost port is closed and opened again; it is never repaired in place.
class Port {
 public:
  virtual ~Port() = default;
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  /// Opens by `deadline` at the latest, or says why not (always Failure::PortLost). The port must be closed.
  virtual tl::expected<void, Fault> open(TimePoint deadline) = 0;
  virtual void close() = 0;
  /// The address as in the configuration: `10.0.0.5:502`, `/dev/ttyUSB0`.
  virtual std::string name() const = 0;

  int descriptor() const { return descriptor_; }  ///< non-blocking; -1 while closed
  bool is_open() const { return descriptor_ >= 0; }

  /// Discards input until the wire has been silent for `silence`, or until `deadline`. The first bytes are kept in
  /// `head`.
  Drained drain(std::chrono::nanoseconds silence, TimePoint deadline, std::span<std::uint8_t> head) const;

 protected:
  explicit Port(const StopSignal& stop) : stop_(stop) {}

  const StopSignal& stop_;
  int descriptor_ = -1;
};

}  // namespace ferrule::drivers

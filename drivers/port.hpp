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
#include "drivers/wire_trace.hpp"

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

  /// What has come, at most `bytes.size()`; 0 when nothing has for now. Otherwise why the port is of no use any more.
  tl::expected<std::size_t, std::string> read(std::span<std::uint8_t> bytes);
  /// Sends all of it, or says why not; `sent` in the Fault says whether a part of it has gone out.
  tl::expected<void, Fault> write(std::span<const std::uint8_t> bytes);
  /// Whether each `read` gives one message of the peer, and not just the next part of a stream.
  virtual bool has_datagrams() const { return false; }
  /// Around a request on a line of which somebody has to drive the transmitter; `end_send` returns when it has gone
  /// out.
  virtual void begin_send() {}
  virtual void end_send() {}
  /// The peer does not answer: another address, if there is one, comes first the next time.
  virtual void distrust() {}

  int descriptor() const { return descriptor_; }  ///< non-blocking; -1 while closed
  bool is_open() const { return descriptor_ >= 0; }

  /// Discards input until the wire has been silent for `silence`, or until `deadline`. The first bytes are kept in
  /// `head`.
  Drained drain(std::chrono::nanoseconds silence, TimePoint deadline, std::span<std::uint8_t> head) const;

  /// Notes there what is read, written and drained from now on. `trace` outlives the port.
  void trace(WireTrace& trace) { trace_ = &trace; }
  /// For those who use the descriptor themselves.
  bool traced() const { return trace_ != nullptr && trace_->watched(); }
  void note(WireEvent::Kind kind, std::span<const std::uint8_t> bytes) const {
    if (traced() && !bytes.empty()) trace_->note(kind, bytes);
  }

 protected:
  explicit Port(const StopSignal& stop) : stop_(stop) {}

  virtual tl::expected<std::size_t, std::string> receive(std::span<std::uint8_t> bytes);
  virtual tl::expected<void, Fault> transmit(std::span<const std::uint8_t> bytes);

  const StopSignal& stop_;
  int descriptor_ = -1;

 private:
  WireTrace* trace_ = nullptr;
};

}  // namespace ferrule::drivers

// TCP ports and serial lines on which masters ask: bytes in, whole requests out, answers back.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <tl/expected.hpp>
#include <vector>

#include "drivers/clock.hpp"
#include "drivers/descriptor.hpp"
#include "drivers/port.hpp"

namespace ferrule::drivers::modbus {

/// One request as it came.
struct SlaveRequest {
  std::size_t port;     ///< by the order in which ports were added
  std::uint64_t asker;  ///< the connection or line, never used twice
  const std::string& peer;
  std::span<const std::uint8_t> frame;
};

/// Counters of all ports.
struct SlavePortsStatus {
  std::size_t connections = 0;   ///< now
  std::size_t lines_closed = 0;  ///< now, because they could not be opened yet or were lost
  std::uint64_t accepted = 0;
  std::uint64_t refused = 0;    ///< not admitted, or too many
  std::uint64_t displaced = 0;  ///< had not asked for long when somebody else wanted to connect
  std::uint64_t requests = 0;   ///< complete frames to one of us
  std::uint64_t answers = 0;    ///< sent
  std::uint64_t unsent = 0;     ///< that the peer did not take, or for which too many others were waiting
  std::uint64_t malformed = 0;  ///< bytes that are no frame: the connection was closed, or the line waited for silence
  /// By when their thread expected to be back from where it is: max() while it does not run.
  std::chrono::steady_clock::time_point due = std::chrono::steady_clock::time_point::max();
};

/// Any number of ports on one thread. All ports are added before `start`. Everything is bounded: connections of each
/// port (policy: who has not asked for the longest makes way if that is half a minute, else the newcomer is closed),
/// answers that wait (policy: the new one is dropped), bytes of a connection that wait to be looked at (policy: its
/// sender waits). While the process is out of descriptors, newcomers wait.
class SlavePorts {
 public:
  struct Limits {
    std::size_t connections = 64;       ///< of each TCP port
    std::chrono::milliseconds idle{0};  ///< a connection without a request for so long is closed; 0: never
    bool one_at_a_time = false;         ///< the next request of an asker waits until the one before it is answered
    /// On a line: what follows a frame that is none of ours without it is skipped, and it ends a frame whose function
    /// code is not known. 0: neither.
    std::chrono::nanoseconds silence{0};
  };
  enum class Heard : std::uint8_t {
    Ours,
    Others,   ///< on a line: to or from somebody else
    Damaged,  ///< no frame at all
  };
  /// Called on the ports' thread.
  using Handler = std::function<Heard(const SlaveRequest&)>;
  using Admits = std::function<bool(const sockaddr_storage&)>;

  /// `clock`, which need not be real time, outlives the ports. Throws std::system_error when out of descriptors.
  SlavePorts(std::string name, const Clock& clock, const Limits& limits, Handler handler);
  ~SlavePorts();  ///< stops
  SlavePorts(const SlavePorts&) = delete;
  SlavePorts& operator=(const SlavePorts&) = delete;

  /// Listens; `port` 0 means any free one. Returns the port. `admits` says who may connect.
  tl::expected<std::uint16_t, std::error_code> listen(const std::string& address, std::uint16_t port,
                                                      Admits admits = {});
  /// A line that stays open. `other_end` is kept open beside it.
  void add_line(Descriptor line, Descriptor other_end, std::string name);
  /// A line that is opened now, or when it can be, and again when it was lost. `echo`: what is sent comes back.
  void add_line(std::unique_ptr<Port> line, bool echo);

  void start();
  void stop();                      ///< closes all ports, for good
  SlavePortsStatus status() const;  ///< Any thread.

  /// On the ports' thread: sends an answer at `due`; an empty one only says that there is none.
  void answer(std::uint64_t asker, std::vector<std::uint8_t>&& bytes, TimePoint due);
  /// Runs tasks on the ports' thread, from any thread; drops them once the ports have stopped, which it may outlive.
  std::function<void(std::function<void()>)> poster() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ferrule::drivers::modbus

// Simulated Modbus slaves: what they hold, how their values move, and what they do wrong.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "drivers/modbus/responder.hpp"
#include "drivers/modbus/waveform.hpp"
#include "drivers/settings.hpp"

namespace ferrule::drivers::modbus {

/// One value in a slave's registers. A value that its type cannot hold leaves the registers as they are.
struct SimulatedPoint {
  Encoding encoding;  ///< without scale and offset
  Waveform waveform;
};

/// What goes wrong with a slave's answers. The shares are of all its requests, each in [0, 1], together at most 1.
struct Faults {
  double drop = 0;                  ///< no answer, though a write is executed
  double exception = 0;             ///< `exception_code` instead, nothing executed
  double late = 0;                  ///< the right answer, `lateness` later than it would have come
  double garbage = 0;               ///< random bytes of the answer's length
  std::uint8_t exception_code = 4;  ///< 1 to 0x0B
  std::chrono::milliseconds lateness{2000};
  std::chrono::milliseconds delay{0};  ///< of every answer
};

struct SimulatedSlave {
  std::uint8_t unit_id = 1;
  std::vector<SimulatedPoint> points;
  Faults faults;
  /// Refuses (exception 02) a read of a register that no point has; otherwise those between two points read 0.
  bool refuse_gaps = false;
};

/// The slaves behind one serial line or TCP port. Does no I/O of its own; used by one thread.
class SlaveGroup {
 public:
  struct Answer {
    std::vector<std::uint8_t> bytes;  ///< empty: none
    std::chrono::milliseconds delay{0};
    bool faulty = false;
  };

  /// `seed` decides values and faults.
  SlaveGroup(Framing framing, const std::vector<SimulatedSlave>& slaves, std::uint64_t seed);
  ~SlaveGroup();
  SlaveGroup(SlaveGroup&&) noexcept;

  /// Answers one complete frame at `elapsed` after the start, with all values as they are then. A register that a
  /// client wrote keeps what was written. A unit that is not there is silent on a serial line; over TCP the answer is
  /// exception 0B, as from a gateway.
  Answer answer(std::span<const std::uint8_t> request, std::chrono::milliseconds elapsed, Responder& responder);

 private:
  class Slave;
  Answer broadcast(std::span<const std::uint8_t> request, std::chrono::milliseconds elapsed, Responder& responder);

  Framing framing_;
  std::vector<Slave> slaves_;
};

}  // namespace ferrule::drivers::modbus

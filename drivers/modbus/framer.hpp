// libmodbus on a descriptor that it neither opened nor closes: it builds, frames and checks, the caller waits.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <tl/expected.hpp>

#include "drivers/fault.hpp"

struct _modbus;  // libmodbus's context: modbus.h is for framer.cpp only

namespace ferrule::drivers::modbus {

/// Largest frame of both framings (Modbus TCP guide V1.0b 3.1.2).
inline constexpr std::size_t kMaxFrame = 260;

/// Used by one bus thread. Its error recovery is off: that would sleep, flush and reconnect behind our back.
class Framer {
 public:
  enum class Framing : std::uint8_t { Tcp, Rtu };
  /// What `receive` found.
  enum class Received : std::uint8_t {
    Frame,      ///< a whole frame, its CRC right
    OtherUnit,  ///< RTU: a frame of another unit, its CRC unchecked
    Nonsense,   ///< no frame: too short, too long or a wrong CRC; `error` says which
    Lost,       ///< the port is gone
  };

  explicit Framer(Framing framing);  ///< throws std::bad_alloc
  ~Framer();
  Framer(const Framer&) = delete;
  Framer& operator=(const Framer&) = delete;

  /// Refuses (PortLost) a descriptor that libmodbus cannot wait for: it uses select().
  tl::expected<void, Fault> attach(int descriptor);
  /// RTU: sends unit, function and so on with the CRC behind. 0, or the errno.
  int send(std::span<const std::uint8_t> request);
  /// Takes one frame off the wire; to be called when it is there. Returns after 60 ms at most.
  Received receive();

  std::array<std::uint8_t, kMaxFrame> frame{};
  std::size_t size = 0;  ///< of the last Received::Frame
  std::string error;     ///< of the last Received::Nonsense or Lost

 private:
  _modbus* context_;
};

}  // namespace ferrule::drivers::modbus

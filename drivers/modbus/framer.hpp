// The two framings of a serial line: unit, function and data in, what goes over the wire out, and back.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "drivers/fault.hpp"

namespace ferrule::drivers::modbus {

/// Largest frame of all framings but ASCII (Modbus TCP guide V1.0b 3.1.2).
inline constexpr std::size_t kMaxFrame = 260;

/// On a descriptor that it neither opened nor closes; the caller waits. Used by one bus thread.
class Framer {
 public:
  /// What `receive` found.
  enum class Received : std::uint8_t {
    Frame,      ///< a whole frame, its checksum right
    OtherUnit,  ///< a frame of another unit, its CRC unchecked
    Nonsense,   ///< no frame: too short, too long or a wrong checksum; `error` says which
    Lost,       ///< the port is gone
  };

  virtual ~Framer() = default;
  Framer() = default;
  Framer(const Framer&) = delete;
  Framer& operator=(const Framer&) = delete;

  virtual tl::expected<void, Fault> attach(int descriptor) = 0;
  /// Sends unit, function and so on with the checksum behind. 0, or the errno.
  virtual int send(std::span<const std::uint8_t> request) = 0;
  /// Takes one frame off the wire; to be called when it is there. Returns after 60 ms at most.
  virtual Received receive() = 0;
  /// The bytes that `send` puts on the wire.
  virtual std::vector<std::uint8_t> image(std::span<const std::uint8_t> request) const = 0;
  /// What the last `receive` took off the wire. Of an answer that broke off, zeros at its end may be missing.
  virtual std::vector<std::uint8_t> taken() const = 0;
  /// How many bytes on the wire a frame has that has so many in RTU.
  virtual std::size_t wire_size(std::size_t rtu) const = 0;
  /// RTU's form of the whole frames among bytes that were taken off the wire otherwise.
  virtual std::vector<std::uint8_t> frames_in(std::span<const std::uint8_t> bytes) const = 0;

  std::array<std::uint8_t, kMaxFrame> frame{};  ///< in RTU's form: unit, function, data, CRC
  std::size_t size = 0;                         ///< of the last Received::Frame
  std::string error;                            ///< of the last Received::Nonsense or Lost
};

/// libmodbus's RTU framing. Its error recovery is off: that would sleep, flush and reconnect behind our back. `attach`
/// refuses (PortLost) a descriptor that it cannot wait for: it uses select(). Throws std::bad_alloc.
std::unique_ptr<Framer> make_rtu_framer();
/// Modbus over serial line V1.02 2.5.2, which libmodbus does not have.
std::unique_ptr<Framer> make_ascii_framer();

}  // namespace ferrule::drivers::modbus

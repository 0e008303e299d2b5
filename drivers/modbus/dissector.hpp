// Modbus frames in words, for people who watch a wire.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "drivers/wire_trace.hpp"

namespace ferrule::drivers::modbus {

/// How frames lie on the wire.
enum class FrameForm : std::uint8_t { Tcp, Rtu, Ascii };

/// What a stream of bytes comes to: a frame, or what is none.
struct Dissected {
  std::vector<std::uint8_t> bytes;
  std::string text;  ///< "unit 1 reads 2 holding registers from 100"
};

/// Cuts both directions of a dialogue into frames, wherever its bytes were split, and says what they are. Hostile bytes
/// come out as "no Modbus frame"; never holds more than one frame of a direction.
class Dissector {
 public:
  explicit Dissector(FrameForm framing) : framing_(framing) {}

  /// Takes what was sent or received; gives what is complete by now.
  std::vector<Dissected> next(WireEvent::Kind direction, std::span<const std::uint8_t> bytes);
  /// The connection is another one, or what is incomplete stays so.
  std::vector<Dissected> flush();

 private:
  using Bytes = std::vector<std::uint8_t>;

  std::vector<Dissected> cut(Bytes& waiting, bool request) const;

  const FrameForm framing_;
  Bytes sent_;      // the beginning of a frame
  Bytes received_;  // the same
};

/// Function code and data in words. `request`: what a master asks; else what a unit answers.
std::string describe_pdu(std::span<const std::uint8_t> pdu, bool request);

}  // namespace ferrule::drivers::modbus

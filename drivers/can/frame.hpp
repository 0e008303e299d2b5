// A classic CAN frame, its bytes in a trace and its text.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace ferrule::drivers::can {

/// Up to 8 bytes; those behind `size` are 0. Flags of an identifier are those of <linux/can.h>.
struct Frame {
  static constexpr std::uint32_t kExtended = 0x8000'0000;  ///< 29 bits, else 11
  static constexpr std::uint32_t kRemote = 0x4000'0000;    ///< asks for the data, and has none
  static constexpr std::uint32_t kError = 0x2000'0000;     ///< what the controller says of the bus
  static constexpr std::uint32_t kStandardIds = 0x7FF;
  static constexpr std::uint32_t kExtendedIds = 0x1FFF'FFFF;
  static constexpr std::size_t kMostBytes = 8;

  std::uint32_t id = 0;  ///< with its flags
  std::uint8_t size = 0;
  std::array<std::uint8_t, kMostBytes> data{};

  bool operator==(const Frame&) const = default;
};

/// Which identifiers are meant: those that agree with `id` in the bits of `mask`.
struct IdFilter {
  std::uint32_t id = 0;
  std::uint32_t mask = 0;

  bool operator==(const IdFilter&) const = default;
  bool matches(std::uint32_t other) const { return (other & mask) == id; }
};
/// Data frames with that identifier only; kExtended in it counts.
IdFilter exactly(std::uint32_t id);
/// Data frames of a J1939 parameter group, of one sender or of all (SAE J1939-21 5.2). Priority does not count; below
/// PDU format 240 the destination does not either.
IdFilter parameter_group(std::uint32_t pgn, std::optional<std::uint8_t> source);
bool is_exact(const IdFilter& filter);

/// "123", "18FEF100", as candump writes it.
std::string id_text(std::uint32_t id);
/// "18FEF100#DEADBEEF", "123#R", as candump -L writes it.
std::string text_of(const Frame& frame);

/// As in a capture of LINKTYPE_CAN_SOCKETCAN:
///   identifier with flags (4, big endian) | size (1) | 0 (3) | data (size)
std::vector<std::uint8_t> captured(const Frame& frame);
std::optional<Frame> from_capture(std::span<const std::uint8_t> bytes);

}  // namespace ferrule::drivers::can

// The answers that RTU devices still owe us, so that a late one is never taken for the answer to a newer request.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ferrule::drivers::modbus {

/// All that tells one RTU answer from another: there is no transaction id on a serial line.
struct AnswerShape {
  std::uint8_t unit = 0;
  std::uint8_t function = 0;
  std::uint8_t bytes = 0;  ///< of data; 0 in the answers to writes, whose length the function says
  bool operator==(const AnswerShape&) const = default;
};

inline constexpr std::size_t kRefusalSize = 5;  ///< unit, function | 0x80, exception, CRC

/// The shape of a frame of at least three bytes.
AnswerShape shape_of(std::span<const std::uint8_t> frame);
/// Bytes of the frame, unit and CRC included.
std::size_t size_of(const AnswerShape& shape);

/// CRC-16 of Modbus over serial line V1.02 6.2.2, low byte first on the wire. `crc`: of the bytes before.
std::uint16_t crc16(std::span<const std::uint8_t> bytes, std::uint16_t crc = 0xFFFF);

/// What is owed, oldest first.
///
/// A request whose answer did not come is owed one. While it is, the same unit may only be asked something whose answer
/// has another shape; a device answers in order, so once that answer is here nothing older can follow, and the debt is
/// settled. Time plays no part: an answer that is an hour late is as harmless as one that is a millisecond late.
class Owed {
 public:
  void add(const AnswerShape& shape);
  bool holds(const AnswerShape& shape) const;
  bool holds(std::uint8_t unit) const;
  bool holds(std::uint8_t unit, std::uint8_t function) const;

  /// The unit answered its newest request.
  void settle_unit(std::uint8_t unit);
  /// A late answer came: settles it and what its unit owed before. False when nothing of this shape is owed.
  bool settle(const AnswerShape& shape);
  /// An exception came that may belong to an older request: settles the oldest one that it can belong to, and what is
  /// older.
  void settle_oldest(std::uint8_t unit, std::uint8_t function);
  /// Settles every late answer among bytes that were taken off the wire outside a request.
  void settle_frames(std::span<const std::uint8_t> bytes);

 private:
  void settle_until(std::vector<AnswerShape>::iterator last);

  std::vector<AnswerShape> owed_;
};

}  // namespace ferrule::drivers::modbus

#include "drivers/modbus/owed.hpp"

#include "drivers/modbus/write.hpp"

#include <algorithm>
#include <cstddef>

namespace ferrule::drivers::modbus {

namespace {

// A unit that has failed this often in a row has long been asked at growing intervals only: what it owed before that
// many requests is minutes old.
constexpr std::ptrdiff_t kMostPerUnit = 32;

constexpr std::uint8_t kRefused = 0x80;
constexpr std::size_t kReadOverhead = 5;  // unit, function, byte count, CRC
constexpr std::size_t kEchoSize = 8;      // unit, function, address, value or count, CRC
constexpr std::size_t kMaskEchoSize = 10;

/// Writes are answered by their own head instead of a byte count.
bool is_echo(std::uint8_t function) {
  return function == kWriteSingleCoil || function == kWriteSingleRegister || function == kWriteMultipleCoils ||
         function == kWriteMultipleRegisters || function == kMaskWriteRegister;
}

}  // namespace

AnswerShape shape_of(std::span<const std::uint8_t> frame) {
  return {frame[0], frame[1], is_echo(frame[1]) || (frame[1] & kRefused) != 0 ? std::uint8_t{0} : frame[2]};
}

std::size_t size_of(const AnswerShape& shape) {
  if ((shape.function & kRefused) != 0) return kRefusalSize;
  if (shape.function == kMaskWriteRegister) return kMaskEchoSize;
  return is_echo(shape.function) ? kEchoSize : kReadOverhead + shape.bytes;
}

std::uint16_t crc16(std::span<const std::uint8_t> bytes, std::uint16_t crc) {
  for (const auto byte : bytes) {
    crc = static_cast<std::uint16_t>(crc ^ byte);
    for (int bit = 0; bit < 8; ++bit) {
      const bool carry = (crc & 1U) != 0;
      crc = static_cast<std::uint16_t>(crc >> 1U);
      if (carry) crc = static_cast<std::uint16_t>(crc ^ 0xA001U);
    }
  }
  return crc;
}

void Owed::add(const AnswerShape& shape) {
  const auto same_unit = [&](const AnswerShape& owed) { return owed.unit == shape.unit; };
  if (std::ranges::count_if(owed_, same_unit) >= kMostPerUnit) owed_.erase(std::ranges::find_if(owed_, same_unit));
  owed_.push_back(shape);
}

bool Owed::holds(const AnswerShape& shape) const { return std::ranges::find(owed_, shape) != owed_.end(); }

bool Owed::holds(std::uint8_t unit) const { return std::ranges::find(owed_, unit, &AnswerShape::unit) != owed_.end(); }

bool Owed::holds(std::uint8_t unit, std::uint8_t function) const {
  return std::ranges::any_of(owed_,
                             [&](const AnswerShape& owed) { return owed.unit == unit && owed.function == function; });
}

void Owed::settle_unit(std::uint8_t unit) {
  std::erase_if(owed_, [&](const AnswerShape& owed) { return owed.unit == unit; });
}

bool Owed::settle(const AnswerShape& shape) {
  const auto found = std::ranges::find(owed_, shape);
  if (found == owed_.end()) return false;
  settle_until(found);
  return true;
}

void Owed::settle_oldest(std::uint8_t unit, std::uint8_t function) {
  const auto found = std::ranges::find_if(
      owed_, [&](const AnswerShape& owed) { return owed.unit == unit && owed.function == function; });
  if (found != owed_.end()) settle_until(found);
}

void Owed::settle_until(std::vector<AnswerShape>::iterator last) {
  const auto unit = last->unit;
  const auto kept = std::remove_if(owed_.begin(), last + 1, [&](const AnswerShape& owed) { return owed.unit == unit; });
  owed_.erase(kept, last + 1);
}

void Owed::settle_frames(std::span<const std::uint8_t> bytes) {
  while (bytes.size() >= kRefusalSize) {
    const bool refusal = (bytes[1] & kRefused) != 0;
    const auto size = size_of(shape_of(bytes));
    if (bytes.size() < size || crc16(bytes.first(size)) != 0) {  // over a frame and its CRC it comes out as 0
      bytes = bytes.subspan(1);
      continue;
    }
    if (refusal) {
      settle_oldest(bytes[0], bytes[1] & 0x7FU);
    } else {
      settle(shape_of(bytes));
    }
    bytes = bytes.subspan(size);
  }
}

}  // namespace ferrule::drivers::modbus

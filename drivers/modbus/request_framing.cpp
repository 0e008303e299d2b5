#include "drivers/modbus/request_framing.hpp"

#include <algorithm>

#include "drivers/modbus/owed.hpp"

namespace ferrule::drivers::modbus {

// transaction 0..1 | protocol 2..3, 0 | length 4..5, of what follows | unit 6 | function 7 | data
std::optional<std::size_t> tcp_request_length(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < 6) return 0;
  const std::size_t length = std::size_t{bytes[4]} << 8 | bytes[5];
  const bool modbus = bytes[2] == 0 && bytes[3] == 0 && length >= 2 && length + 6 <= kMaxRequest;
  if (!modbus) return std::nullopt;
  return length + 6;
}

std::optional<std::size_t> rtu_request_length(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < 2) return 0;
  const auto counted = [&](std::size_t at) -> std::size_t { return bytes.size() <= at ? 0 : at + 1 + bytes[at] + 2; };
  switch (bytes[1]) {
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
    case 6:
    case 8:
      return 8;
    case 7:
    case 17:
      return 4;
    case 15:
    case 16:
      return counted(6);
    case 22:
      return 10;
    case 23:
      return counted(10);
    default:
      return std::nullopt;
  }
}

std::optional<std::size_t> rtu_length_by_checksum(std::span<const std::uint8_t> bytes) {
  constexpr std::size_t kLeast = 4;   // unit, function, CRC
  constexpr std::size_t kMost = 256;  // Modbus over serial line V1.02 2.5.1
  auto crc = crc16({});
  for (std::size_t size = 1; size <= std::min(bytes.size(), kMost); ++size) {
    crc = crc16(bytes.subspan(size - 1, 1), crc);
    if (crc == 0 && size >= kLeast) return size;
  }
  return bytes.size() < kMost ? std::optional<std::size_t>(0) : std::nullopt;
}

}  // namespace ferrule::drivers::modbus

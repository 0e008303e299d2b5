// Where a request ends, seen from the slave.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace ferrule::drivers::modbus {

inline constexpr std::size_t kMaxRequest = 260;  ///< of a Modbus TCP frame (Modbus TCP guide V1.0b 3.1.2)

/// How many bytes the first request in `bytes` has; 0 when that is not known yet, nothing when it is no request. Of a
/// serial line the function code tells it (Modbus AP v1.1b3 6).
std::optional<std::size_t> tcp_request_length(std::span<const std::uint8_t> bytes);
std::optional<std::size_t> rtu_request_length(std::span<const std::uint8_t> bytes);

/// The same of a frame on a serial line whose function code is not known: only its checksum tells.
std::optional<std::size_t> rtu_length_by_checksum(std::span<const std::uint8_t> bytes);

}  // namespace ferrule::drivers::modbus

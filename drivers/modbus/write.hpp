// A value as the request that writes it (Modbus AP v1.1b3 6.5, 6.6, 6.11, 6.12, 6.16 and 6.17).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "drivers/reading.hpp"
#include "drivers/settings.hpp"

namespace ferrule::drivers::modbus {

inline constexpr std::uint8_t kWriteSingleCoil = 5;
inline constexpr std::uint8_t kWriteSingleRegister = 6;
inline constexpr std::uint8_t kWriteMultipleCoils = 15;
inline constexpr std::uint8_t kWriteMultipleRegisters = 16;
inline constexpr std::uint8_t kMaskWriteRegister = 22;
inline constexpr std::uint8_t kReadWriteRegisters = 23;

/// A number before scale, offset and 10^factor; what is not scaled stays exact.
Value unscaled(const Value& value, const Encoding& encoding, int factor);

/// The function codes that can write such a value, the preferred one first. Empty for tables that cannot be written.
std::vector<std::uint8_t> write_functions(const Encoding& encoding);

/// Whether the registers of the value's extent have to be known before it can be written by that function: the scale
/// factor is in one of them, or the value is only a part of a register.
bool needs_registers(const Encoding& encoding, std::uint8_t function);

/// Function code and data. `registers` are those of the extent where they are needed. Refused with the reason in words:
/// a value that the type cannot hold.
tl::expected<std::vector<std::uint8_t>, std::string> write_pdu(const Value& value, const Encoding& encoding,
                                                               std::uint8_t function,
                                                               std::span<const std::uint16_t> registers);

/// What the device answers when it has done it: all of a single write, the head of a multiple one.
std::vector<std::uint8_t> write_echo(std::span<const std::uint8_t> pdu);

/// Whether the registers of the extent hold the value already. A value that does not fit is not held.
bool holds(std::span<const std::uint16_t> registers, const Value& value, const Encoding& encoding);

}  // namespace ferrule::drivers::modbus

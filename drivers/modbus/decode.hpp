// Registers and bits to values, and back.
#pragma once

#include <cstdint>
#include <span>

#include "drivers/reading.hpp"
#include "drivers/settings.hpp"

namespace ferrule::drivers::modbus {

/// Coils and discrete inputs are read bit by bit, the other two tables in registers of 16 bits.
constexpr bool is_bits(Table table) { return table == Table::Coil || table == Table::Discrete; }

/// Registers that a value of this type fills in Table::Input and Table::Holding, at least 1.
std::uint16_t registers_of(Type type);

/// Registers, or bits in the bit tables, that the point fills from its address on.
std::uint16_t width_of(const PointSettings& point);

/// What a point's registers say. `value` is meaningful only when the quality is Good.
struct Decoded {
  Value value;
  Quality quality = Quality::Good;
  Failure failure = Failure::None;
};

/// Decodes `registers_of(point.type)` registers in host byte order, the first one as it came first on the wire.
/// Without scale and offset, integers stay exact: int16 and int32 become int64_t, uint16 and uint32 become uint64_t;
/// with either, the result is `raw * scale + offset` as a double. A bool in a register is true when the register is not
/// 0. NaN and the infinities, also those that scaling makes, are Bad with Failure::Invalid, and so is a span of another
/// size.
Decoded decode(std::span<const std::uint16_t> registers, const PointSettings& point);

/// Decodes one coil or discrete input.
Decoded decode_bit(bool bit, const PointSettings& point);

/// The inverse of decoding, without scale and offset: fills `registers_of(type)` registers with the number that `value`
/// holds, rounded to the nearest where the type is an integer. False, with `registers` untouched, when the type cannot
/// hold it (out of range, not a number, a string) or the span has another size.
bool encode(const Value& value, Type type, ByteOrder order, std::span<std::uint16_t> registers);

}  // namespace ferrule::drivers::modbus

// Registers and bits to values, and back.
#pragma once

#include <cstdint>
#include <span>

#include "drivers/reading.hpp"
#include "drivers/settings.hpp"

namespace ferrule::drivers::modbus {

/// Coils and discrete inputs are read bit by bit, the other two tables in registers of 16 bits.
constexpr bool is_bits(Table table) { return table == Table::Coil || table == Table::Discrete; }

/// Registers that the value itself fills in Table::Input and Table::Holding, at least 1.
std::uint16_t registers_of(const Encoding& encoding);

/// The largest count that an integer or BCD type (or bit field) holds; 0 for the others.
double largest_count(const Encoding& encoding);

/// The registers, or bits in the bit tables, that one read must hold to know a point's value.
struct Extent {
  std::uint16_t address = 0;
  std::uint32_t width = 1;  ///< `address + width` may exceed 65536 for settings that were not checked
};

/// From the value's first register to its last, and to its scale factor: a factor read at another time could be that of
/// another value.
Extent extent_of(const Encoding& encoding);

/// What a point's registers say. `value` is meaningful only when the quality is Good.
struct Decoded {
  Value value;
  Quality quality = Quality::Good;
  Failure failure = Failure::None;
};

/// Decodes the registers of a point's extent in host byte order, the first one as it came first on the wire.
///
/// Without scale, offset and scale factor integers stay exact: signed types become int64_t, unsigned and BCD ones
/// uint64_t. With any of them the result is `raw * 10^factor * scale + offset` as a double. A bool in registers is true
/// when they, or its bit, are not 0. A signed bit field's highest bit is its sign. A string ends at its first NUL and
/// loses the blanks at its end; what is not UTF-8 is read as ISO 8859-1.
/// Bad with Failure::Invalid are: a sentinel, NaN and the infinities (those that scaling makes too), a BCD digit above
/// 9, a scale factor beyond -10..10 (SunSpec: 0x8000 is "not implemented"), and a span of another size.
Decoded decode(std::span<const std::uint16_t> registers, const Encoding& encoding);

/// The value as a number before scale and offset, for comparing counts; NaN when it is none or is invalid.
double raw_number(std::span<const std::uint16_t> registers, const Encoding& encoding);

/// The inverse of decoding, without scale, offset and scale factor: puts the number or text that `value` holds into
/// `registers_of(encoding)` registers, rounded to the nearest where the type is an integer; bits that are not the
/// value's keep what they are. False, with `registers` untouched, when the type cannot hold it (out of range, not a
/// number, too long) or the span has another size.
bool encode(const Value& value, const Encoding& encoding, std::span<std::uint16_t> registers);

}  // namespace ferrule::drivers::modbus

// What vendors call the columns, tables, types and orders of their tables.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "drivers/settings.hpp"

namespace ferrule::drivers::modbus {

enum class Column : std::uint8_t {
  Name,
  Address,
  Register,  ///< the address or the table, whichever its cells are
  Table,
  Type,
  Size,  ///< in registers
  Unit,
  Scale,
  Gain,  ///< divides
  Offset,
  ByteOrder,
  Bit,
  Invalid,
  Access,
  Remark,
  None,
};

/// The letters and digits of a word, small: how words are compared.
std::string folded(std::string_view text);

Column column_of(std::string_view text);
std::optional<Table> table_of(std::string_view text);
/// Of a word without its width the type of one register, or the shortest.
std::optional<Type> type_of(std::string_view text);
std::string_view nearest_type(std::string_view text);  ///< for "did you mean"; may be empty
std::optional<std::string_view> byte_order_of(std::string_view text);

/// `0x9C40`, `9C40h`, `40000`; the first of `40000-40001`.
std::optional<std::uint32_t> number_of(std::string_view text);
/// `0.1`, `0,1`, `1/10`, `x0.1`.
std::optional<double> factor_of(std::string text);
/// A raw value of up to 64 bits as the configuration has it: `0x8000`, `8000h`, `-32768`.
std::optional<std::string> sentinel_of(std::string_view text);

}  // namespace ferrule::drivers::modbus

#include "drivers/modbus/write.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "drivers/modbus/decode.hpp"
#include "drivers/modbus/layout.hpp"
#include "drivers/modbus/planner.hpp"

namespace ferrule::drivers::modbus {

namespace {

using Pdu = std::vector<std::uint8_t>;
using Registers = std::array<std::uint16_t, kMaxRegisters>;

void put(Pdu& pdu, std::uint16_t word) {
  pdu.push_back(static_cast<std::uint8_t>(word >> 8));
  pdu.push_back(static_cast<std::uint8_t>(word));
}

bool is_partial(const Layout& layout) { return layout.kind != Kind::Text && layout.bits < 16 * layout.registers; }

std::optional<double> as_number(const Value& value) {
  return std::visit(
      [](const auto& held) -> std::optional<double> {
        if constexpr (std::is_arithmetic_v<std::decay_t<decltype(held)>>) return static_cast<double>(held);
        return std::nullopt;
      },
      value);
}

int factor_of(std::span<const std::uint16_t> registers, const Encoding& encoding) {
  if (!encoding.scale_factor) return 0;
  const auto word = registers[static_cast<std::size_t>(*encoding.scale_factor - extent_of(encoding).address)];
  return static_cast<std::int16_t>(swaps_bytes(encoding.byte_order) ? swapped(word) : word);
}

std::span<const std::uint16_t> own_registers(std::span<const std::uint16_t> registers, const Encoding& encoding) {
  return registers.subspan(static_cast<std::size_t>(encoding.address - extent_of(encoding).address),
                           registers_of(encoding));
}

tl::expected<Pdu, std::string> coil_pdu(const Value& value, const Encoding& encoding, std::uint8_t function) {
  const auto number = as_number(value);
  if (!number || (*number != 0 && *number != 1)) return tl::unexpected(std::string("a coil is true or false"));
  const bool on = *number != 0;
  Pdu pdu{function};
  put(pdu, encoding.address);
  if (function == kWriteSingleCoil) {
    put(pdu, on ? 0xFF00 : 0x0000);
  } else {
    put(pdu, 1);
    pdu.insert(pdu.end(), {1, static_cast<std::uint8_t>(on ? 1 : 0)});
  }
  return pdu;
}

Pdu registers_pdu(std::uint8_t function, std::uint16_t address, std::span<const std::uint16_t> registers) {
  const auto count = static_cast<std::uint16_t>(registers.size());
  Pdu pdu{function};
  put(pdu, address);
  if (function != kWriteSingleRegister) put(pdu, count);
  if (function == kReadWriteRegisters) {
    put(pdu, address);
    put(pdu, count);
  }
  if (function != kWriteSingleRegister) pdu.push_back(static_cast<std::uint8_t>(2 * count));
  for (const auto word : registers) put(pdu, word);
  return pdu;
}

}  // namespace

Value unscaled(const Value& value, const Encoding& encoding, int factor) {
  if (encoding.scale == 1 && encoding.offset == 0 && factor == 0) return value;
  const auto number = as_number(value);
  if (!number) return value;
  const double divisor = std::round(1 / encoding.scale);
  const bool divided = std::abs(encoding.scale) < 1 && 1 / divisor == encoding.scale;
  const double moved = *number - encoding.offset;
  const double raw = divided ? moved * divisor : moved / encoding.scale;
  return factor < 0 ? raw * std::pow(10, -factor) : raw / std::pow(10, factor);
}

std::vector<std::uint8_t> write_functions(const Encoding& encoding) {
  if (encoding.table == Table::Coil) return {kWriteSingleCoil, kWriteMultipleCoils};
  if (encoding.table != Table::Holding) return {};
  const auto layout = layout_of(encoding);
  if (layout.registers > 1) return {kWriteMultipleRegisters, kReadWriteRegisters};
  if (!is_partial(layout)) return {kWriteSingleRegister, kWriteMultipleRegisters, kReadWriteRegisters};
  return {kMaskWriteRegister, kWriteSingleRegister, kWriteMultipleRegisters, kReadWriteRegisters};
}

bool needs_registers(const Encoding& encoding, std::uint8_t function) {
  if (is_bits(encoding.table)) return false;
  return encoding.scale_factor.has_value() || (is_partial(layout_of(encoding)) && function != kMaskWriteRegister);
}

tl::expected<Pdu, std::string> write_pdu(const Value& value, const Encoding& encoding, std::uint8_t function,
                                         std::span<const std::uint16_t> registers) {
  if (is_bits(encoding.table)) return coil_pdu(value, encoding, function);
  Registers words{};
  const auto own = std::span(words).first(registers_of(encoding));
  if (!registers.empty()) std::ranges::copy(own_registers(registers, encoding), own.begin());
  const int factor = registers.empty() ? 0 : factor_of(registers, encoding);
  if (!encode(unscaled(value, encoding, factor), encoding, own)) {
    return tl::unexpected(std::string("the value does not fit into the point's type"));
  }
  if (function != kMaskWriteRegister) return registers_pdu(function, encoding.address, own);
  // Result = (current AND And_Mask) OR (Or_Mask AND NOT And_Mask), Modbus AP v1.1b3 6.16
  const auto layout = layout_of(encoding);
  Registers ones_there{};
  spread(ones(layout.bits) << layout.shift, encoding.byte_order, std::span(ones_there).first(1));
  Pdu pdu{function};
  put(pdu, encoding.address);
  put(pdu, static_cast<std::uint16_t>(~ones_there[0]));
  put(pdu, static_cast<std::uint16_t>(own[0] & ones_there[0]));
  return pdu;
}

Pdu write_echo(std::span<const std::uint8_t> pdu) {
  switch (pdu[0]) {
    case kWriteMultipleCoils:
    case kWriteMultipleRegisters:
      return {pdu.begin(), pdu.begin() + 5};
    case kReadWriteRegisters: {  // it reads what it wrote
      Pdu echo{kReadWriteRegisters};
      echo.insert(echo.end(), pdu.begin() + 9, pdu.end());
      return echo;
    }
    default:
      return {pdu.begin(), pdu.end()};
  }
}

bool holds(std::span<const std::uint16_t> registers, const Value& value, const Encoding& encoding) {
  const auto own = own_registers(registers, encoding);
  std::vector<std::uint16_t> wanted(own.begin(), own.end());
  return encode(unscaled(value, encoding, factor_of(registers, encoding)), encoding, wanted) &&
         std::ranges::equal(wanted, own);
}

}  // namespace ferrule::drivers::modbus

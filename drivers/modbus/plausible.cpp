#include "drivers/modbus/plausible.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "drivers/modbus/decode.hpp"

namespace ferrule::drivers::modbus {

namespace {

constexpr double kTiny = 1e-4;
constexpr double kHuge = 1e9;
constexpr double kHuge64 = 1e15;
constexpr std::size_t kLeastText = 4;

struct NamedType {
  Type type;
  std::string_view word;
};
// Widest last. One register has no order of registers, so only its integers are shown, and those always.
constexpr std::array kTypes{NamedType{Type::Uint16, "uint16"},   NamedType{Type::Int16, "int16"},
                            NamedType{Type::Float32, "float32"}, NamedType{Type::Uint32, "uint32"},
                            NamedType{Type::Int32, "int32"},     NamedType{Type::Float64, "float64"},
                            NamedType{Type::Uint64, "uint64"},   NamedType{Type::Int64, "int64"}};
struct NamedOrder {
  ByteOrder order;
  std::string_view word;
};
constexpr std::array kOrders{NamedOrder{ByteOrder::ABCD, "ABCD"}, NamedOrder{ByteOrder::CDAB, "CDAB"},
                             NamedOrder{ByteOrder::BADC, "BADC"}, NamedOrder{ByteOrder::DCBA, "DCBA"}};

double as_double(const Value& value) {
  return std::visit(
      [](const auto& held) -> double {
        if constexpr (std::is_arithmetic_v<std::decay_t<decltype(held)>>) return static_cast<double>(held);
        return 0;
      },
      value);
}

std::string text_of(const Value& value, Type type) {
  if (type == Type::Float32) return fmt::format("{}", static_cast<float>(std::get<double>(value)));
  return std::visit([](const auto& held) { return fmt::format("{}", held); }, value);
}

bool is_real(Type type) { return type == Type::Float32 || type == Type::Float64; }

bool is_likely(const Value& value, Type type, ByteOrder order, std::uint16_t registers) {
  if (registers == 1) return type == Type::Uint16 || as_double(value) < 0;  // else it says the same as uint16
  const double magnitude = std::abs(as_double(value));
  if (is_real(type)) return magnitude >= kTiny && magnitude <= kHuge;
  const bool is_signed = std::holds_alternative<std::int64_t>(value);
  if (is_signed && as_double(value) >= 0) return false;  // the unsigned type says the same
  // Small numbers are common where a counter has not counted much; in the rarer orders of bytes they are chance.
  const bool common = order == ByteOrder::ABCD || order == ByteOrder::CDAB;
  return magnitude >= (common ? 1 : 65536) && magnitude <= (registers == 4 ? kHuge64 : kHuge);
}

void guess_numbers(std::span<const std::uint16_t> registers, Encoding encoding, std::vector<Guess>& found) {
  for (const auto& [type, type_word] : kTypes) {
    encoding.type = type;
    const auto width = registers_of(encoding);
    if (width > registers.size()) continue;
    for (const auto& [order, order_word] : kOrders) {
      encoding.byte_order = order;
      if (width == 1 && order != ByteOrder::ABCD) break;
      const auto decoded = decode(registers.first(width), encoding);
      if (decoded.quality != Quality::Good || !is_likely(decoded.value, type, order, width)) continue;
      const auto named_order = width == 1 ? "" : fmt::format(", byte_order: {}", order_word);
      found.push_back({fmt::format("{{register: {}, address: {}, type: {}{}}}", word_of(encoding.table),
                                   encoding.address, type_word, named_order),
                       text_of(decoded.value, type)});
    }
  }
}

bool is_printable(std::uint16_t word) {
  const auto printable = [](int byte) { return byte >= 0x20 && byte < 0x7F; };
  return printable(word >> 8) && printable(word & 0xFF);
}

// A text is shown where it begins, in whole.
void guess_text(std::span<const std::uint16_t> registers, std::size_t at, Encoding encoding,
                std::vector<Guess>& found) {
  if (at > 0 && is_printable(registers[at - 1])) return;
  std::size_t end = at;
  while (end < registers.size() && is_printable(registers[end])) ++end;
  const bool half = end < registers.size() && registers[end] >> 8 >= 0x20 && registers[end] >> 8 < 0x7F &&
                    (registers[end] & 0xFF) == 0;
  const auto length = 2 * (end - at) + (half ? 1 : 0);
  if (length < kLeastText) return;
  encoding.type = Type::String;
  encoding.length = static_cast<std::uint16_t>(length);
  const auto decoded = decode(registers.subspan(at, registers_of(encoding)), encoding);
  found.push_back({fmt::format("{{register: {}, address: {}, type: string, length: {}}}", word_of(encoding.table),
                               encoding.address, length),
                   std::get<std::string>(decoded.value)});
}

}  // namespace

std::string_view word_of(Table table) {
  switch (table) {
    case Table::Coil:
      return "coil";
    case Table::Discrete:
      return "discrete";
    case Table::Input:
      return "input";
    case Table::Holding:
      return "holding";
  }
  return "holding";
}

std::vector<Guess> guesses(std::span<const std::uint16_t> registers, Table table, std::uint16_t address) {
  std::vector<Guess> found;
  for (std::size_t at = 0; at < registers.size(); ++at) {
    Encoding encoding;
    encoding.table = table;
    encoding.address = static_cast<std::uint16_t>(address + at);
    guess_numbers(registers.subspan(at), encoding, found);
    guess_text(registers, at, encoding, found);
  }
  return found;
}

}  // namespace ferrule::drivers::modbus

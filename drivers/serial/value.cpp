#include "drivers/serial/value.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <span>
#include <vector>

#include "config/text.hpp"
#include "drivers/modbus/layout.hpp"

namespace ferrule::drivers::serial {

namespace {

using modbus::Decoded;
using modbus::Kind;

constexpr std::string_view kBlanks(" \t\r\n\0", 5);

Decoded invalid() { return {false, Quality::Bad, Failure::Invalid}; }

template <class T, class... Base>
std::optional<Value> whole_number(std::string_view text, Base... base) {
  T number{};
  const auto* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number, base...);
  if (error != std::errc{} || rest != end) return std::nullopt;
  return Value(number);
}

std::optional<Value> integer(std::string_view text, bool is_signed, bool hex) {
  if (hex && (text.starts_with("0x") || text.starts_with("0X"))) text.remove_prefix(2);
  const int base = hex ? 16 : 10;
  // Hexadecimal digits are the bits of a number, as are its bytes.
  if (is_signed && !hex) return whole_number<std::int64_t>(text, base);
  return whole_number<std::uint64_t>(text, base);
}

// A sign may stand apart from its number, as scales print it, and be a plus, which from_chars does not know.
class Number {
 public:
  Number(std::string_view text, bool comma) {
    if (text.size() > digits_.size()) return;
    const bool negative = text.starts_with('-');
    if (negative) digits_[size_++] = '-';
    if (negative || text.starts_with('+')) text = config::trimmed(text.substr(1), kBlanks);
    if (text.starts_with('-')) text = {};
    for (const char c : text) digits_[size_++] = comma && c == ',' ? '.' : c;
  }
  std::string_view text() const { return {digits_.data(), size_}; }  ///< empty: too long to be a number

 private:
  std::array<char, 64> digits_{};
  std::size_t size_ = 0;
};

std::optional<Value> boolean(std::string_view text) {
  constexpr std::array<std::string_view, 4> kYes{"1", "true", "on", "yes"};
  constexpr std::array<std::string_view, 4> kNo{"0", "false", "off", "no"};
  const auto is_it = [text](std::string_view word) { return config::same_word(text, word); };
  if (std::ranges::any_of(kYes, is_it)) return true;
  if (std::ranges::any_of(kNo, is_it)) return false;
  return std::nullopt;
}

Decoded text_of(std::string_view bytes, Encoding encoding) {
  encoding.packing = Packing::Two;
  encoding.byte_order = ByteOrder::ABCD;
  encoding.length = static_cast<std::uint16_t>(bytes.size());
  std::vector<std::uint16_t> registers(modbus::layout_of(encoding).registers);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = static_cast<std::uint16_t>(static_cast<std::uint8_t>(bytes[i]));
    registers[i / 2] = static_cast<std::uint16_t>(registers[i / 2] | (i % 2 == 0 ? byte << 8 : byte));
  }
  return modbus::decode(registers, encoding);
}

}  // namespace

Decoded decode_text(std::string_view text, const Encoding& encoding, bool comma, bool hex) {
  text = config::trimmed(text, kBlanks);
  if (text.empty()) return invalid();
  const auto layout = modbus::layout_of(encoding);
  if (layout.kind == Kind::Text) return text_of(text, encoding);
  const Number number(text, comma);
  std::optional<Value> value;
  switch (layout.kind) {
    case Kind::Boolean:
      value = boolean(text);
      break;
    case Kind::Real:
      value = whole_number<double>(number.text());
      break;
    default:
      value = integer(number.text(), layout.kind == Kind::Signed, hex);
      break;
  }
  if (!value) return invalid();
  // Through the type's own bits: they tell whether it can hold the number, and which one is a sentinel.
  std::array<std::uint16_t, 4> registers{};
  const auto used = std::span(registers).first(layout.registers);
  auto written = encoding;
  if (hex && layout.kind == Kind::Signed) {
    auto bits = encoding;
    bits.type = encoding.type == Type::Int8    ? Type::Uint8
                : encoding.type == Type::Int16 ? Type::Uint16
                : encoding.type == Type::Int32 ? Type::Uint32
                                               : Type::Uint64;
    written = bits;
  }
  if (!modbus::encode(*value, written, used)) return invalid();
  return modbus::decode(used, encoding);
}

std::size_t size_of(const Encoding& encoding) {
  switch (encoding.type) {
    case Type::Bool:
    case Type::Int8:
    case Type::Uint8:
      return 1;
    case Type::String:
      return encoding.length;
    default:
      return 2U * modbus::layout_of(encoding).registers;
  }
}

Decoded decode_bytes(std::string_view bytes, const Encoding& encoding) {
  if (bytes.size() != size_of(encoding)) return invalid();
  if (encoding.type == Type::String) return text_of(bytes, encoding);
  std::array<std::uint16_t, 4> registers{};
  const auto used = std::span(registers).first(modbus::layout_of(encoding).registers);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = static_cast<std::uint16_t>(static_cast<std::uint8_t>(bytes[i]));
    const bool high = bytes.size() > 1 && i % 2 == 0;
    used[i / 2] = static_cast<std::uint16_t>(used[i / 2] | (high ? byte << 8 : byte));
  }
  return modbus::decode(used, encoding);
}

}  // namespace ferrule::drivers::serial

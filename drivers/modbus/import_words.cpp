#include "drivers/modbus/import_words.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <vector>

#include "config/node.hpp"
#include "drivers/modbus/import.hpp"

namespace ferrule::drivers::modbus {

namespace {

/// A meaning and all its words, folded.
template <class T>
struct Words {
  T value;
  std::string_view words;
};

constexpr std::array kColumns{
    Words<Column>{Column::Name, "name parameter point tag signal signalname variable measurement quantity"},
    Words<Column>{Column::Address, "address addr registeraddress modbusaddress registernumber start"},
    Words<Column>{Column::Register, "register"},
    Words<Column>{Column::Table, "table registertype area function functioncode functioncodes fc"},
    Words<Column>{Column::Type, "type datatype format dataformat"},
    Words<Column>{Column::Size, "size length words registers count numberofregisters"},
    Words<Column>{Column::Unit, "unit units uom"},
    Words<Column>{Column::Scale, "scale scaling factor multiplier resolution"},
    Words<Column>{Column::Gain, "gain divisor divider"},
    Words<Column>{Column::Offset, "offset"},
    Words<Column>{Column::ByteOrder, "byteorder wordorder endianness"},
    Words<Column>{Column::Bit, "bit"},
    Words<Column>{Column::Invalid, "invalid nan notavailable"},
    Words<Column>{Column::Access, "access rw readwrite"},
    Words<Column>{Column::Remark, "description comment remark remarks note notes"},
};

constexpr std::array kTableWords{
    Words<Table>{Table::Coil, "coil coils 0x 1 01 0x01 fc1 fc01"},
    Words<Table>{Table::Discrete, "discrete discreteinput discreteinputs 1x 2 02 0x02 fc2 fc02"},
    Words<Table>{Table::Input, "input inputregister inputregisters ir 3x 4 04 0x04 fc4 fc04"},
    Words<Table>{Table::Holding, "holding holdingregister holdingregisters hr 4x 3 03 0x03 fc3 fc03"},
};

constexpr std::array kTypeWords{
    Words<Type>{Type::Bool, "bool boolean bit"},
    Words<Type>{Type::Int8, "int8 s8 i8"},
    Words<Type>{Type::Uint8, "uint8 u8 byte"},
    Words<Type>{Type::Int16, "int16 s16 i16 sint16 signed16 short smallint int signed integer sint"},
    Words<Type>{Type::Uint16, "uint16 u16 unsigned16 word ushort unsigned uint"},
    Words<Type>{Type::Int32, "int32 s32 i32 sint32 signed32 dint long"},
    Words<Type>{Type::Uint32, "uint32 u32 unsigned32 dword udint ulong"},
    Words<Type>{Type::Int64, "int64 s64 i64 signed64"},
    Words<Type>{Type::Uint64, "uint64 u64 unsigned64"},
    Words<Type>{Type::Float16, "float16"},
    Words<Type>{Type::Float32, "float32 float f32 real single ieee754"},
    Words<Type>{Type::Float64, "float64 f64 double lreal"},
    Words<Type>{Type::Bcd16, "bcd16"},
    Words<Type>{Type::Bcd32, "bcd32"},
    Words<Type>{Type::String, "string str ascii char text"},
};

constexpr std::array kOrderWords{
    Words<std::string_view>{"ABCD", "abcd big bigendian mswfirst highwordfirst"},
    Words<std::string_view>{"BADC", "badc"},
    Words<std::string_view>{"CDAB", "cdab lswfirst lowwordfirst wordswap wordswapped"},
    Words<std::string_view>{"DCBA", "dcba little littleendian"},
};

template <class Visit>
void each_word(std::string_view words, const Visit& visit) {
  while (!words.empty()) {
    const auto end = std::min(words.find(' '), words.size());
    visit(words.substr(0, end));
    words.remove_prefix(std::min(end + 1, words.size()));
  }
}

template <class T, std::size_t N>
std::optional<T> meaning_of(std::string_view text, const std::array<Words<T>, N>& meanings) {
  const auto wanted = folded(text);
  std::optional<T> found;
  for (const auto& meaning : meanings) {
    each_word(meaning.words, [&](std::string_view word) {
      if (word == wanted) found = meaning.value;
    });
  }
  return found;
}

std::optional<double> decimal(std::string_view word) {
  double value = 0;
  const auto* end = word.data() + word.size();
  const auto [rest, error] = std::from_chars(word.data(), end, value);
  const bool good = error == std::errc{} && rest == end && std::isfinite(value);
  return good ? std::optional(value) : std::nullopt;
}

}  // namespace

std::string folded(std::string_view text) {
  auto name = as_name(text);
  std::erase(name, '_');
  return name;
}

Column column_of(std::string_view text) { return meaning_of(text, kColumns).value_or(Column::None); }
std::optional<Table> table_of(std::string_view text) { return meaning_of(text, kTableWords); }
std::optional<Type> type_of(std::string_view text) { return meaning_of(text, kTypeWords); }
std::optional<std::string_view> byte_order_of(std::string_view text) { return meaning_of(text, kOrderWords); }

std::string_view nearest_type(std::string_view text) {
  std::vector<std::string_view> known;
  for (const auto& meaning : kTypeWords) {
    each_word(meaning.words, [&](std::string_view word) { known.push_back(word); });
  }
  return config::nearest(folded(text), known);
}

std::optional<std::uint32_t> number_of(std::string_view text) {
  const bool prefixed = text.starts_with("0x") || text.starts_with("0X");
  const bool suffixed = !prefixed && (text.ends_with('h') || text.ends_with('H'));
  if (prefixed) text.remove_prefix(2);
  if (suffixed) text.remove_suffix(1);
  std::uint32_t number = 0;
  const auto* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number, prefixed || suffixed ? 16 : 10);
  if (error != std::errc{}) return std::nullopt;
  const std::string_view behind(rest, static_cast<std::size_t>(end - rest));
  const bool range = behind.starts_with('-') && behind.find_first_not_of("-0123456789") == std::string_view::npos;
  return behind.empty() || range ? std::optional(number) : std::nullopt;
}

std::optional<std::string> sentinel_of(std::string_view text) {
  constexpr std::string_view kHexadecimal = "0123456789abcdefABCDEF";
  constexpr std::string_view kDecimal = kHexadecimal.substr(0, 10);
  const auto only = [](std::string_view digits, std::string_view known, std::size_t most) {
    return !digits.empty() && digits.size() <= most && digits.find_first_not_of(known) == std::string_view::npos;
  };
  const bool prefixed = text.starts_with("0x") || text.starts_with("0X");
  const bool suffixed = text.ends_with('h') || text.ends_with('H');
  if (prefixed || suffixed) {
    const auto digits = prefixed ? text.substr(2) : text.substr(0, text.size() - 1);
    return only(digits, kHexadecimal, 16) ? std::optional("0x" + std::string(digits)) : std::nullopt;
  }
  const auto digits = text.substr(text.starts_with('-') ? 1 : 0);
  return only(digits, kDecimal, 18) ? std::optional(std::string(text)) : std::nullopt;
}

std::optional<double> factor_of(std::string text) {
  std::ranges::replace(text, ',', '.');
  if (text.starts_with('x') || text.starts_with('*')) text.erase(0, 1);
  const auto slash = text.find('/');
  if (slash == std::string::npos) return decimal(text);
  const auto above = decimal(std::string_view(text).substr(0, slash));
  const auto below = decimal(std::string_view(text).substr(slash + 1));
  if (!above || !below || *below == 0) return std::nullopt;
  return *above / *below;
}

}  // namespace ferrule::drivers::modbus

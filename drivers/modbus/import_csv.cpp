#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "config/quote.hpp"
#include "config/utf8.hpp"
#include "drivers/modbus/csv.hpp"
#include "drivers/modbus/decode.hpp"
#include "drivers/modbus/import.hpp"
#include "drivers/modbus/import_words.hpp"
#include "drivers/settings_points.hpp"

namespace ferrule::drivers::modbus {

namespace {

constexpr std::array<std::string_view, 4> kTableNames{"coil", "discrete", "input", "holding"};

class Importer {
 public:
  Importer(const CsvTable& table, const std::string& file, const CsvOptions& options)
      : table_(table), file_(file), options_(options) {}

  tl::expected<ImportedTemplate, std::vector<config::Mistake>> import() {
    for (auto mistake : table_.mistakes) complain(mistake.where.line, mistake.where.column, mistake.message);
    const auto header = find_header();
    if (mistakes_.empty() && header == table_.records.size()) {
      complain(0, 0,
               "has no row that names the columns: an address and a type at least (docs/templates.md has the names)");
    }
    if (mistakes_.empty()) check_columns(table_.records[header]);
    if (mistakes_.empty()) {
      for (auto row = header + 1; row < table_.records.size(); ++row) read_row(table_.records[row]);
      if (mistakes_.empty() && imported_.points.empty()) complain(0, 0, "has no row with an address");
    }
    if (!mistakes_.empty()) return tl::unexpected(std::move(mistakes_));
    head();
    return std::move(imported_);
  }

 private:
  bool has(Column column) const { return std::ranges::find(columns_, column) != columns_.end(); }

  // The first of the first rows that names an address; a vendor's title may stand above it.
  std::size_t find_header() {
    constexpr std::size_t kLook = 20;
    for (std::size_t row = 0; row < std::min(kLook, table_.records.size()); ++row) {
      columns_.clear();
      for (const auto& field : table_.records[row].fields) {
        const auto column = column_of(field.text);
        columns_.push_back(column != Column::None && has(column) ? Column::None : column);
      }
      if (!has(Column::Address)) use_as_address(row);
      if (has(Column::Address) && has(Column::Type)) return row;
    }
    return table_.records.size();
  }

  // `register` is the address where its cells are numbers; `offset` is where nothing else can be.
  void use_as_address(std::size_t row) {
    const auto as = [&](Column column, Column meant) { std::ranges::replace(columns_, column, meant); };
    if (has(Column::Register)) {
      std::string below;
      for (auto next = row + 1; next < table_.records.size() && below.empty(); ++next) {
        below = cell(table_.records[next], Column::Register).text;
      }
      as(Column::Register, number_of(below) ? Column::Address : Column::Table);
    }
    if (!has(Column::Address)) as(Column::Offset, Column::Address);
  }

  void check_columns(const CsvRecord& header) {
    std::ranges::replace(columns_, Column::Register, Column::Table);  // beside a column for the address
    if (!has(Column::Table) && options_.table.empty() && options_.numbering != Numbering::Modicon) {
      complain(header.line, header.fields.front().column,
               "no column says which table the registers are in (say it: --table holding, or --numbering modicon)");
    }
  }

  static CsvField cell_at(const CsvRecord& row, std::size_t column) {
    return column < row.fields.size() ? row.fields[column] : CsvField{{}, row.fields.back().column};
  }
  CsvField cell(const CsvRecord& row, Column column) const {
    const auto place = std::ranges::find(columns_, column) - columns_.begin();
    return has(column) ? cell_at(row, static_cast<std::size_t>(place)) : CsvField{{}, row.fields.front().column};
  }

  void complain(int line, int column, std::string message) {
    const bool shown = line > 0 && static_cast<std::size_t>(line) <= table_.lines.size();
    mistakes_.push_back({{file_, line, column},
                         {},
                         std::move(message),
                         shown ? std::string(table_.lines[static_cast<std::size_t>(line) - 1]) : std::string{}});
  }
  void complain(const CsvRecord& row, const CsvField& field, std::string message) {
    complain(row.line, field.column, std::move(message));
  }

  void read_row(const CsvRecord& row) {
    if (cell(row, Column::Address).text.empty()) return;  // a heading between the rows
    const auto before = mistakes_.size();
    PointSettings point;
    ImportedPoint imported;
    const auto number = read_address(row, point);
    read_type(row, point);
    if (mistakes_.size() != before) return;
    imported.keys = {{"register", std::string(kTableNames[static_cast<std::size_t>(point.table)])},
                     {"address", fmt::format("{}", number)}};
    add_type(row, point, imported.keys);
    add_numbers(row, imported.keys);
    add_words(row, imported.keys);
    imported.name = as_name(cell(row, Column::Name).text);
    if (imported.name.empty()) imported.name = fmt::format("register_{}", number);
    imported.remark = remark_of(row);
    imported_.points.push_back(std::move(imported));
  }

  // The number as the template will have it.
  std::uint32_t read_address(const CsvRecord& row, PointSettings& point) {
    const auto field = cell(row, Column::Address);
    const auto number = number_of(field.text);
    if (!number) {
      complain(row, field, fmt::format("must be an address such as 3000, 0xBB8 or BB8h, is \"{}\"", field.text));
      return 0;
    }
    if (options_.numbering == Numbering::Modicon) return read_modicon(row, field, *number, point);
    read_table(row, point);
    const std::uint32_t first = options_.numbering == Numbering::One ? 1 : 0;
    if (*number < first || *number > 65535 + first) {
      complain(row, field,
               fmt::format("is beyond the addresses, {} to {}{}", first, 65535 + first,
                           *number > 65536 ? " (is it one like 400001? --numbering modicon)" : ""));
    }
    return *number;
  }

  std::uint32_t read_modicon(const CsvRecord& row, const CsvField& field, std::uint32_t number, PointSettings& point) {
    constexpr std::array kByDigit{Table::Coil, Table::Discrete, Table::Coil, Table::Input, Table::Holding};
    const std::uint32_t unit = number >= 100'000 ? 100'000 : 10'000;
    const auto digit = number / unit;
    const auto rest = number % unit;
    const bool whole = field.text.size() >= 5;  // a coil is 00001
    if (!whole || digit > 4 || digit == 2 || rest == 0 || rest > 65536) {
      complain(row, field, "is no number such as 40001, 300001 or 00001, whose first digit says the table");
      return 0;
    }
    point.table = kByDigit[digit];
    return rest - 1;
  }

  void read_table(const CsvRecord& row, PointSettings& point) {
    auto field = cell(row, Column::Table);
    if (field.text.empty()) field.text = options_.table;
    // Some list all functions that there are for a register, reading ones first.
    const auto word = std::string_view(field.text).substr(0, field.text.find_first_of(",/; "));
    const auto table = table_of(field.text);
    const auto found = table ? table : table_of(word);
    if (!found) {
      return complain(row, field,
                      fmt::format("must say which table: coil, discrete, input, holding, or a function code, is \"{}\"",
                                  field.text));
    }
    point.table = *found;
  }

  void read_type(const CsvRecord& row, PointSettings& point) {
    const auto field = cell(row, Column::Type);
    const auto word = folded(field.text);
    const auto digits = word.find_last_not_of("0123456789") + 1;
    auto type = type_of(field.text);
    if (!type && type_of(word.substr(0, digits)) == Type::String) {
      type = Type::String;
      std::from_chars(word.data() + digits, word.data() + word.size(), point.length);
    }
    if (is_bits(point.table) && word.empty()) type = Type::Bool;
    if (!type) {
      const auto near = nearest_type(field.text);
      return complain(row, field,
                      fmt::format("is no type that is known: \"{}\"{}", field.text,
                                  near.empty() ? "" : fmt::format(" (did you mean {}?)", near)));
    }
    point.type = *type;
    fit_size(row, point);
  }

  // `signed` and two registers are an int32; `string` and eight have 16 characters.
  void fit_size(const CsvRecord& row, PointSettings& point) {
    const auto field = cell(row, Column::Size);
    const auto size = number_of(field.text);
    if (!field.text.empty() && !size) {
      return complain(row, field, fmt::format("must be a number of registers, is \"{}\"", field.text));
    }
    if (point.type == Type::String) {
      constexpr std::uint32_t kMost = 125;  // that one read may ask for
      if (point.length == 0) point.length = static_cast<std::uint16_t>(2 * std::min(size.value_or(0), kMost));
      if (point.length == 0) complain(row, field, "a string needs its size, in registers");
      return;
    }
    if (!size || is_bits(point.table) || point.type == Type::Bool) return;
    const auto word = folded(cell(row, Column::Type).text);
    const bool open = word.find_first_of("0123456789") == std::string::npos;
    if (open && point.type == Type::Int16)
      point.type = *size == 2 ? Type::Int32 : *size == 4 ? Type::Int64 : point.type;
    if (open && point.type == Type::Uint16)
      point.type = *size == 2 ? Type::Uint32 : *size == 4 ? Type::Uint64 : point.type;
    if (open && point.type == Type::Float32 && *size == 4) point.type = Type::Float64;
    if (const auto width = registers_of(point); width != *size) {
      complain(row, field,
               fmt::format("{} fills {} register{}, not {}", word_of(point.type, kTypes), width, width == 1 ? "" : "s",
                           *size));
    }
  }

  void add_type(const CsvRecord& row, const PointSettings& point, ImportedKeys& keys) {
    if (is_bits(point.table)) return;
    keys.emplace_back("type", word_of(point.type, kTypes));
    if (point.type == Type::String) keys.emplace_back("length", fmt::format("{}", point.length));
    const auto order = cell(row, Column::ByteOrder);
    if (!order.text.empty()) {
      const auto meant = byte_order_of(order.text);
      if (!meant) complain(row, order, fmt::format("must be ABCD, BADC, CDAB or DCBA, is \"{}\"", order.text));
      if (meant) keys.emplace_back("byte_order", *meant);
    }
    const auto bit = cell(row, Column::Bit);
    if (bit.text.empty() || bit.text == "-") return;
    const auto number = number_of(bit.text);
    if (!number) return complain(row, bit, fmt::format("must be the number of a bit, is \"{}\"", bit.text));
    keys.emplace_back("bit", fmt::format("{}", *number));
  }

  std::optional<double> factor(const CsvRecord& row, Column column) {
    const auto field = cell(row, column);
    if (field.text.empty() || field.text == "-") return std::nullopt;
    const auto value = factor_of(field.text);
    if (!value) complain(row, field, fmt::format("must be a number such as 0.1 or 1/10, is \"{}\"", field.text));
    return value;
  }

  void add_numbers(const CsvRecord& row, ImportedKeys& keys) {
    auto scale = factor(row, Column::Scale).value_or(1);
    const auto gain = factor(row, Column::Gain).value_or(1);
    if (scale == 0 || gain == 0)
      complain(row, cell(row, scale == 0 ? Column::Scale : Column::Gain), "0 would make every value the same");
    if (gain != 0) scale /= gain;
    if (scale != 1) keys.emplace_back("scale", fmt::format("{:.12g}", scale));
    const auto offset = factor(row, Column::Offset).value_or(0);
    if (offset != 0) keys.emplace_back("offset", fmt::format("{:.12g}", offset));
    const auto invalid = cell(row, Column::Invalid);
    if (invalid.text.empty() || invalid.text == "-") return;
    const auto sentinel = sentinel_of(invalid.text);
    if (!sentinel) {
      return complain(row, invalid, fmt::format("must be a raw value such as 0x8000, is \"{}\"", invalid.text));
    }
    keys.emplace_back("invalid", *sentinel);
  }

  void add_words(const CsvRecord& row, ImportedKeys& keys) {
    const auto unit = cell(row, Column::Unit).text;
    if (!unit.empty() && unit != "-") keys.emplace_back("unit", config::as_word(config::printable(unit)));
  }

  std::string remark_of(const CsvRecord& row) const {
    auto remark = cell(row, Column::Remark).text;
    const auto access = as_name(cell(row, Column::Access).text);
    if (access.find('w') != std::string::npos) remark += remark.empty() ? "can be written" : ", can be written";
    return remark;
  }

  void head() {
    imported_.heading.push_back(fmt::format("Made of {}. Compare each point with the device.", file_));
    if (options_.numbering == Numbering::One) imported_.keys.emplace_back("address_base", "1");
    if (!options_.byte_order.empty()) imported_.keys.emplace_back("byte_order", options_.byte_order);
  }

  const CsvTable& table_;
  const std::string& file_;
  const CsvOptions& options_;
  std::vector<Column> columns_;
  ImportedTemplate imported_;
  std::vector<config::Mistake> mistakes_;
};

}  // namespace

tl::expected<ImportedTemplate, std::vector<config::Mistake>> import_csv(std::string text, const std::string& file,
                                                                        const CsvOptions& options) {
  const auto fails = [&](std::string message) {
    return tl::unexpected(std::vector<config::Mistake>{{{file, 0, 0}, {}, std::move(message), {}}});
  };
  if (text.find('\0') != std::string::npos) return fails("is not a text file in UTF-8 or ISO 8859-1");
  constexpr std::string_view kMark = "\xEF\xBB\xBF";  // UTF-8's byte order mark
  if (text.starts_with(kMark)) text.erase(0, kMark.size());
  if (config::first_invalid_utf8(text) != std::string_view::npos) text = config::from_latin1(text);
  const auto table = read_csv(text);
  return Importer(table, file, options).import();
}

}  // namespace ferrule::drivers::modbus

#include "drivers/modbus/csv.hpp"

#include <algorithm>

#include "config/text.hpp"
#include "config/utf8.hpp"

namespace ferrule::drivers::modbus {

namespace {

constexpr std::size_t kMaxRecords = 20'000;
constexpr std::size_t kMaxFields = 500;
constexpr std::string_view kBlanks = " \t\r\n";
std::size_t count_unquoted(std::string_view text, char wanted) {
  std::size_t count = 0;
  bool quoted = false;
  for (const char c : text) {
    if (c == '"') quoted = !quoted;
    count += !quoted && c == wanted ? 1 : 0;
  }
  return count;
}

// A table has three columns at least; commas may be those of decimals.
char separator_of(std::string_view text, std::size_t lines) {
  for (const char separator : {'\t', ';'}) {
    if (count_unquoted(text, separator) >= 2 * lines) return separator;
  }
  return ',';
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {
    table_.lines = lines_of(text);
    table_.separator = separator_of(text, table_.lines.size());
  }

  CsvTable read() {
    while (at_ < text_.size() && table_.mistakes.empty()) {
      if (table_.records.size() == kMaxRecords) {
        mistake(at_, "is a row too many: 20000 are the most");
        break;
      }
      auto record = read_record();
      const bool empty = std::ranges::all_of(record.fields, [](const auto& field) { return field.text.empty(); });
      if (!empty && !record.fields.front().text.starts_with('#')) table_.records.push_back(std::move(record));
    }
    return std::move(table_);
  }

 private:
  CsvRecord read_record() {
    CsvRecord record{line_, {}};
    while (table_.mistakes.empty()) {
      record.fields.push_back(read_field());
      if (at_ >= text_.size()) break;
      const char end = text_[at_++];
      if (end == '\n') {
        next_line();
        break;
      }
      if (record.fields.size() == kMaxFields) mistake(at_, "is a column too many: 500 are the most");
    }
    return record;
  }

  // Up to its separator or the end of the line, which stays.
  CsvField read_field() {
    const auto begin = std::min(text_.find_first_not_of(" ", at_), text_.size());
    CsvField field{{}, column(begin)};
    if (begin < text_.size() && text_[begin] == '"') return read_quoted(begin);
    const auto end = std::min(text_.find_first_of(std::string{table_.separator, '\n'}, at_), text_.size());
    field.text = config::trimmed(text_.substr(at_, end - at_), kBlanks);
    at_ = end;
    return field;
  }

  CsvField read_quoted(std::size_t quote) {
    CsvField field{{}, column(quote)};
    const auto line = line_;
    for (at_ = quote + 1; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '"' && text_.substr(at_ + 1, 1) != "\"") break;
      if (c == '"') ++at_;
      if (c == '\n') next_line(at_ + 1);
      field.text += c == '\n' || c == '\r' ? ' ' : c;
    }
    if (at_ >= text_.size()) {
      table_.mistakes.push_back({{{}, line, field.column}, {}, "this quote is never closed", {}});
      return field;
    }
    const auto end = std::min(text_.find_first_of(std::string{table_.separator, '\n'}, at_), text_.size());
    if (!config::trimmed(text_.substr(at_ + 1, end - at_ - 1), kBlanks).empty())
      mistake(at_ + 1, "is behind the closing quote");
    at_ = end;
    field.text = std::string(config::trimmed(field.text, kBlanks));
    return field;
  }

  void next_line() { next_line(at_); }
  void next_line(std::size_t begin) {
    ++line_;
    line_begin_ = begin;
  }

  int column(std::size_t at) const {
    return static_cast<int>(config::count_characters(text_.substr(line_begin_, at - line_begin_))) + 1;
  }

  void mistake(std::size_t at, std::string message) {
    table_.mistakes.push_back({{{}, line_, column(std::min(at, text_.size()))}, {}, std::move(message), {}});
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int line_ = 1;
  std::size_t line_begin_ = 0;
  CsvTable table_;
};

}  // namespace

CsvTable read_csv(std::string_view text) { return Reader(text).read(); }

}  // namespace ferrule::drivers::modbus

// Tables as spreadsheets save them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/error.hpp"

namespace ferrule::drivers::modbus {

/// Fields between separators (RFC 4180), with their places.
struct CsvField {
  std::string text;  ///< without quotes and the blanks around it
  int column = 0;    ///< of its first character, from 1
};

struct CsvRecord {
  int line = 0;  ///< in which it begins, from 1
  std::vector<CsvField> fields;
};

struct CsvTable {
  char separator = ',';
  std::vector<CsvRecord> records;         ///< without those that are empty or begin with #
  std::vector<std::string_view> lines;    ///< of the text
  std::vector<config::Mistake> mistakes;  ///< without a file: the table ends before the first
};

/// Reads UTF-8. The separator is a tab or a semicolon where each line has two or more of them, else a comma. What is in
/// quotes may have line feeds.
CsvTable read_csv(std::string_view text);

}  // namespace ferrule::drivers::modbus

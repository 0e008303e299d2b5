// Templates made of the tables that vendors give.
#pragma once

#include <filesystem>
#include <string>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "config/error.hpp"
#include "drivers/settings.hpp"

namespace ferrule::drivers::modbus {

/// Keys and their values as they stand in YAML, in the order in which they are written.
using ImportedKeys = std::vector<std::pair<std::string, std::string>>;

struct ImportedPoint {
  std::string name;
  ImportedKeys keys;
  std::string remark;  ///< for people
};

struct ImportedTemplate {
  std::vector<std::string> heading;  ///< for people
  ImportedKeys keys;                 ///< of the device
  std::vector<ImportedPoint> points;
};

/// The text of a template. Points with the same name get a number behind it: `power_2`.
std::string as_yaml(ImportedTemplate imported);

/// `text` as a name: small letters, digits and `_`; empty when nothing of it is left.
std::string as_name(std::string_view text);

/// What the numbers in an address column are.
enum class Numbering : std::uint8_t {
  Wire,     ///< as on the wire, from 0
  One,      ///< from 1
  Modicon,  ///< 40001 or 400001: the table, and a number from 1
};

struct CsvOptions {
  Numbering numbering = Numbering::Wire;
  std::string table;       ///< word of the table where no column says it
  std::string byte_order;  ///< word of it; empty: the device's default
};

/// A point for each row of a table (CSV) that has an address; docs/templates.md has the columns. All mistakes at once.
tl::expected<ImportedTemplate, std::vector<config::Mistake>> import_csv(std::string text, const std::string& file,
                                                                        const CsvOptions& options);

struct SunspecModel {
  std::filesystem::path file;  ///< in the JSON of github.com/sunspec/models
  std::uint16_t address = 0;   ///< of its ID, as on the wire
};

/// A point for each of the models', without their headers and scale factors. A group that may be there several times is
/// taken `repeat` times. Throws config::Error.
ImportedTemplate import_sunspec(const std::vector<SunspecModel>& models, int repeat);

}  // namespace ferrule::drivers::modbus

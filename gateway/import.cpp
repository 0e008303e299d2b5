#include "gateway/import.hpp"

#include <fmt/format.h>
#include <sysexits.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <utility>

#include "config/error.hpp"
#include "drivers/can/import.hpp"
#include "drivers/modbus/import.hpp"

namespace ferrule::gateway {

namespace {

using drivers::modbus::Numbering;

std::string read_text(const std::filesystem::path& file) {
  constexpr std::size_t kMost = 16U << 20U;
  std::ifstream stream(file, std::ios::binary);
  std::string text;
  for (std::array<char, 65536> part; stream && text.size() <= kMost;) {
    stream.read(part.data(), part.size());
    text.append(part.data(), static_cast<std::size_t>(stream.gcount()));
  }
  if (!stream.is_open() || stream.bad()) throw config::Error({file.string(), 0, 0}, "", std::strerror(errno));
  if (text.size() > kMost) throw config::Error({file.string(), 0, 0}, "", "is larger than 16 MiB");
  return text;
}

/// `FILE`, whose ID is where a map of SunSpec has its first model, or `FILE@ADDRESS`.
drivers::modbus::SunspecModel model_of(const std::string& text) {
  drivers::modbus::SunspecModel model{text, 40002};
  const auto at = text.rfind('@');
  if (at == std::string::npos) return model;
  const auto* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data() + at + 1, end, model.address);
  if (error == std::errc{} && rest == end) model.file = text.substr(0, at);
  return model;
}

}  // namespace

int import_csv(const ImportCsvOptions& options) {
  drivers::modbus::CsvOptions csv;
  csv.numbering = options.numbering == "one"       ? Numbering::One
                  : options.numbering == "modicon" ? Numbering::Modicon
                                                   : Numbering::Wire;
  csv.table = options.table;
  csv.byte_order = options.byte_order;
  auto imported = drivers::modbus::import_csv(read_text(options.file), options.file.string(), csv);
  if (!imported) throw config::Error(std::move(imported.error()));
  fmt::print("{}", as_yaml(std::move(*imported)));
  return EX_OK;
}

int import_sunspec(const ImportSunspecOptions& options) {
  std::vector<drivers::modbus::SunspecModel> models;
  for (const auto& text : options.models) models.push_back(model_of(text));
  fmt::print("{}", as_yaml(drivers::modbus::import_sunspec(models, options.repeat)));
  return EX_OK;
}

int import_dbc(const ImportDbcOptions& options) {
  const auto dbc = drivers::can::load_dbc(options.file);
  if (!dbc) {
    const auto& mistake = dbc.error();
    throw config::Error({options.file.string(), mistake.line, mistake.column}, "", mistake.message);
  }
  drivers::can::ImportNames names;
  names.file = options.file.string();
  names.interface = options.interface;
  names.device = options.device.empty() ? options.file.stem().string() : options.device;
  fmt::print("{}", as_yaml(*dbc, names));
  return EX_OK;
}

}  // namespace ferrule::gateway

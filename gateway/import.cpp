#include "gateway/import.hpp"

#include <fmt/format.h>
#include <sysexits.h>

#include <cstdio>

#include "config/error.hpp"
#include "drivers/can/import.hpp"

namespace ferrule::gateway {

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

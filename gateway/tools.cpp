#include "gateway/tools.hpp"

#include <fmt/format.h>
#include <sysexits.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <vector>

#include "config/node.hpp"
#include "drivers/can/link_state.hpp"
#include "drivers/modbus/decode.hpp"
#include "drivers/modbus/plausible.hpp"
#include "drivers/modbus/wire.hpp"
#include "drivers/modbus/write.hpp"
#include "drivers/registry.hpp"
#include "drivers/serial_list.hpp"
#include "gateway/commands.hpp"
#include "gateway/settings.hpp"

namespace ferrule::gateway {

namespace {

using drivers::Table;
using namespace std::chrono_literals;

constexpr auto kConnectTime = 5s;

/// Null, and said why, when there is no Modbus bus of that name.
const drivers::BusSettings* find_bus(const std::vector<drivers::BusSettings>& buses, const std::string& name) {
  const auto found = std::ranges::find(buses, name, &drivers::BusSettings::name);
  if (found != buses.end() && drivers::is_modbus(found->type)) return &*found;
  if (found != buses.end()) {
    fmt::print(stderr, "ferrule: bus {} is of type {}: only Modbus has registers to read\n", name,
               drivers::driver_entry(found->type).word);
    return nullptr;
  }
  std::vector<std::string_view> known;
  for (const auto& bus : buses) known.push_back(bus.name);
  const auto near = config::nearest(name, known);
  fmt::print(stderr, "ferrule: there is no bus \"{}\"{}\n", name,
             near.empty() ? "" : fmt::format(" (did you mean {}?)", near));
  return nullptr;
}

Table table_of(std::string_view word) {
  for (const auto table : {Table::Coil, Table::Discrete, Table::Input}) {
    if (drivers::modbus::word_of(table) == word) return table;
  }
  return Table::Holding;
}

void print_bits(std::span<const std::uint8_t> data, const drivers::modbus::Request& request) {
  for (int i = 0; i < request.count; ++i) {
    fmt::print("  {{register: {}, address: {}}}  # {}\n", drivers::modbus::word_of(request.table), request.address + i,
               (data[static_cast<std::size_t>(i / 8)] >> (i % 8) & 1) != 0);
  }
}

void print_words(std::span<const std::uint8_t> data, const drivers::modbus::Request& request) {
  std::vector<std::uint16_t> registers;
  for (std::size_t i = 0; i + 1 < data.size(); i += 2) {
    registers.push_back(static_cast<std::uint16_t>(data[i] << 8 | data[i + 1]));
  }
  for (std::size_t i = 0; i < registers.size(); ++i) {
    fmt::print("  {:5}  0x{:04X}  {}\n", request.address + i, registers[i], registers[i]);
  }
  fmt::print("as points:\n");
  for (const auto& [yaml, value] : drivers::modbus::guesses(registers, request.table, request.address)) {
    fmt::print("  {}  # {}\n", yaml, value);
  }
}

/// The value's place as a point of the configuration, so that types and byte orders are read in one way only.
drivers::PointSettings point_of(const WriteOptions& options) {
  const auto yaml = fmt::format(
      "buses: {{b: {{type: modbus-tcp, host: h}}}}\n"
      "devices: {{d: {{bus: b, points: {{p: {{register: {}, address: {}, write: true{}{}}}}}}}}}\n",
      options.table, options.address, options.type.empty() ? "" : ", type: " + options.type,
      options.table == "holding" ? ", byte_order: " + options.byte_order : "");
  const auto document = config::Document::parse(yaml, "the command line");
  auto buses = drivers::read_buses(document.root());
  document.finish();
  return buses.at(0).devices.at(0).points.at(0);
}

int fail(const std::string& what, const drivers::Fault& fault) {
  fmt::print(stderr, "ferrule: {}: {}: {}\n", what, name(fault.failure), fault.detail);
  return EX_UNAVAILABLE;
}

void show_progress(const std::string& line, int unit, std::size_t found) {
  if (isatty(STDERR_FILENO) == 0) return;
  fmt::print(stderr, "\r{}{}unit {:3}, {} found ", line, line.empty() ? "" : ", ", unit, found);
}

void show_unit(const drivers::modbus::FoundUnit& unit) {
  if (isatty(STDERR_FILENO) != 0) fmt::print(stderr, "\r{:40}\r", "");
  fmt::print("unit {}{}{}{}{}\n", unit.unit, unit.line.empty() ? "" : ": ", unit.line,
             unit.identity.empty() ? "" : ": ", unit.identity);
  std::fflush(stdout);
}

void print_can_links() {
  for (const auto& link : drivers::can::list_links()) {
    fmt::print("{}\n  CAN interface, {}", link.name, link.up ? "up" : "down");
    if (link.bitrate > 0) fmt::print(", {} bit/s", link.bitrate);
    if (link.kind != "can") fmt::print(", virtual");
    fmt::print("\n");
    if (!link.up || !link.state) continue;
    const auto trouble = drivers::can::trouble_of(*link.state);
    fmt::print("  state: {}\n", trouble.empty() ? name(*link.state) : trouble);
  }
}

}  // namespace

int write_value(const WriteOptions& options) {
  const auto settings = load_settings(options.file);
  const auto* bus = find_bus(settings.buses, options.bus);
  if (bus == nullptr) return EX_USAGE;
  const auto point = point_of(options);
  const auto value = command_value(options.value);
  if (!value) {
    fmt::print(stderr, "ferrule: {} is neither a number nor true, false or a text in double quotes\n", options.value);
    return EX_DATAERR;
  }
  const drivers::StopSignal stop;
  const auto wire = drivers::modbus::make_wire(*bus, stop);
  const auto what = fmt::format("bus {}, unit {}, {} {}", bus->name, options.unit, options.table, options.address);
  const auto pdu = drivers::modbus::write_pdu(*value, point, point.write->function, {});
  if (!pdu) {
    fmt::print(stderr, "ferrule: {}: {}\n", what, pdu.error());
    return EX_DATAERR;
  }
  if (const auto opened = wire.open(std::chrono::steady_clock::now() + kConnectTime); !opened) {
    return fail(what, opened.error());
  }
  const auto unit = static_cast<std::uint8_t>(options.unit);
  const auto written = wire.client->write(unit, *pdu);
  if (!written) return fail(what, written.error());
  const auto extent = drivers::modbus::extent_of(point);
  const drivers::modbus::Request request{unit, point.table, extent.address, static_cast<std::uint16_t>(extent.width)};
  const auto answer = wire.client->read(request);
  if (!answer) return fail(what + " is written, but not read back", answer.error());
  fmt::print("{}: written; it now holds\n", what);
  if (drivers::modbus::is_bits(request.table)) {
    print_bits(*answer, request);
  } else {
    print_words(*answer, request);
  }
  return EX_OK;
}

int print_scan(const ScanVerbOptions& options) {
  const auto settings = load_settings(options.file);
  const auto* bus = find_bus(settings.buses, options.bus);
  if (bus == nullptr) return EX_USAGE;
  const drivers::StopSignal stop;
  std::size_t found = 0;
  const auto trouble =
      drivers::modbus::scan(*bus, options.scan, stop, {show_progress, [&](const drivers::modbus::FoundUnit& unit) {
                                                         show_unit(unit);
                                                         ++found;
                                                       }});
  if (isatty(STDERR_FILENO) != 0) fmt::print(stderr, "\r{:40}\r", "");
  if (!trouble.empty()) fmt::print(stderr, "ferrule: bus {}: {}\n", bus->name, trouble);
  if (trouble.empty() && found == 0) fmt::print(stderr, "ferrule: bus {}: nobody answers\n", bus->name);
  return found > 0 ? EX_OK : EX_UNAVAILABLE;
}

int print_ports() {
  const auto ports = drivers::list_serial_ports();
  if (ports.empty()) fmt::print("no serial ports\n");
  for (const auto& port : ports) {
    fmt::print("{}\n", port.device);
    const bool says_more = !port.device.ends_with("/" + port.adapter);
    if (!port.adapter.empty() && says_more) fmt::print("  adapter: {}\n", port.adapter);
    if (!port.by_id.empty()) fmt::print("  port: {}\n", port.by_id);
    fmt::print("  used by: {}\n", port.users.empty() ? "nobody" : fmt::format("{}", fmt::join(port.users, ", ")));
  }
  print_can_links();
  return EX_OK;
}

int print_registers(const ReadOptions& options) {
  const auto settings = load_settings(options.file);
  const auto* bus = find_bus(settings.buses, options.bus);
  if (bus == nullptr) return EX_USAGE;
  const drivers::modbus::Request request{static_cast<std::uint8_t>(options.unit), table_of(options.table),
                                         static_cast<std::uint16_t>(options.address),
                                         static_cast<std::uint16_t>(options.count)};
  const int last = options.address + options.count - 1;
  const auto what = fmt::format("bus {}, unit {}, {} {}{}", bus->name, options.unit, options.table, options.address,
                                options.count > 1 ? fmt::format("..{}", last) : "");
  if (last > 65535) {
    fmt::print(stderr, "ferrule: {}: the last address is 65535\n", what);
    return EX_USAGE;
  }
  const drivers::StopSignal stop;
  const auto wire = drivers::modbus::make_wire(*bus, stop);
  if (const auto opened = wire.open(std::chrono::steady_clock::now() + kConnectTime); !opened) {
    return fail(what, opened.error());
  }
  const auto answer = wire.client->read(request);
  if (!answer) return fail(what, answer.error());
  fmt::print("{}:\n", what);
  if (drivers::modbus::is_bits(request.table)) {
    print_bits(*answer, request);
  } else {
    print_words(*answer, request);
  }
  return EX_OK;
}

}  // namespace ferrule::gateway

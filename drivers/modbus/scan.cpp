#include "drivers/modbus/scan.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "drivers/modbus/identity.hpp"
#include "drivers/modbus/wire.hpp"

namespace ferrule::drivers::modbus {

namespace {

using namespace std::chrono_literals;

constexpr auto kConnectTime = 5s;

bool same(const LineSettings& one, const LineSettings& other) {
  return one.baud == other.baud && one.parity == other.parity && one.stop_bits == other.stop_bits;
}

bool is_there(const tl::expected<std::span<const std::uint8_t>, Fault>& answer) {
  return answer || answer.error().failure == Failure::DeviceBusy || answer.error().failure == Failure::PointRejected;
}

/// One pass over all units. Returns how many answered, or why the port is of no use.
tl::expected<std::size_t, std::string> pass(const BusSettings& bus, const ScanOptions& options, const StopSignal& stop,
                                            const ScanWatcher& watcher) {
  const auto wire = make_wire(bus, stop);
  const auto line = is_serial(bus.type) ? text(bus.line) : std::string();
  std::size_t found = 0;
  for (int unit = options.first_unit; unit <= options.last_unit && !stop.requested(); ++unit) {
    if (!wire.port->is_open()) {
      const auto opened = wire.open(std::chrono::steady_clock::now() + kConnectTime);
      if (!opened) return tl::unexpected(opened.error().detail);
    }
    if (watcher.asks) watcher.asks(line, unit, found);
    const auto id = static_cast<std::uint8_t>(unit);
    if (!is_there(wire.client->read({id, Table::Holding, 0, 1}))) continue;
    ++found;
    if (watcher.finds) watcher.finds({id, line, wire.port->is_open() ? identify(*wire.client, id) : ""});
  }
  return found;
}

}  // namespace

std::string text(const LineSettings& line) {
  const char parity = line.parity == Parity::None ? 'N' : line.parity == Parity::Even ? 'E' : 'O';
  return fmt::format("{} {}{}{}", line.baud, line.data_bits, parity, line.stop_bits);
}

std::vector<LineSettings> scanned_lines(const BusSettings& bus, const ScanOptions& options) {
  std::vector<LineSettings> lines{bus.line};
  if (!is_serial(bus.type)) return lines;
  const std::vector<int> usual{9600, 19200, 38400, 57600, 115200, 4800, 2400};
  const auto& bauds = options.bauds.empty() ? usual : options.bauds;
  if (!options.bauds.empty()) lines.clear();
  for (const int baud : bauds) {
    for (const auto parity : {Parity::Even, Parity::None, Parity::Odd}) {
      auto line = bus.line;
      line.baud = baud;
      line.parity = parity;
      if (std::ranges::none_of(lines, [&](const auto& other) { return same(line, other); })) lines.push_back(line);
    }
  }
  return lines;
}

std::string scan(const BusSettings& bus, const ScanOptions& options, const StopSignal& stop,
                 const ScanWatcher& watcher) {
  for (const auto& line : scanned_lines(bus, options)) {
    auto tried = bus;
    tried.line = line;
    tried.timeout = options.timeout;
    tried.gap = std::max(bus.gap, options.pause);
    const auto found = pass(tried, options, stop, watcher);
    if (!found) return found.error();
    if (stop.requested() || (*found > 0 && !options.every_setting)) break;
  }
  return {};
}

}  // namespace ferrule::drivers::modbus

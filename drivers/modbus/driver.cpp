#include "drivers/modbus/driver.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "drivers/modbus/budget.hpp"
#include "drivers/modbus/decode.hpp"
#include "drivers/modbus/wire.hpp"
#include "drivers/modbus/write.hpp"

namespace ferrule::drivers::modbus {

namespace {

constexpr std::chrono::milliseconds kRefusedInterval = std::chrono::minutes(5);
constexpr std::uint8_t kIllegalFunction = 0x01;  // Modbus AP v1.1b3 7: no other address will fare better

std::optional<double> planned(const BusSettings& settings) {
  const auto budget = line_budget(settings);
  return budget ? std::optional(budget->utilisation) : std::nullopt;
}

bool bit_of(std::span<const std::uint8_t> data, std::size_t index) { return (data[index / 8] >> (index % 8) & 1) != 0; }

}  // namespace

std::unique_ptr<Driver> make_driver(const BusSettings& settings, const StopSignal& stop) {
  auto wire = make_wire(settings, stop);
  return std::make_unique<ModbusDriver>(settings, std::move(wire.port), std::move(wire.client));
}

ModbusDriver::ModbusDriver(const BusSettings& settings, std::unique_ptr<Port> port, std::unique_ptr<Client> client)
    : port_(std::move(port)), client_(std::move(client)), planned_(planned(settings)) {
  for (std::uint32_t device = 0; device < settings.devices.size(); ++device) {
    const auto& unit = settings.devices[device];
    if (!is_broadcast(settings, unit)) {
      for (auto& block : plan(unit, static_cast<PointIndex>(encodings_.size()))) {
        entries_.push_back({std::move(block), device, unit.unit_id});
      }
    }
    for (const auto& point : unit.points) {
      if (point.counter) counters_.emplace(static_cast<PointIndex>(encodings_.size()), *point.counter);
      if (point.write) {
        writables_.emplace(static_cast<PointIndex>(encodings_.size()), Writable{unit.unit_id, point.write->function});
      }
      encodings_.push_back(point);
    }
  }
}

tl::expected<void, Fault> ModbusDriver::open(TimePoint deadline) {
  if (auto opened = port_->open(deadline); !opened) return opened;
  return client_->opened();
}

Task ModbusDriver::task(std::size_t number) const {
  const auto& entry = entries_[number];
  return {entry.device, entry.refused ? std::max(kRefusedInterval, entry.block.interval) : entry.block.interval};
}

tl::expected<void, Fault> ModbusDriver::run(std::size_t number, std::vector<Reading>& readings) {
  const auto answer = ask(number);
  if (!answer) return tl::unexpected(answer.error());
  auto& entry = entries_[number];
  if (is_bits(entry.block.table)) {
    decode_bits(entry, *answer, readings);
    return {};
  }
  unpack(entry.block.count, *answer);
  if (auto watched = watch_counters(number); !watched) return watched;
  decode_registers(entry, readings);
  return {};
}

Request ModbusDriver::request_of(std::size_t number) const {
  const auto& [block, device, unit, refused, runs] = entries_[number];
  return {unit, block.table, block.address, block.count};
}

ModbusDriver::Answer ModbusDriver::ask(std::size_t number) {
  const auto request = request_of(number);
  auto answer = client_->read(request);
  if (answer) {
    entries_[number].refused = false;
    cache_.keep(request, *answer, std::chrono::steady_clock::now());
  } else if (answer.error().failure == Failure::PointRejected) {
    refuse(number, answer.error());
  }
  return answer;
}

void ModbusDriver::refuse(std::size_t number, Fault& fault) {
  auto& entry = entries_[number];
  if (entry.block.points.size() == 1 || fault.exception == kIllegalFunction) {
    entry.refused = true;
    return;
  }
  fault.detail += fmt::format(" to a block up to {}, asked for in two parts from now on",
                              entry.block.address + entry.block.count - 1);
  auto [first, second] = split(entry.block);
  entry.block = std::move(first);
  entry.runs = 0;
  Entry other{std::move(second), entry.device, entry.unit};
  entries_.push_back(std::move(other));
}

void ModbusDriver::unpack(std::size_t count, std::span<const std::uint8_t> data) {
  for (std::size_t i = 0; i < count; ++i) {
    registers_[i] = static_cast<std::uint16_t>(data[2 * i] << 8 | data[2 * i + 1]);
  }
}

std::span<const std::uint16_t> ModbusDriver::registers_of_point(const BlockPoint& point) const {
  return std::span(registers_).subspan(point.offset, point.width);
}

/// A count that went back or leapt is read a second time: either the first answer was wrong, or the device was reset.
tl::expected<void, Fault> ModbusDriver::watch_counters(std::size_t number) {
  if (counters_.empty()) return {};
  const auto for_each_counter = [&](auto visit) {
    for (const auto& point : entries_[number].block.points) {
      const auto counter = counters_.find(point.point);
      if (counter == counters_.end() || !in_turn(entries_[number], point)) continue;
      visit(counter->second, raw_number(registers_of_point(point), encodings_[point.point]));
    }
  };
  bool doubtful = false;
  for_each_counter([&](CounterGuard& guard, double raw) { doubtful = !guard.propose(raw) || doubtful; });
  if (doubtful) {
    const auto again = ask(number);
    if (!again) return tl::unexpected(again.error());
    unpack(entries_[number].block.count, *again);
  }
  for_each_counter([&](CounterGuard& guard, double raw) { guard.decide(raw); });
  return {};
}

void ModbusDriver::decode_registers(Entry& entry, std::vector<Reading>& readings) const {
  readings.reserve(readings.size() + entry.block.points.size());
  for (const auto& point : entry.block.points) {
    if (!in_turn(entry, point)) continue;
    auto decoded = decode(registers_of_point(point), encodings_[point.point]);
    const auto counter = counters_.find(point.point);
    if (counter != counters_.end() && !counter->second.trusted()) decoded = {false, Quality::Bad, Failure::Invalid};
    readings.push_back({point.point, decoded.quality, decoded.failure, std::move(decoded.value), {}, {}});
  }
  ++entry.runs;
}

void ModbusDriver::decode_bits(Entry& entry, std::span<const std::uint8_t> data, std::vector<Reading>& readings) const {
  for (const auto& point : entry.block.points) {
    if (!in_turn(entry, point)) continue;
    readings.push_back({point.point, Quality::Good, Failure::None, bit_of(data, point.offset), {}, {}});
  }
  ++entry.runs;
}

void ModbusDriver::fail(std::size_t number, Failure failure, std::vector<Reading>& readings) {
  auto& entry = entries_[number];
  entry.runs = 0;  // the next good answer brings every point, the slow ones too
  for (const auto& point : entry.block.points) readings.push_back({point.point, Quality::Bad, failure, false, {}, {}});
}

tl::expected<void, Fault> ModbusDriver::write(PointIndex point, const Value& value) {
  const auto& encoding = encodings_[point];
  const auto found = writables_.find(point);
  if (found == writables_.end()) return tl::unexpected(Fault{Failure::PointRejected, "the point is not writable"});
  const auto [unit, function] = found->second;
  std::span<const std::uint16_t> known;
  if (needs_registers(encoding, function)) {
    if (auto read = read_extent(point); !read) return read;
    known = std::span(registers_).first(extent_of(encoding).width);
  }
  const auto pdu = write_pdu(value, encoding, function, known);
  if (!pdu) return tl::unexpected(Fault{Failure::PointRejected, pdu.error()});
  auto written = client_->write(unit, *pdu);
  cache_.forget(unit);
  if (!written) {
    auto& detail = written.error().detail;
    detail = fmt::format("unit {}, function {}, address {}: {}", unit, function, encoding.address, detail);
  }
  return written;
}

tl::expected<Held, Fault> ModbusDriver::read_back(PointIndex point, const Value& value) {
  const auto& encoding = encodings_[point];
  if (auto read = read_extent(point); !read) return tl::unexpected(read.error());
  const auto registers = std::span<const std::uint16_t>(registers_).first(extent_of(encoding).width);
  Held held{holds(registers, value, encoding)};
  auto decoded = is_bits(encoding.table) ? Decoded{registers[0] != 0} : decode(registers, encoding);
  if (decoded.quality == Quality::Good) held.value = std::move(decoded.value);
  return held;
}

/// Reads the registers of one point, or its coil as a register of 0 or 1.
tl::expected<void, Fault> ModbusDriver::read_extent(PointIndex point) {
  const auto& encoding = encodings_[point];
  const auto extent = extent_of(encoding);
  const auto count = static_cast<std::uint16_t>(extent.width);
  auto answer = client_->read({writables_.at(point).unit, encoding.table, extent.address, count});
  if (!answer) {
    answer.error().sent = false;  // it was no write
    return tl::unexpected(std::move(answer.error()));
  }
  if (is_bits(encoding.table)) {
    registers_[0] = bit_of(*answer, 0) ? 1 : 0;
  } else {
    unpack(count, *answer);
  }
  return {};
}

std::optional<std::size_t> ModbusDriver::task_of(PointIndex point) const {
  const auto found = std::ranges::find_if(entries_, [&](const Entry& entry) {
    return std::ranges::find(entry.block.points, point, &BlockPoint::point) != entry.block.points.end();
  });
  if (found == entries_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - entries_.begin());
}

std::string ModbusDriver::describe(std::size_t number) const {
  const auto& [block, device, unit, refused, runs] = entries_[number];
  return fmt::format("unit {}, function {}, addresses {}..{}", unit, function_of(block.table), block.address,
                     block.address + block.count - 1);
}

}  // namespace ferrule::drivers::modbus

#include "drivers/modbus/driver.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "drivers/modbus/decode.hpp"
#include "drivers/serial_port.hpp"
#include "drivers/tcp_port.hpp"

namespace ferrule::drivers::modbus {

namespace {

constexpr std::chrono::milliseconds kRefusedInterval = std::chrono::minutes(5);
constexpr std::uint8_t kIllegalFunction = 0x01;  // Modbus AP v1.1b3 7: no other address will fare better

bool bit_of(std::span<const std::uint8_t> data, std::size_t index) { return (data[index / 8] >> (index % 8) & 1) != 0; }

}  // namespace

std::unique_ptr<Driver> make_tcp_driver(const BusSettings& settings, const StopSignal& stop) {
  auto port = std::make_unique<TcpPort>(settings.host, settings.port, stop);
  auto client = make_tcp_client(*port, stop, {settings.timeout, settings.gap, {}});
  return std::make_unique<ModbusDriver>(settings, std::move(port), std::move(client));
}

std::unique_ptr<Driver> make_rtu_driver(const BusSettings& settings, const StopSignal& stop) {
  auto port = std::make_unique<SerialPort>(settings.path, settings.line, stop);
  auto client = make_rtu_client(*port, stop, rtu_timing(settings));
  return std::make_unique<ModbusDriver>(settings, std::move(port), std::move(client));
}

ModbusDriver::ModbusDriver(const BusSettings& settings, std::unique_ptr<Port> port, std::unique_ptr<Client> client)
    : port_(std::move(port)), client_(std::move(client)) {
  for (std::uint32_t device = 0; device < settings.devices.size(); ++device) {
    const auto& unit = settings.devices[device];
    for (auto& block : plan(unit, static_cast<PointIndex>(fields_.size()))) {
      entries_.push_back({std::move(block), device, unit.unit_id});
    }
    for (const auto& point : unit.points) {
      fields_.push_back({point.table, point.type, point.byte_order, point.scale, point.offset});
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
  const auto& block = entries_[number].block;
  auto answer = client_->read({entries_[number].unit, block.table, block.address, block.count});
  if (!answer) {
    if (answer.error().failure == Failure::PointRejected) refuse(number, answer.error());
    return tl::unexpected(std::move(answer.error()));
  }
  entries_[number].refused = false;
  decode_answer(entries_[number], *answer, readings);
  return {};
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

void ModbusDriver::decode_answer(Entry& entry, std::span<const std::uint8_t> data, std::vector<Reading>& readings) {
  const auto& block = entry.block;
  std::array<std::uint16_t, kMaxRegisters> registers;
  if (!is_bits(block.table)) {
    for (std::size_t i = 0; i < block.count; ++i) {
      registers[i] = static_cast<std::uint16_t>(data[2 * i] << 8 | data[2 * i + 1]);
    }
  }
  for (const auto& point : block.points) {
    if (entry.runs % point.every != 0) continue;
    const auto& field = fields_[point.point];
    scratch_.table = field.table;
    scratch_.type = field.type;
    scratch_.byte_order = field.byte_order;
    scratch_.scale = field.scale;
    scratch_.offset = field.offset;
    auto decoded = is_bits(block.table)
                       ? decode_bit(bit_of(data, point.offset), scratch_)
                       : decode(std::span<const std::uint16_t>(registers).subspan(point.offset, point.width), scratch_);
    readings.push_back({point.point, decoded.quality, decoded.failure, std::move(decoded.value), {}, {}});
  }
  ++entry.runs;
}

void ModbusDriver::fail(std::size_t number, Failure failure, std::vector<Reading>& readings) {
  auto& entry = entries_[number];
  entry.runs = 0;  // the next good answer brings every point, the slow ones too
  for (const auto& point : entry.block.points) readings.push_back({point.point, Quality::Bad, failure, false, {}, {}});
}

std::string ModbusDriver::describe(std::size_t number) const {
  const auto& [block, device, unit, refused, runs] = entries_[number];
  return fmt::format("unit {}, function {}, addresses {}..{}", unit, function_of(block.table), block.address,
                     block.address + block.count - 1);
}

}  // namespace ferrule::drivers::modbus

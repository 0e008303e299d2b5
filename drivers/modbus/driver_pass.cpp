// The requests of other masters that a Modbus bus passes on.
#include <algorithm>
#include <optional>

#include "drivers/modbus/driver.hpp"
#include "drivers/modbus/wire_client.hpp"
#include "drivers/modbus/write.hpp"

namespace ferrule::drivers::modbus {

namespace {

// function | address | count; nothing when it is no read.
std::optional<Request> read_of(std::uint8_t unit, std::span<const std::uint8_t> pdu) {
  constexpr std::array kTables{Table::Coil, Table::Discrete, Table::Holding, Table::Input};  // function codes 1 to 4
  if (pdu.size() != 5 || pdu[0] < 1 || pdu[0] > kTables.size()) return std::nullopt;
  return Request{unit, kTables[pdu[0] - 1U], static_cast<std::uint16_t>(pdu[1] << 8 | pdu[2]),
                 static_cast<std::uint16_t>(pdu[3] << 8 | pdu[4])};
}

std::vector<std::uint8_t> answer_of(std::uint8_t function, std::span<const std::uint8_t> data) {
  std::vector<std::uint8_t> pdu(2 + data.size());
  pdu[0] = function;
  pdu[1] = static_cast<std::uint8_t>(data.size());
  std::ranges::copy(data, pdu.begin() + 2);
  return pdu;
}

bool is_write(std::uint8_t function) {
  return function == kWriteSingleCoil || function == kWriteSingleRegister || function == kWriteMultipleCoils ||
         function == kWriteMultipleRegisters || function == kMaskWriteRegister;
}

}  // namespace

tl::expected<std::vector<std::uint8_t>, Fault> ModbusDriver::pass(std::uint8_t unit,
                                                                  std::span<const std::uint8_t> request) {
  if (const auto read = read_of(unit, request)) {
    const auto data = client_->read(*read);
    if (!data) return tl::unexpected(data.error());
    cache_.keep(*read, *data, std::chrono::steady_clock::now());
    return answer_of(request[0], *data);
  }
  if (is_write(request[0])) {
    auto written = client_->write(unit, request);
    cache_.forget(unit);
    if (!written) return tl::unexpected(written.error());
    return write_echo(request);
  }
  const auto answer = client_->ask(unit, request);
  if (!answer) return tl::unexpected(answer.error());
  return std::vector<std::uint8_t>(answer->begin(), answer->end());
}

std::optional<std::vector<std::uint8_t>> ModbusDriver::recall(std::uint8_t unit, std::span<const std::uint8_t> request,
                                                              TimePoint since) const {
  const auto read = read_of(unit, request);
  if (!read) return std::nullopt;
  const auto data = cache_.find(*read, since);
  if (!data) return std::nullopt;
  return answer_of(request[0], *data);
}

}  // namespace ferrule::drivers::modbus

#include "drivers/modbus_server/request.hpp"

#include <array>
#include <string_view>

#include "drivers/serial/crc.hpp"

namespace ferrule::drivers::modbus_server {

namespace {

using modbus::Framing;

constexpr std::uint16_t kMostBitsRead = 2000;  // Modbus AP v1.1b3 6.1, 6.3, 6.11, 6.12
constexpr std::uint16_t kMostRegistersRead = 125;
constexpr std::uint16_t kMostBitsWritten = 1968;
constexpr std::uint16_t kMostRegistersWritten = 123;
constexpr std::uint8_t kRefused = 0x80;
constexpr std::size_t kHeader = 7;  // of a TCP frame, with the unit
constexpr std::size_t kCrc = 2;

using Result = tl::expected<Request, std::uint8_t>;

std::uint16_t word_at(std::span<const std::uint8_t> bytes, std::size_t at) {
  return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

Result refused(std::uint8_t exception) { return tl::unexpected(exception); }

Result placed(Request&& request) {
  if (std::uint32_t{request.address} + request.count > 65536) return refused(kIllegalAddress);
  return std::move(request);
}

// function | address | count
Result read(std::span<const std::uint8_t> pdu, Table table, std::uint16_t most) {
  if (pdu.size() != 5) return refused(kIllegalValue);
  const auto count = word_at(pdu, 3);
  if (count == 0 || count > most) return refused(kIllegalValue);
  return placed({pdu[0], table, word_at(pdu, 1), count});
}

// function | address | value
Result write_one(std::span<const std::uint8_t> pdu, Table table) {
  if (pdu.size() != 5) return refused(kIllegalValue);
  auto value = word_at(pdu, 3);
  if (table == Table::Coil) {
    if (value != 0x0000 && value != 0xFF00) return refused(kIllegalValue);
    value = value != 0 ? 1 : 0;
  }
  return placed({pdu[0], table, word_at(pdu, 1), 1, true, {value}});
}

// function | address | count | bytes | data
Result write_many(std::span<const std::uint8_t> pdu, Table table, std::uint16_t most) {
  if (pdu.size() < 6) return refused(kIllegalValue);
  const bool bits = table == Table::Coil;
  const auto count = word_at(pdu, 3);
  const std::size_t bytes = bits ? (std::size_t{count} + 7) / 8 : std::size_t{count} * 2;
  if (count == 0 || count > most || pdu[5] != bytes || pdu.size() != 6 + bytes) return refused(kIllegalValue);
  Request request{pdu[0], table, word_at(pdu, 1), count, true};
  const auto data = pdu.subspan(6);
  for (std::size_t i = 0; i < count; ++i) {
    request.values.push_back(bits ? static_cast<std::uint16_t>(data[i / 8] >> i % 8 & 1) : word_at(data, 2 * i));
  }
  return placed(std::move(request));
}

std::uint16_t crc_of(std::span<const std::uint8_t> bytes) {
  static const serial::Crc crc(*serial::crc_model("CRC-16/MODBUS"));
  return static_cast<std::uint16_t>(crc({reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
}

}  // namespace

tl::expected<Request, std::uint8_t> parse_request(std::span<const std::uint8_t> pdu) {
  switch (pdu[0]) {
    case 1:
      return read(pdu, Table::Coil, kMostBitsRead);
    case 2:
      return read(pdu, Table::Discrete, kMostBitsRead);
    case 3:
      return read(pdu, Table::Holding, kMostRegistersRead);
    case 4:
      return read(pdu, Table::Input, kMostRegistersRead);
    case 5:
      return write_one(pdu, Table::Coil);
    case 6:
      return write_one(pdu, Table::Holding);
    case 15:
      return write_many(pdu, Table::Coil, kMostBitsWritten);
    case 16:
      return write_many(pdu, Table::Holding, kMostRegistersWritten);
    case 17:
      if (pdu.size() != 1) return refused(kIllegalValue);
      return Request{.function = 17};
    case 22:
      if (pdu.size() != 7) return refused(kIllegalValue);
      return Request{.function = 22, .address = word_at(pdu, 1), .count = 0, .writes = true};
    case 43:
      if (pdu.size() != 4 || pdu[1] != 14) return refused(kIllegalValue);  // only device identification
      return Request{.function = 43};
    default:
      return refused(kIllegalFunction);
  }
}

std::optional<Frame> parse_frame(Framing framing, std::span<const std::uint8_t> frame) {
  if (framing == Framing::Tcp) {
    if (frame.size() <= kHeader) return std::nullopt;
    return Frame{frame[kHeader - 1], frame.subspan(kHeader)};
  }
  if (frame.size() < 2 + kCrc) return std::nullopt;
  const auto body = frame.first(frame.size() - kCrc);
  const auto crc = crc_of(body);
  if (frame[body.size()] != (crc & 0xFF) || frame[body.size() + 1] != crc >> 8) return std::nullopt;
  return Frame{frame[0], body.subspan(1)};
}

std::vector<std::uint8_t> answer_frame(Framing framing, std::span<const std::uint8_t> request,
                                       std::span<const std::uint8_t> pdu) {
  std::vector<std::uint8_t> frame;
  if (framing == Framing::Tcp) {
    const auto length = pdu.size() + 1;
    frame.assign(request.begin(), request.begin() + kHeader);
    frame[4] = static_cast<std::uint8_t>(length >> 8);
    frame[5] = static_cast<std::uint8_t>(length);
    frame.insert(frame.end(), pdu.begin(), pdu.end());
    return frame;
  }
  frame.push_back(request[0]);
  frame.insert(frame.end(), pdu.begin(), pdu.end());
  const auto crc = crc_of(frame);
  frame.push_back(static_cast<std::uint8_t>(crc));
  frame.push_back(static_cast<std::uint8_t>(crc >> 8));
  return frame;
}

std::vector<std::uint8_t> exception_frame(Framing framing, std::span<const std::uint8_t> request,
                                          std::uint8_t exception) {
  const auto function = request[framing == Framing::Tcp ? kHeader : 1];
  const std::array<std::uint8_t, 2> pdu{static_cast<std::uint8_t>(function | kRefused), exception};
  return answer_frame(framing, request, pdu);
}

}  // namespace ferrule::drivers::modbus_server

#include "drivers/modbus/dissector.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "drivers/modbus/framer.hpp"
#include "drivers/modbus/owed.hpp"
#include "drivers/modbus/wire_client.hpp"
#include "drivers/modbus/write.hpp"

namespace ferrule::drivers::modbus {

namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t kTcpHead = 7;      // transaction id, protocol id, length, unit; see tcp_client.cpp
constexpr std::size_t kCrc = 2;          // bytes
constexpr std::size_t kMostAscii = 513;  // characters
constexpr std::size_t kMostShown = 16;   // registers or bytes of data
constexpr std::uint8_t kEncapsulated = 43;

constexpr const char* kTables[] = {"", "coils", "discrete inputs", "holding registers", "input registers"};

constexpr const char* kOnes[] = {"", "coil", "discrete input", "holding register", "input register"};

int word(std::span<const std::uint8_t> bytes, std::size_t at) { return bytes[at] << 8 | bytes[at + 1]; }

std::string hex(std::span<const std::uint8_t> bytes, std::size_t width) {
  std::string text;
  const auto shown = std::min(bytes.size(), kMostShown * width);
  for (std::size_t i = 0; i < shown; ++i) {
    text += fmt::format("{}{:02x}", i % width == 0 ? " " : "", bytes[i]);
  }
  return text + (shown < bytes.size() ? " ..." : "");
}

std::string describe_request(std::span<const std::uint8_t> pdu) {
  const auto function = pdu[0];
  if (pdu.size() < 5) return fmt::format("is asked function {}{}", function, hex(pdu.subspan(1), 1));
  switch (function) {
    case 1:
    case 2:
    case 3:
    case 4:
      if (word(pdu, 3) == 1) return fmt::format("reads {} {}", kOnes[function], word(pdu, 1));
      return fmt::format("reads {} {} from {}", word(pdu, 3), kTables[function], word(pdu, 1));
    case kWriteSingleCoil:
      return fmt::format("writes coil {}: {}", word(pdu, 1), word(pdu, 3) == 0 ? "off" : "on");
    case kWriteSingleRegister:
      return fmt::format("writes register {}: {}", word(pdu, 1), word(pdu, 3));
    case kWriteMultipleCoils:
      return fmt::format("writes {} coils from {}:{}", word(pdu, 3), word(pdu, 1),
                         hex(pdu.subspan(std::min<std::size_t>(6, pdu.size())), 1));
    case kWriteMultipleRegisters:
      return fmt::format("writes {} registers from {}:{}", word(pdu, 3), word(pdu, 1),
                         hex(pdu.subspan(std::min<std::size_t>(6, pdu.size())), 2));
    case kMaskWriteRegister:
      if (pdu.size() < 7) break;
      return fmt::format("masks register {}: and {:04x}, or {:04x}", word(pdu, 1), word(pdu, 3), word(pdu, 5));
    case kReadWriteRegisters:
      if (pdu.size() < 10) break;
      return fmt::format("writes {} registers from {}:{}, reads {} from {}", word(pdu, 7), word(pdu, 5),
                         hex(pdu.subspan(10), 2), word(pdu, 3), word(pdu, 1));
    default:
      break;
  }
  return fmt::format("is asked function {}{}", function, hex(pdu.subspan(1), 1));
}

std::string describe_answer(std::span<const std::uint8_t> pdu) {
  const auto function = pdu[0];
  if ((function & kRefused) != 0 && pdu.size() >= 2) {
    return fmt::format("refuses function {}: {}", function & ~kRefused, refusal(pdu[1]).detail);
  }
  const bool counted = pdu.size() >= 2 && pdu.size() == 2U + pdu[1];
  if (function <= 2 && counted) return "has bits" + hex(pdu.subspan(2), 1);
  if ((function <= 4 || function == kReadWriteRegisters) && counted) return "has registers" + hex(pdu.subspan(2), 2);
  if (pdu.size() == 5 && (function == kWriteSingleCoil || function == kWriteSingleRegister)) {
    return fmt::format("has written {}", word(pdu, 1));
  }
  if (pdu.size() == 5 && (function == kWriteMultipleCoils || function == kWriteMultipleRegisters)) {
    return fmt::format("has written {} from {}", word(pdu, 3), word(pdu, 1));
  }
  if (pdu.size() == 7 && function == kMaskWriteRegister) return fmt::format("has masked {}", word(pdu, 1));
  return fmt::format("answers function {}{}", function, hex(pdu.subspan(1), 1));
}

Dissected none(std::span<const std::uint8_t> bytes) { return {{bytes.begin(), bytes.end()}, "no Modbus frame"}; }

/// What lies first in `bytes`; nothing while it may still become a frame.
std::optional<Dissected> first_tcp(std::span<const std::uint8_t> bytes, bool request) {
  if (bytes.size() < kTcpHead - 1) return std::nullopt;
  const auto size = static_cast<std::size_t>(word(bytes, 4)) + kTcpHead - 1;
  if (word(bytes, 2) != 0 || size <= kTcpHead || size > kMaxFrame) return none(bytes);
  if (bytes.size() < size) return std::nullopt;
  const auto frame = bytes.first(size);
  return Dissected{
      {frame.begin(), frame.end()},
      fmt::format("#{} unit {} {}", word(frame, 0), frame[6], describe_pdu(frame.subspan(kTcpHead), request))};
}

bool is_rtu(std::span<const std::uint8_t> frame) { return frame.size() >= kRefusalSize - 1 && crc16(frame) == 0; }

Dissected rtu(std::span<const std::uint8_t> frame, bool request) {
  return {{frame.begin(), frame.end()},
          fmt::format("unit {} {}", frame[0], describe_pdu(frame.subspan(1, frame.size() - 1 - kCrc), request))};
}

/// The shortest beginning that is a frame; only silence ends one, so what is none yet may become one with more.
std::optional<Dissected> first_rtu(std::span<const std::uint8_t> bytes, bool request) {
  for (auto size = kRefusalSize - 1; size <= std::min(bytes.size(), kMaxFrame); ++size) {
    if (is_rtu(bytes.first(size))) return rtu(bytes.first(size), request);
  }
  if (bytes.size() < kMaxFrame) return std::nullopt;
  return none(bytes);
}

std::optional<Dissected> first_ascii(std::span<const std::uint8_t> bytes, bool request) {
  const auto end = std::ranges::find(bytes, std::uint8_t{'\n'});
  if (end == bytes.end()) return bytes.size() < kMostAscii ? std::nullopt : std::optional(none(bytes));
  const std::span line(bytes.begin(), end + 1);
  const auto frame = make_ascii_framer()->frames_in(line);
  if (frame.empty()) return none(line);
  return Dissected{{line.begin(), line.end()}, rtu(frame, request).text};
}

}  // namespace

std::string describe_pdu(std::span<const std::uint8_t> pdu, bool request) {
  if (pdu.empty()) return "says nothing";
  if (pdu[0] == kEncapsulated && pdu.size() >= 2)
    return request ? "is asked who it is" : "says who it is" + hex(pdu.subspan(1), 1);
  return request ? describe_request(pdu) : describe_answer(pdu);
}

std::vector<Dissected> Dissector::next(WireEvent::Kind direction, std::span<const std::uint8_t> bytes) {
  const bool request = direction == WireEvent::Kind::Sent;
  std::vector<Dissected> frames;
  if (request && framing_ != FrameForm::Tcp) frames = flush();  // on a line nothing of before follows any more
  auto& waiting = request ? sent_ : received_;
  waiting.insert(waiting.end(), bytes.begin(), bytes.end());
  std::ranges::move(cut(waiting, request), std::back_inserter(frames));
  return frames;
}

std::vector<Dissected> Dissector::cut(Bytes& waiting, bool request) const {
  std::vector<Dissected> frames;
  std::span<const std::uint8_t> rest(waiting);
  while (!rest.empty()) {
    auto first = framing_ == FrameForm::Tcp   ? first_tcp(rest, request)
                 : framing_ == FrameForm::Rtu ? first_rtu(rest, request)
                                              : first_ascii(rest, request);
    if (!first) break;
    rest = rest.subspan(first->bytes.size());
    frames.push_back(std::move(*first));
  }
  waiting.erase(waiting.begin(), waiting.end() - std::ssize(rest));
  return frames;
}

std::vector<Dissected> Dissector::flush() {
  std::vector<Dissected> frames;
  for (auto* waiting : {&sent_, &received_}) {
    if (!waiting->empty()) frames.push_back(none(*waiting));
    waiting->clear();
  }
  return frames;
}

}  // namespace ferrule::drivers::modbus

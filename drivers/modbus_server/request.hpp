// A master's request, taken apart and checked, and the refusal of one.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <tl/expected.hpp>
#include <vector>

#include "drivers/modbus/responder.hpp"
#include "drivers/settings.hpp"

namespace ferrule::drivers::modbus_server {

/// Modbus AP v1.1b3 7
inline constexpr std::uint8_t kIllegalFunction = 0x01;
inline constexpr std::uint8_t kIllegalAddress = 0x02;
inline constexpr std::uint8_t kIllegalValue = 0x03;
inline constexpr std::uint8_t kDeviceFailure = 0x04;
inline constexpr std::uint8_t kDeviceBusy = 0x06;
inline constexpr std::uint8_t kPathUnavailable = 0x0A;
inline constexpr std::uint8_t kTargetFailed = 0x0B;

/// Function codes 1 to 6, 15 and 16, and those that a gateway only passes on (17, 22, 43), of which all but the
/// function stays as it is.
struct Request {
  std::uint8_t function = 0;
  Table table = Table::Holding;
  std::uint16_t address = 0;
  std::uint16_t count = 0;  ///< `address + count` <= 65536; 0: it is about no registers
  bool writes = false;
  std::vector<std::uint16_t> values{};  ///< to be written: registers, or bits as 0 and 1
};

/// Checks a function code and data from another master: whatever the bytes are, a Request keeps what it promises. The
/// exception to answer with: 01 for a function that we have not, 03 for a count or length that the specification does
/// not allow, 02 for what reaches beyond register 65535 (Modbus AP v1.1b3 6).
tl::expected<Request, std::uint8_t> parse_request(std::span<const std::uint8_t> pdu);

/// A whole frame from a master. On a line its checksum was right.
struct Frame {
  std::uint8_t unit;
  std::span<const std::uint8_t> pdu;  ///< function code and data, at least one byte
};
/// Nothing when it is none: too short, or damaged.
std::optional<Frame> parse_frame(modbus::Framing framing, std::span<const std::uint8_t> frame);

/// The answer to a frame that `parse_frame` takes: header or unit, `pdu`, checksum.
std::vector<std::uint8_t> answer_frame(modbus::Framing framing, std::span<const std::uint8_t> request,
                                       std::span<const std::uint8_t> pdu);
std::vector<std::uint8_t> exception_frame(modbus::Framing framing, std::span<const std::uint8_t> request,
                                          std::uint8_t exception);

}  // namespace ferrule::drivers::modbus_server

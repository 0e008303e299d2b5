// The table of wire cases that serves decoding, encoding and rejection.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "mqtt/packets.hpp"

namespace ferrule::mqtt::testing {

/// Bytes and the packet they mean.
struct WireCase {
  const char* name;
  Version version;
  Sender sender;
  const char* bytes;  ///< as `wire` reads them
  Packet packet;
  bool canonical = true;  ///< encoding the packet gives these bytes
};

const std::vector<WireCase>& wire_cases();

/// The largest packet that the framer of the table's tests lets through, in bytes.
inline constexpr std::size_t kTableMaxPacket = 4096;

/// Bytes that must be refused, and how.
struct RefusalCase {
  const char* name;
  Version version;
  Sender sender;
  const char* bytes;
  Reason code;
  const char* statement;
};

std::span<const RefusalCase> refusal_cases();

}  // namespace ferrule::mqtt::testing

// What a device says it is.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "drivers/modbus/client.hpp"

namespace ferrule::drivers::modbus {

/// One part of the answer to Read Device Identification (Modbus AP v1.1b3 6.21).
struct IdentityPart {
  std::vector<std::string> objects;  ///< vendor, product code, revision ... as they came; what is not printable is `?`
  std::optional<std::uint8_t> next;  ///< the object that the next request begins with; nothing: that was all
};

/// Function code and data of the request for the basic objects from `object` on.
std::vector<std::uint8_t> identity_pdu(std::uint8_t object);
/// Nothing when the answer (from its function code on) does not hold what it says.
std::optional<IdentityPart> parse_identity(std::span<const std::uint8_t> answer);
/// The text in an answer to Report Server ID (6.13), which every maker fills in his own way: its printable runs. Empty
/// when there is none.
std::string parse_server_id(std::span<const std::uint8_t> answer);

/// Asks with function 43/14, and where the device does not have that with 17. Empty when it says nothing. What takes a
/// device that does not know the functions longest is two timeouts.
std::string identify(Client& client, std::uint8_t unit);

}  // namespace ferrule::drivers::modbus

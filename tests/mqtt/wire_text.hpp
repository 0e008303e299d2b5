// Wire bytes as text, and packets as text: what the tables of cases are written in and failures are shown in.
#pragma once

#include <string>
#include <string_view>

#include "mqtt/packets.hpp"

namespace ferrule::mqtt::testing {

/// Bytes from hexadecimal digits and 'text', where `[ ]` puts a Variable Byte Integer with its length before what it
/// encloses, and `( )` a length of two bytes: "30 [ ('a/b') 'hi' ]" is 30 07 00 03 61 2F 62 68 69.
std::string wire(std::string_view text);
/// "30 07 00 ..", for failures.
std::string hex(std::string_view bytes);
/// Every field of a packet, so that two packets are equal exactly when their descriptions are.
std::string describe(const Packet& packet);
std::string describe(const Properties& properties);

}  // namespace ferrule::mqtt::testing

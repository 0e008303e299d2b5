// Text and bytes to values, by the rules of registers.
#pragma once

#include <cstddef>
#include <string_view>

#include "drivers/modbus/decode.hpp"

namespace ferrule::drivers::serial {

/// The text of a number, a bool or a string as a value of that type, scaled. Blanks around it do not count.
modbus::Decoded decode_text(std::string_view text, const Encoding& encoding, bool comma = false, bool hex = false);

/// The bytes of a value in the order in which they came; of a string as many as its length.
modbus::Decoded decode_bytes(std::string_view bytes, const Encoding& encoding);
std::size_t size_of(const Encoding& encoding);  ///< bytes that decode_bytes takes

}  // namespace ferrule::drivers::serial

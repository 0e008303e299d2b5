// What registers of unknown meaning may say: every type and byte order that gives a likely value.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "drivers/settings.hpp"

namespace ferrule::drivers::modbus {

/// One way to read some of the registers.
struct Guess {
  std::string yaml;   ///< the point to paste: `{register: holding, address: 100, type: float32, byte_order: CDAB}`
  std::string value;  ///< as it would be published
};

/// All guesses, by address and then by width. Integers of one register always are one. A wider number is one when it is
/// neither tiny nor huge (1e-4 to 1e9, or 64-bit integers below 1e15) and not merely a small number beside empty
/// registers of the wrong order; text when it is at least four printable characters long.
std::vector<Guess> guesses(std::span<const std::uint16_t> registers, Table table, std::uint16_t address);

std::string_view word_of(Table table);  ///< "coil", "discrete", "input", "holding"

}  // namespace ferrule::drivers::modbus

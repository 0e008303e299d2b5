// JSON text of values.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "mapping/kept_value.hpp"

namespace ferrule::mapping {

using NumberText = std::array<char, 32>;
/// The text of a finite number, in `room`: at most `digits` significant digits (0: the shortest text that reads back
/// equal; 9: that of a float).
std::string_view number_text(NumberText& room, double number, int digits);

void append_integer(std::string& out, std::int64_t number);
void append_integer(std::string& out, std::uint64_t number);

/// Appends a value: exact for integers, `number_text` for a double, `null` for none and for what JSON has no word for.
void append_json(std::string& out, const KeptValue& value, int digits);

/// Appends text as a JSON string; bytes that are no UTF-8 become U+FFFD.
void append_json(std::string& out, std::string_view text);

}  // namespace ferrule::mapping

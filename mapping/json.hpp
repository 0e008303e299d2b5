// JSON text of values.
#pragma once

#include <string>
#include <string_view>

#include "mapping/kept_value.hpp"

namespace ferrule::mapping {

/// Appends a value: exact for integers, at most `digits` significant digits for a double (0: the shortest text that
/// reads back equal; 9: that of a float), `null` for none and for what JSON has no word for.
void append_json(std::string& out, const KeptValue& value, int digits);

/// Appends text as a JSON string; bytes that are no UTF-8 become U+FFFD.
void append_json(std::string& out, std::string_view text);

}  // namespace ferrule::mapping

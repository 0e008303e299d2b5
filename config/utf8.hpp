// The little of UTF-8 that pointing at a place in a text needs.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ferrule::config {

/// Offset of the first byte that is not UTF-8 (RFC 3629: no overlong forms, no surrogates), or npos.
std::size_t first_invalid_utf8(std::string_view text);

/// What stands for the same characters in ISO 8859-1, which any bytes are.
std::string from_latin1(std::string_view text);

/// Number of code points of valid UTF-8.
std::size_t count_characters(std::string_view text);

/// Blanks as wide as `text` is on a terminal: tabs stay tabs, East Asian wide characters and emoji count two, combining
/// marks none. `text` is valid UTF-8.
std::string blanks_as_wide_as(std::string_view text);

/// `text` with control characters (C0, DEL, C1) written as `\xNN`, so that nothing in a file reaches the terminal raw.
std::string printable(std::string_view text);

/// The first `characters` of `text`, with "..." behind when something was cut off.
std::string shortened(std::string_view text, std::size_t characters);

}  // namespace ferrule::config

// Text as it stands in YAML that we write.
#pragma once

#include <string>
#include <string_view>

namespace ferrule::config {

/// In single quotes. `text` has no line feeds and no control characters.
std::string in_quotes(std::string_view text);

/// As it is where YAML and our own reader take it for text, in block and in flow; else in quotes.
std::string as_word(std::string_view text);

}  // namespace ferrule::config

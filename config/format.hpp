// `ferrule fmt`: a configuration file as everybody writes it.
#pragma once

#include <string>

namespace ferrule::config {

/// The same file with two blanks a level, known keys in the order of docs/configuration.md, `"` for `'` where that
/// means the same, no blanks at the ends of lines and at most one empty line in a row. It is lines that are moved, so
/// comments stay where they belong: with the key below them. Flow maps (`{a: 1}`) and texts of several lines stay as
/// they are.
///
/// The result is proven: read again it says the same, and no line is lost. Throws Error for what is not YAML or has
/// mistakes of its own, and when there is no such result.
std::string formatted(const std::string& text, const std::string& file_name);

}  // namespace ferrule::config

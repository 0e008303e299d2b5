#include "drivers/modbus/import.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <unordered_map>
#include <unordered_set>

#include "config/quote.hpp"
#include "config/utf8.hpp"

namespace ferrule::drivers::modbus {

namespace {

std::string in_braces(const ImportedKeys& keys) {
  std::string text;
  for (const auto& [key, value] : keys) text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", key, value);
  return '{' + text + '}';
}

void number_namesakes(std::vector<ImportedPoint>& points) {
  std::unordered_set<std::string> taken;
  std::unordered_map<std::string, int> last;
  for (auto& point : points) {
    auto& number = last.try_emplace(point.name, 1).first->second;
    for (const auto name = point.name; !taken.insert(point.name).second;) {
      point.name = fmt::format("{}_{}", name, ++number);
    }
  }
}

}  // namespace

std::string as_yaml(ImportedTemplate imported) {
  number_namesakes(imported.points);
  std::string text;
  const auto out = std::back_inserter(text);
  for (const auto& line : imported.heading) fmt::format_to(out, "# {}\n", config::printable(line));
  for (const auto& [key, value] : imported.keys) fmt::format_to(out, "{}: {}\n", key, value);
  fmt::format_to(out, "points:\n");
  for (const auto& point : imported.points) {
    fmt::format_to(out, "  {}: {}", config::as_word(point.name), in_braces(point.keys));
    if (!point.remark.empty()) fmt::format_to(out, "  # {}", config::printable(point.remark));
    fmt::format_to(out, "\n");
  }
  return text;
}

std::string as_name(std::string_view text) {
  std::string name;
  for (const char c : text) {
    const char small = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    const bool kept = (small >= 'a' && small <= 'z') || (small >= '0' && small <= '9');
    if (kept) name += small;
    if (!kept && !name.empty() && name.back() != '_') name += '_';
  }
  while (name.ends_with('_')) name.pop_back();
  return name;
}

}  // namespace ferrule::drivers::modbus

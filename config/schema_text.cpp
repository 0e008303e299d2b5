// The table of keys as docs/configuration.md shows it.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "config/schema.hpp"

namespace ferrule::config {

namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kWords{
    {{"text", "text"},
     {"secret", "text that is never shown"},
     {"path", "a path"},
     {"bool", "true or false"},
     {"integer", "an integer"},
     {"number", "a number"},
     {"duration", "a time"},
     {"durations", "two times such as 1s..1m"},
     {"size", "a size"},
     {"like", "text like"},
     {"object", "a map"}}};

std::string in_words(Shape shape) {
  if (shape.kind == "maps") return fmt::format("{} by names", shape_in_words(shape.rest));
  if (shape.kind == "list") return fmt::format("a list: {}", shape_in_words(shape.rest));
  if (shape.kind == "words") {
    std::string words(shape.rest);
    for (std::size_t at = 0; (at = words.find(' ', at)) != std::string::npos; at += 2) words.replace(at, 1, ", ");
    return words.find(' ') == std::string::npos ? words : "one of " + words;
  }
  const auto* word = std::ranges::find(kWords, shape.kind, &std::pair<std::string_view, std::string_view>::first);
  if (shape.kind == "object" || shape.rest.empty()) return std::string(word->second);
  return fmt::format("{} {}", word->second, shape.rest);
}

/// Where each section stands: `uplinks.*.out[]`.
std::map<std::string_view, std::vector<std::string>> places_of_sections() {
  std::map<std::string_view, std::vector<std::string>> places;
  for (auto [path, key] : schema_places()) {
    for (auto shape : alternatives(key->shape)) {
      auto where = path;
      for (; shape.kind == "maps" || shape.kind == "list"; shape = alternatives(shape.rest).front()) {
        where += shape.kind == "maps" ? ".*" : "[]";
      }
      if (shape.kind == "object") places[shape.rest].push_back(std::move(where));
    }
  }
  return places;
}

/// For a cell of a table in Markdown.
std::string cell(std::string_view text) {
  std::string result;
  for (const char c : text) result += c == '|' ? "\\|" : std::string(1, c);
  return result;
}

std::string code(std::string_view text) { return text.empty() ? std::string() : fmt::format("`{}`", cell(text)); }

/// As GitHub makes it of a heading.
std::string anchor(std::string_view heading) {
  std::string result;
  for (const char c : heading) {
    if (c != '/') result += c;
  }
  return result;
}

}  // namespace

std::string shape_in_words(std::string_view shape) {
  std::string text;
  for (const auto one : alternatives(shape)) text += (text.empty() ? "" : ", or ") + in_words(one);
  return text;
}

std::string schema_reference() {
  const auto places = places_of_sections();
  std::string text;
  for (const auto& section : schema_sections()) {
    text += fmt::format("\n### {}\n\n{}", section.name, section.says);
    if (const auto found = places.find(section.name); found != places.end()) {
      text += " At";
      for (const auto& place : found->second)
        text += fmt::format("{} `{}`", &place == &found->second.front() ? "" : ",", place);
      text += '.';
    }
    std::string also;
    for (auto rest = section.also; !rest.empty();) {
      const auto name = rest.substr(0, rest.find(' '));
      also += fmt::format("{}[{}](#{})", also.empty() ? "" : ", ", name, anchor(name));
      rest.remove_prefix(std::min(name.size() + 1, rest.size()));
    }
    if (!section.chosen_by.empty()) {
      text += fmt::format(" `{}` says which: {}.", section.chosen_by, also);
    } else if (!also.empty()) {
      text += fmt::format(" {}: {}.", section.keys.empty() ? "Keys" : "Also", also);
    }
    text += '\n';
    if (section.keys.empty()) continue;
    text += "\n| key | value | default | example | |\n|---|---|---|---|---|\n";
    for (const auto& key : section.keys) {
      const auto fallback = key.fallback == kRequired ? std::string(kRequired) : code(key.fallback);
      text += fmt::format("| `{}` | {} | {} | {} | {} |\n", key.name, cell(shape_in_words(key.shape)), fallback,
                          code(key.example), cell(key.says));
    }
  }
  return text;
}

}  // namespace ferrule::config

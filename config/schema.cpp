#include "config/schema.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "config/node.hpp"

namespace ferrule::config {

namespace {

std::vector<std::string_view> split(std::string_view text, std::string_view separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const auto end = std::min(text.find(separator), text.size());
    parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + separator.size(), text.size()));
  }
  return parts;
}

void add_keys(const SchemaSection& section, std::string_view choice, std::vector<const SchemaKey*>& keys) {
  const auto own = keys.size();
  for (const auto& key : section.keys) keys.push_back(&key);
  const auto hidden = [&, end = keys.size()](const SchemaKey* key) {
    return std::any_of(keys.begin() + static_cast<std::ptrdiff_t>(own), keys.begin() + static_cast<std::ptrdiff_t>(end),
                       [&](const auto* mine) { return mine->name == key->name; });
  };
  for (const auto name : split(section.also, " ")) {
    const bool is_case = name.starts_with(section.name) && name.substr(section.name.size()).starts_with('/');
    if (is_case && !choice.empty() && name.substr(section.name.size() + 1) != choice) continue;
    std::vector<const SchemaKey*> more;
    add_keys(schema_section(name), choice, more);
    std::copy_if(more.begin(), more.end(), std::back_inserter(keys), [&](const auto* key) { return !hidden(key); });
  }
}

/// The places below one key: those of the section that a shape is about.
void add_places(std::string path, Shape shape, std::vector<SchemaPlace>& places) {
  if (shape.kind == "maps" || shape.kind == "list") {
    path += shape.kind == "maps" ? ".*" : "[]";
    for (const auto inner : alternatives(shape.rest)) add_places(path, inner, places);
  } else if (shape.kind == "object") {
    if (!path.empty()) path += '.';
    for (const auto* key : keys_of(schema_section(shape.rest))) {
      places.push_back({path + std::string(key->name), key});
      for (const auto inner : alternatives(key->shape)) {
        if (shape.rest == "configuration" && key->name == "templates") continue;
        add_places(path + std::string(key->name), inner, places);
      }
    }
  }
}

/// A path level by level, without `[]` and, of what a user wrote, without `[0]`.
std::vector<std::string_view> levels(std::string_view path) {
  auto parts = split(path, ".");
  for (auto& part : parts) part = part.substr(0, part.find('['));
  return parts;
}

/// Whether `wanted` names `place`, or its end; names of the user's choice may be there or not.
bool names(const std::vector<std::string_view>& wanted, const std::vector<std::string_view>& place) {
  auto level = place.rbegin();
  for (auto part = wanted.rbegin(); part != wanted.rend(); ++part, ++level) {
    while (level != place.rend() && *level == "*" && std::next(level) != place.rend() && *std::next(level) == *part)
      ++level;
    if (level == place.rend() || (*level != *part && *level != "*")) return false;
  }
  return true;
}

}  // namespace

std::vector<SchemaSection> schema_sections() {
  std::vector<SchemaSection> all;
  for (const auto part : {field_sections(), device_sections(), broker_sections(), uplink_sections()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

const SchemaSection& schema_section(std::string_view name) {
  for (const auto part : {field_sections(), device_sections(), broker_sections(), uplink_sections()}) {
    const auto found = std::ranges::find(part, name, &SchemaSection::name);
    if (found != part.end()) return *found;
  }
  throw std::logic_error(fmt::format("the table of keys has no section {}", name));
}

std::vector<Shape> alternatives(std::string_view shape) {
  std::vector<Shape> all;
  for (const auto part : split(shape, " | ")) {
    const auto blank = std::min(part.find(' '), part.size());
    all.push_back({part.substr(0, blank), part.substr(std::min(blank + 1, part.size()))});
  }
  return all;
}

std::vector<SchemaPlace> schema_places() {
  std::vector<SchemaPlace> places;
  add_places({}, {"object", "configuration"}, places);
  return places;
}

std::vector<const SchemaKey*> keys_of(const SchemaSection& section, std::string_view choice) {
  std::vector<const SchemaKey*> keys;
  add_keys(section, choice, keys);
  return keys;
}

std::string explain_key(std::string_view wanted, std::string& near) {
  const auto parts = levels(wanted);
  std::vector<const SchemaKey*> found;
  std::vector<std::string> where;  // of each one found
  const auto places = schema_places();
  for (const auto& [path, key] : places) {
    if (!names(parts, levels(path))) continue;
    const auto known = std::ranges::find(found, key);
    if (known == found.end()) {
      found.push_back(key);
      where.push_back(path);
    } else {
      where[static_cast<std::size_t>(known - found.begin())] += ", " + path;
    }
  }
  std::string text;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto& key = *found[i];
    text += fmt::format("{}{}\n  {}\n  {}\n", text.empty() ? "" : "\n", where[i], shape_in_words(key.shape), key.says);
    if (key.fallback == kRequired) {
      text += "  It has to be there.\n";
    } else if (!key.fallback.empty()) {
      text += fmt::format("  default: {}\n", key.fallback);
    }
    text += fmt::format("  example: {}: {}\n", key.name, key.example);
  }
  if (text.empty() && !parts.empty()) {
    std::vector<std::string_view> known;
    for (const auto& place : places) known.push_back(place.key->name);
    near = nearest(parts.back(), known);
  }
  return text;
}

}  // namespace ferrule::config

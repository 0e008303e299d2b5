// The table of keys as JSON Schema (draft-07), for editors.
#include <algorithm>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>

#include "config/schema.hpp"
#include "config/tree.hpp"
#include "config/units.hpp"

namespace ferrule::config {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kDuration = "([0-9]+(ms|s|m|h|d))+";
constexpr std::string_view kSize = "[0-9]+(B|[kK]B|[MGT]B|[KMGT]iB)";

/// A word as an editor's YAML reader takes it: `1.2` is a number, `true` a boolean.
Json scalar(std::string_view text, bool quoted) {
  if (quoted) return std::string(text);
  if (text == "true" || text == "false") return text == "true";
  const bool hexadecimal = text.starts_with("0x");
  const auto digits = hexadecimal ? text.substr(2) : text;
  const auto* end = digits.data() + digits.size();
  std::int64_t integer = 0;
  const auto whole = std::from_chars(digits.data(), end, integer, hexadecimal ? 16 : 10);
  if (!digits.empty() && whole.ec == std::errc{} && whole.ptr == end) return integer;
  double number = 0;
  const auto real = std::from_chars(text.data(), end, number);
  if (!text.empty() && real.ec == std::errc{} && real.ptr == end) return number;
  return std::string(text);
}

Json to_json(const Node::Tree& tree) {
  if (tree.kind == Kind::Map) {
    auto map = Json::object();
    for (const auto& entry : tree.children->entries) map[std::string(entry.key)] = to_json(*entry.value);
    return map;
  }
  if (tree.kind == Kind::List) {
    auto list = Json::array();
    for (const auto* item : tree.children->items) list.push_back(to_json(*item));
    return list;
  }
  if (tree.tag == Tag::File) return "!file " + std::string(tree.text);
  if (tree.tag == Tag::Credential) return "!credential " + std::string(tree.text);
  if (tree.tag == Tag::Env) return "!env " + std::string(tree.text);
  return scalar(tree.text, tree.quoted);
}

Json value_of(std::string_view yaml) {
  Node::State state("x: " + std::string(yaml) + "\n", "the table of keys", nullptr);
  parse_yaml(state);
  if (state.has_mistakes()) throw state.error();
  return to_json(*state.root->children->entries.front().value);
}

Json limit(std::string_view kind, std::string_view text) {
  return kind == "integer" || kind == "number" ? scalar(text, false) : Json();
}

Json with_limits(Shape shape, Json schema) {
  const auto dots = shape.rest.find("..");
  if (dots == std::string_view::npos) return schema;
  const auto min = limit(shape.kind, shape.rest.substr(0, dots));
  const auto max = limit(shape.kind, shape.rest.substr(dots + 2));
  if (min.is_number()) schema["minimum"] = min;
  if (max.is_number()) schema["maximum"] = max;
  return schema;
}

/// A slash would be one of the reference's own.
std::string definition(std::string_view section) {
  std::string name(section);
  std::ranges::replace(name, '/', '-');
  return name;
}

Json any_of(std::string_view shape);

Json pattern(std::string_view text) { return {{"type", "string"}, {"pattern", "^" + std::string(text) + "$"}}; }

/// `0` needs no unit.
Json with_zero(Json schema) {
  schema["type"] = {"string", "integer"};
  schema["minimum"] = schema["maximum"] = 0;
  return schema;
}

/// What stands in a file of its own: `!include PATH`, which editors take for text.
Json or_included(Json schema) {
  schema["type"] = {schema["type"], "string"};
  schema["pattern"] = "\\.ya?ml$";
  return schema;
}

Json words(std::string_view list) {
  auto all = Json::array();
  while (!list.empty()) {
    const auto word = list.substr(0, list.find(' '));
    list.remove_prefix(std::min(word.size() + 1, list.size()));
    all.push_back(std::string(word));
    if (const auto read = scalar(word, false); !read.is_string()) all.push_back(read);
  }
  return {{"enum", std::move(all)}};
}

Json one(Shape shape) {
  if (shape.kind == "text" || shape.kind == "secret" || shape.kind == "path") {
    return {{"type", {"string", "number", "boolean"}}};
  }
  if (shape.kind == "bool") return {{"type", "boolean"}};
  if (shape.kind == "integer" || shape.kind == "number") return with_limits(shape, {{"type", shape.kind}});
  if (shape.kind == "duration") return with_zero(pattern(kDuration));
  if (shape.kind == "durations") return pattern(std::string(kDuration) + " *\\.\\. *" + std::string(kDuration));
  if (shape.kind == "size") return with_zero(pattern(kSize));
  if (shape.kind == "words") return words(shape.rest);
  if (shape.kind == "like") return {{"type", "string"}, {"pattern", shape.rest}};
  if (shape.kind == "list") return or_included({{"type", "array"}, {"items", any_of(shape.rest)}});
  if (shape.kind == "maps") return or_included({{"type", "object"}, {"additionalProperties", any_of(shape.rest)}});
  if (shape.kind == "object") return {{"$ref", "#/definitions/" + definition(shape.rest)}};
  throw std::logic_error("a shape of an unknown kind: " + std::string(shape.kind));
}

Json any_of(std::string_view shape) {
  const auto all = alternatives(shape);
  if (all.size() == 1) return one(all.front());
  auto list = Json::array();
  for (const auto alternative : all) list.push_back(one(alternative));
  return {{"anyOf", std::move(list)}};
}

/// Of what buses the devices and points are that have a key: `can` for those of `point/can`. Empty: of any.
std::string_view bus_of(const SchemaKey& key) {
  static const auto kBuses = [] {
    std::map<const SchemaKey*, std::string_view> buses;
    for (const auto& section : schema_sections()) {
      for (const std::string_view kind : {"described/", "point/"}) {
        if (!section.name.starts_with(kind)) continue;
        for (const auto* one : keys_of(section)) buses[one] = section.name.substr(kind.size());
      }
    }
    return buses;
  }();
  const auto found = kBuses.find(&key);
  return found == kBuses.end() ? std::string_view() : found->second;
}

Json property(const SchemaKey& key) {
  auto schema = any_of(key.shape);
  // Beside a $ref nothing else counts in draft-07.
  if (schema.contains("$ref")) schema = {{"allOf", Json::array({std::move(schema)})}};
  Json described = {{"description", key.says}};
  if (!key.fallback.empty() && key.fallback != kRequired) described["default"] = value_of(key.fallback);
  described["examples"] = Json::array({value_of(key.example)});
  // For forms, which know more than an editor: it has to be there, unless a template has it.
  if (const auto bus = bus_of(key); !bus.empty()) {
    described["x-bus"] = bus;
    if (key.fallback == kRequired) described["x-required"] = true;
  }
  described.update(schema);
  return described;
}

/// The keys of a section; of keys with one name that different drivers have, either may be meant.
Json properties(const std::vector<const SchemaKey*>& keys) {
  auto all = Json::object();
  for (const auto* key : keys) {
    auto& known = all[std::string(key->name)];
    if (known.is_null()) {
      known = property(*key);
      continue;
    }
    if (known.contains("description")) known = {{"anyOf", Json::array({known})}};
    known["anyOf"].push_back(property(*key));
  }
  return all;
}

Json required(const std::vector<const SchemaKey*>& keys) {
  auto names = Json::array();
  for (const auto* key : keys) {
    if (key->fallback == kRequired) names.push_back(key->name);
  }
  return names;
}

Json closed(const SchemaSection& section, const std::vector<const SchemaKey*>& keys,
            const std::vector<const SchemaKey*>& wanted) {
  Json schema = {{"description", section.says},
                 {"type", "object"},
                 {"properties", properties(keys)},
                 {"additionalProperties", false}};
  if (auto names = required(wanted); !names.empty()) schema["required"] = std::move(names);
  return schema;
}

std::vector<const SchemaKey*> own_keys(const SchemaSection& section) {
  std::vector<const SchemaKey*> keys;
  for (const auto& key : section.keys) keys.push_back(&key);
  return keys;
}

/// A map whose `chosen_by` says which keys it has besides.
Json chosen(const SchemaSection& section) {
  const auto own = own_keys(section);
  const auto* by = *std::ranges::find(own, section.chosen_by, &SchemaKey::name);
  Json schema = {{"description", section.says}, {"type", "object"}, {"properties", properties(own)}};
  if (auto names = required(own); !names.empty()) schema["required"] = std::move(names);
  auto cases = Json::array();
  for (auto rest = alternatives(by->shape).front().rest; !rest.empty();) {
    const std::string word(rest.substr(0, rest.find(' ')));
    rest.remove_prefix(std::min(word.size() + 1, rest.size()));
    const auto& special = schema_section(std::string(section.name) + "/" + word);
    auto keys = keys_of(special);
    auto all = own;
    all.insert(all.end(), keys.begin(), keys.end());
    Json condition = {{"properties", {{std::string(by->name), {{"const", word}}}}}};
    if (word != by->fallback) condition["required"] = Json::array({by->name});
    cases.push_back({{"if", std::move(condition)}, {"then", closed(special, all, keys)}});
  }
  schema["allOf"] = std::move(cases);
  return schema;
}

/// The sections that some key is about; the others only lend their keys.
std::set<std::string_view> sections_in_use(const std::vector<SchemaSection>& sections) {
  constexpr std::string_view kObject = "object ";
  std::set<std::string_view> names;
  for (const auto& section : sections) {
    for (const auto& key : section.keys) {
      const auto at = key.shape.find(kObject);
      if (at != std::string_view::npos) names.insert(key.shape.substr(at + kObject.size()));
    }
  }
  return names;
}

}  // namespace

std::string json_schema() {
  Json definitions;
  const auto sections = schema_sections();
  const auto in_use = sections_in_use(sections);
  for (const auto& section : sections) {
    if (!in_use.contains(section.name)) continue;
    // Only own keys have to be there: of others a template may say them.
    definitions[definition(section.name)] = section.chosen_by.empty()
                                                ? or_included(closed(section, keys_of(section), own_keys(section)))
                                                : or_included(chosen(section));
  }
  const auto& file = sections.front();
  Json schema = {{"$schema", "http://json-schema.org/draft-07/schema#"}, {"title", "Ferrule configuration"}};
  schema.update(closed(file, keys_of(file), own_keys(file)));
  schema["definitions"] = std::move(definitions);
  return schema.dump(2) + "\n";
}

}  // namespace ferrule::config

// What may stand in a configuration file: every key with its shape, default, example and meaning.
//
// This table is for people and editors: `ferrule schema`, `ferrule explain KEY` and docs/configuration.md are made of
// it. The readers decide by themselves; tests/gateway/schema_test.cpp holds what they ask for (config/asked.hpp)
// against it, in both directions.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ferrule::config {

/// The default of a key that has to be there.
inline constexpr std::string_view kRequired = "required";

struct SchemaKey {
  std::string_view name;
  /// Alternatives with " | " between them, each one of
  ///   `text`, `secret`, `path`, `bool`, `integer 1..10`, `number 0..`, `duration 10ms..1m`, `durations` (`1s..60s`),
  ///   `size 1KiB..`, `words a b c`, `like REGULAR-EXPRESSION`, `object SECTION`, `list SHAPE`,
  ///   `maps SHAPE` (a map whose keys are names of the user's choice).
  std::string_view shape;
  std::string_view fallback;  ///< what counts without the key, as one would write it; empty: nothing; or kRequired
  std::string_view example;   ///< of the value, in YAML on one line
  std::string_view says;      ///< a sentence or two
};

/// The keys of one kind of map.
struct SchemaSection {
  std::string_view name;  ///< `bus`; `bus/can` is what `bus` is in one case
  std::string_view says;
  std::span<const SchemaKey> keys;
  std::string_view also;       ///< sections whose keys belong to it too, with blanks between
  std::string_view chosen_by;  ///< a key of its own, whose word chooses one of `also`: `can` is for `bus/can`
};

/// All of them; the first is the file itself, the others come where they are first used.
std::vector<SchemaSection> schema_sections();
/// Throws std::logic_error when there is none.
const SchemaSection& schema_section(std::string_view name);

/// One alternative of a shape: `duration`, `10ms..1m`.
struct Shape {
  std::string_view kind;
  std::string_view rest;
};
std::vector<Shape> alternatives(std::string_view shape);
/// For people: `one of json, raw`, `a list of numbers`.
std::string shape_in_words(std::string_view shape);

/// A key and where it may stand: `devices.*.points.*.unit`, `uplinks.*.out[].from`.
struct SchemaPlace {
  std::string path;
  const SchemaKey* key;
};
/// Every place of every key, in order; those of `templates`, which are like those of `devices`, are left out.
std::vector<SchemaPlace> schema_places();

/// The keys that a section has in one case, its own first; in every case when `choice` is empty.
std::vector<const SchemaKey*> keys_of(const SchemaSection& section, std::string_view choice = {});

/// JSON Schema, draft-07, of a configuration file.
std::string json_schema();
/// For docs/configuration.md: a table of keys for each section.
std::string schema_reference();
/// What is to be said of a key, for a terminal. `wanted` is a path, with or without names of the user's choice, or the
/// end of one: `heartbeat`, `uplinks.hq.out.to`. Empty when there is none; then `near` is the nearest name.
std::string explain_key(std::string_view wanted, std::string& near);

// Parts of the table, in files of their own.
std::span<const SchemaSection> field_sections();   ///< the file, gateway, buses, modbus_servers
std::span<const SchemaSection> device_sections();  ///< devices, points, publish
std::span<const SchemaSection> broker_sections();
std::span<const SchemaSection> uplink_sections();  ///< queue, uplinks

}  // namespace ferrule::config

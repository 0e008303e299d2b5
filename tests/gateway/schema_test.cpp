// The table of keys against what the readers ask for, and against itself.
#include "config/schema.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include "config/asked.hpp"
#include "config/error.hpp"
#include "config/node.hpp"
#include "gateway/settings.hpp"

namespace ferrule::gateway {
namespace {

using config::Question;
using config::SchemaKey;
using config::Shape;

// Who is called like a driver or a type is of it: so it is known which of a section's cases is meant.
constexpr std::array<std::string_view, 4> kProbes{R"(
version: 1
gateway: {remote: {}, http: {tls: {sni: [{}]}, users: {u: {password: x}}, tokens: {t: {}}}}
buses:
  modbus-tcp: {type: modbus-tcp, host: a, standby: {}}
  modbus-rtu: {type: modbus-rtu, port: /dev/a, line: {rs485: {}}}
  modbus-rtu-tcp: {type: modbus-rtu-tcp, host: b, standby: {}}
  modbus-ascii: {type: modbus-ascii, port: /dev/b, line: {rs485: {}}}
  modbus-ascii-tcp: {type: modbus-ascii-tcp, host: c, standby: {}}
  modbus-udp: {type: modbus-udp, host: d}
  modbus-tls: {type: modbus-tls, host: e, standby: {}}
  serial: {type: serial, port: /dev/c}
  system: {type: system}
  can: {type: can, interface: can0}
templates:
  modbus: {points: {t: {register: holding, address: 0}}}
  serial: {frame: {end: x}}
  can: {}
  system: {}
devices:
  modbus:
    bus: modbus-tcp
    template: modbus
    window: {values: [min]}
    homeassistant: {}
    points:
      a: {register: holding, address: 0, type: uint64, bit: 0, bits: {0: b}, counter: {}, write: {}, invalid: [0, 1], enum: {0: zero}, clamp: {}, alarms: {hot: {above: 1}, cold: {below: 1}, on: {is: true}}}
      b: {register: holding, address: 9, type: string, length: 1}
      c: {register: holding, address: 19, type: int16, scale_factor: 20, clamp: {min: 0, max: 1}, write: {min: 0, max: 1}, alarms: {low: {is: 1}}}
      d: {register: coil, address: 1, alarms: {on: {is: true}}}
      e: {register: holding, address: 30, counter: true, write: true}
  serial:
    bus: serial
    template: serial
    request: {send: x}
    frame: {end: x, checksum: {algorithm: none}, length: {at: 1}}
    points:
      p: {at: 1, type: string}
      q: {at: 1, type: uint64, bit: 0, invalid: [1]}
      r: {match: (1), from: 1, only: x, invalid: 1}
  can:
    bus: can
    template: can
    dbc: none.dbc
    stale_after: 1s
    points:
      p: {message: 1, start_bit: 0, length: 64, mux: {start_bit: 0, length: 8, value: 1}, invalid: 1, write: {fill: 1}, stale_after: 1s}
      q: {pgn: 1, source: 1, start_bit: 0, mux: {start_bit: 0, length: 8, value: [1]}, invalid: [1]}
      r: {signal: A.B, write: true}
  system:
    bus: system
    template: system
    points:
      p: {from: disk_used}
      q: {from: link}
      r: {from: cpu_temperature}
      s: {from: one_wire}
      t: {from: gpio}
      u: {from: file}
publish: {topic: x, format: raw, payload: x, window: {values: [min]}, homeassistant: {}}
modbus_servers:
  modbus-tcp:
    listen: 127.0.0.1:1
    allow: [127.0.0.1]
    points: [{from: modbus/a, register: holding, address: 0, type: uint64, bit: 0, invalid: 1}, {from: modbus/b, register: holding, address: 9, type: string, length: 1}]
    shares: {modbus-rtu: {units: [1]}, modbus-tcp: {units: [1]}}
  modbus-rtu: {type: modbus-rtu, port: /dev/d, address_base: 1, points: [{from: modbus/a, register: holding, address: 1}]}
broker:
  listen:
    - {port: 1, tls: {sni: [{}]}, proxy_protocol: [10.0.0.1], users: [u], origins: [x]}
    - {unix: x}
    - {systemd: x}
    - {}
  users: {u: {password: x, subscribe: [a], publish: [a]}}
  clients: {c: {}}
queue: {max_age: 1d, when_full: {}}
uplinks:
  u:
    url: mqtt://a
    sas: {}
    sparkplug: {group: g, primary_host: h}
    proxy: {}
    tls: {alpn: [x]}
    out: [{from: a, to: b, batch: {}}]
    in: [{from: a, to: b, qos: 0}]
    queue: {}
)",
                                                  R"(
gateway: {http: 127.0.0.1:1}
buses: {serial: {type: serial, host: a, port: 1}, modbus-tcp: {type: modbus-tcp, host: a}}
devices:
  serial: {bus: serial, fields: {split: x}, frame: {length: 9, checksum: none}, points: {p: {from: 1}}}
  modbus: {bus: modbus-tcp, address_base: 1, points: {p: {register: holding, address: 1, type: int16, scale_factor: 2, characters_per_register: 1}}}
broker: {persistence: true, password_file: none}
queue: {when_full: reject, keep: x, backfill: {rate: 1}}
uplinks: {u: {url: [mqtt://a], proxy: x}}
)",
                                                  R"(
buses: {serial: {type: serial, host: a, port: 1}}
devices:
  serial: {bus: serial, pairs: {separator: x, assign: x}, frame: {end: x}, homeassistant: false, points: {p: {from: 1}}}
publish: {homeassistant: false}
)",
                                                  R"(
buses: {serial: {type: serial, host: a, port: 1}}
devices:
  serial: {bus: serial, json: true, frame: {end: x}, points: {p: {from: /a}}}
)"};

std::vector<Question> questions() {
  const config::Questions gathered;
  for (const auto probe : kProbes) {
    try {
      // The mistake keeps what was read from being spelled out for its fingerprint.
      parse_settings(std::string(probe) + "nobody: reads it\n", "probe.yaml");
    } catch (const config::Error&) {
    }
  }
  return gathered.all();
}

std::set<std::string_view> cases() {
  std::set<std::string_view> all;
  for (const auto& section : config::schema_sections()) {
    if (const auto slash = section.name.find('/'); slash != section.name.npos)
      all.insert(section.name.substr(slash + 1));
  }
  return all;
}

/// What the table says of a path: the key whose value, or part of it, stands there, and that part's alternatives.
struct Place {
  const SchemaKey* key = nullptr;
  std::vector<Shape> shapes;
};

std::vector<Shape> inside(const std::vector<Shape>& shapes, std::string_view kind) {
  std::vector<Shape> all;
  for (const auto shape : shapes) {
    if (shape.kind != kind) continue;
    const auto inner = config::alternatives(shape.rest);
    all.insert(all.end(), inner.begin(), inner.end());
  }
  return all;
}

std::optional<Place> find(const std::string& path) {
  static const auto known_cases = cases();
  Place place{nullptr, {{"object", "configuration"}}};
  std::string choice;
  std::stringstream parts(path);
  for (std::string part; std::getline(parts, part, '.');) {
    const auto bracket = part.find('[');
    const auto name = part.substr(0, bracket);
    const auto object = std::ranges::find(place.shapes, "object", &Shape::kind);
    const auto keys = object == place.shapes.end() ? std::vector<const SchemaKey*>{}
                                                   : config::keys_of(config::schema_section(object->rest), choice);
    const auto found = std::ranges::find(keys, name, &SchemaKey::name);
    if (found != keys.end()) {
      place = {*found, config::alternatives((*found)->shape)};
    } else if (auto inner = inside(place.shapes, "maps"); !inner.empty()) {
      place.shapes = std::move(inner);
      if (known_cases.contains(name)) choice = name;
    } else {
      return std::nullopt;
    }
    if (bracket != part.npos) place.shapes = inside(place.shapes, "list");
    if (place.shapes.empty()) return std::nullopt;
  }
  return place;
}

bool answers(const Shape& shape, std::string_view kind) {
  if (kind.empty() || shape.kind == kind) return true;
  if (kind == "text")
    return shape.kind == "secret" || shape.kind == "path" || shape.kind == "like" || shape.kind == "words";
  return kind == "integer" && shape.kind == "number";
}

/// Of bytes. A machine of 32 bits refuses more, which the table does not say: it is the same on every machine.
constexpr auto kCountable = static_cast<double>(std::numeric_limits<std::size_t>::max());

/// What was asked of a key, in all.
struct Asked {
  double min = Question::kNone;
  double max = -Question::kNone;
  std::set<std::string> words;
  std::set<std::string> fallbacks;
  bool in_numbers = false;
};

double number(std::string_view kind, std::string_view text) {
  if (kind == "duration") return static_cast<double>(config::parse_duration(text)->count());
  if (kind == "size") return static_cast<double>(*config::parse_size(text));
  return std::stod(std::string(text));
}

std::set<std::string> words_in(std::string_view text) {
  std::stringstream words{std::string(text)};
  return {std::istream_iterator<std::string>(words), {}};
}

TEST(Schema, KnowsEveryKeyThatIsRead) {
  for (const auto& question : questions()) {
    const auto place = find(question.path);
    // The one is asked for only to say that it belongs elsewhere, the other whoever has the point.
    const bool refused = question.path.ends_with(".bitrate") || question.path.ends_with(".bits");
    ASSERT_TRUE(place || refused) << question.path
                                  << " is read, and the table of keys (config/schema_*.cpp) has no such key";
    if (!place || place->key == nullptr || question.fallback == config::kRequired) continue;
    const bool fits =
        std::ranges::any_of(place->shapes, [&](const auto& shape) { return answers(shape, question.kind); });
    EXPECT_TRUE(fits) << question.path << " is read as " << question.kind << ", and the table says "
                      << place->key->shape;
  }
}

TEST(Schema, HasNoKeyThatNothingReads) {
  std::set<const SchemaKey*> read;
  for (const auto& question : questions()) {
    if (const auto place = find(question.path)) read.insert(place->key);
  }
  for (const auto& section : config::schema_sections()) {
    for (const auto& key : section.keys) {
      EXPECT_TRUE(read.contains(&key)) << section.name << ": nothing reads `" << key.name
                                       << "` (or no probe of this test leads there)";
    }
  }
}

TEST(Schema, HasTheLimitsWordsAndDefaultsOfTheReaders) {
  std::map<const SchemaKey*, Asked> asked;
  for (const auto& question : questions()) {
    const auto place = find(question.path);
    if (!place || place->key == nullptr) continue;
    auto& of_key = asked[place->key];
    of_key.fallbacks.insert(question.fallback);
    for (const auto word : question.words) of_key.words.emplace(word);
    if (question.kind != "integer" && question.kind != "duration" && question.kind != "size" &&
        question.kind != "number")
      continue;
    of_key.in_numbers = true;
    of_key.min = std::min(of_key.min, question.min);
    of_key.max = std::max(of_key.max, question.max);
  }
  for (const auto& [key, what] : asked) {
    auto shapes = config::alternatives(key->shape);
    const auto inner = inside(shapes, "list");
    shapes.insert(shapes.end(), inner.begin(), inner.end());
    for (const auto& shape : shapes) {
      if (shape.kind == "words" && !what.words.empty()) {
        EXPECT_EQ(words_in(shape.rest), what.words) << key->name << ": " << key->says;
      }
      const auto dots = shape.rest.find("..");
      const bool has_limits =
          shape.kind == "integer" || shape.kind == "number" || shape.kind == "duration" || shape.kind == "size";
      if (!what.in_numbers || dots == shape.rest.npos || !has_limits) continue;
      const auto min = shape.rest.substr(0, dots), max = shape.rest.substr(dots + 2);
      EXPECT_EQ(min.empty() ? -Question::kNone : number(shape.kind, min), what.min) << key->name << ": " << key->says;
      if (max.empty() && what.max == kCountable) continue;
      EXPECT_EQ(max.empty() ? Question::kNone : number(shape.kind, max), what.max) << key->name << ": " << key->says;
    }
    const auto& fallback = key->fallback;
    if (fallback.empty() || fallback == config::kRequired || fallback.starts_with('[') || !what.words.empty()) continue;
    const auto document = config::Document::parse(fmt::format("x: {}\n", fallback), "default.yaml");
    EXPECT_TRUE(what.fallbacks.contains(document.root()["x"].text()))
        << key->name << " is " << fmt::format("{}", fmt::join(what.fallbacks, " or ")) << " where it is absent, not "
        << fallback;
  }
}

/// Whether `node` is a value of that shape, as far as the table can tell.
bool accepts(const Shape& shape, const config::Node& node) {
  const auto any = [](std::string_view shapes, const config::Node& one) {
    return std::ranges::any_of(config::alternatives(shapes), [&](const auto& other) { return accepts(other, one); });
  };
  if (shape.kind == "maps") {
    return node.is_map() &&
           std::ranges::all_of(node.entries(), [&](const auto& entry) { return any(shape.rest, entry.second); });
  }
  if (shape.kind == "list") {
    return node.is_list() && std::ranges::all_of(node.items(), [&](const auto& item) { return any(shape.rest, item); });
  }
  if (shape.kind == "object") {
    const auto keys = config::keys_of(config::schema_section(shape.rest));
    return node.is_map() && std::ranges::all_of(node.entries(), [&](const auto& entry) {
             return std::ranges::any_of(
                 keys, [&](const auto* key) { return key->name == entry.first && any(key->shape, entry.second); });
           });
  }
  if (!node.is_scalar()) return false;
  if (shape.kind == "secret") return true;
  const auto text = node.text();
  if (shape.kind == "words") return words_in(shape.rest).contains(text);
  if (shape.kind == "bool") return text == "true" || text == "false";
  if (shape.kind == "duration") return config::parse_duration(text).has_value();
  if (shape.kind == "size") return config::parse_size(text).has_value();
  if (shape.kind == "integer" || shape.kind == "number")
    return text.find_first_not_of("0123456789abcdefABCDEFx.-") == text.npos;
  return true;
}

TEST(Schema, HasExamplesAndDefaultsThatItAccepts) {
  for (const auto& section : config::schema_sections()) {
    for (const auto& key : section.keys) {
      EXPECT_FALSE(key.says.empty() || key.example.empty()) << key.name;
      for (const auto text : {key.example, key.fallback}) {
        if (text == config::kRequired || text.empty()) continue;
        const auto document = config::Document::parse(fmt::format("x: {}\n", text), "example.yaml");
        const auto node = document.root()["x"];
        const auto shapes = config::alternatives(key.shape);
        const bool fits = std::ranges::any_of(shapes, [&](const auto& shape) { return accepts(shape, node); });
        EXPECT_TRUE(fits) << section.name << "." << key.name << ": " << text << " is not " << key.shape;
      }
    }
  }
}

TEST(Schema, IsWhatTheDocumentationShows) {
  std::ifstream file(FERRULE_SOURCE_DIR "/docs/configuration.md");
  std::stringstream page;
  page << file.rdbuf();
  constexpr std::string_view kMark = "<!-- Below: `ferrule schema --markdown`. -->\n";
  const auto text = page.str();
  const auto at = text.find(kMark);
  ASSERT_NE(at, text.npos);
  EXPECT_TRUE(text.substr(at + kMark.size()) == config::schema_reference())
      << "docs/configuration.md is stale: run scripts/keys";
}

TEST(Schema, ExplainsAKeyByItsPathOrItsEnd) {
  std::string near;
  const auto batch = config::explain_key("uplinks.hq.out.batch.wait", near);
  EXPECT_EQ(batch, config::explain_key("batch.wait", near));
  EXPECT_NE(batch.find("uplinks.*.out[].batch.wait\n"), batch.npos) << batch;
  EXPECT_NE(batch.find("default: 1s\n"), batch.npos) << batch;
  const auto heartbeat = config::explain_key("heartbeat", near);
  EXPECT_NE(heartbeat.find("devices.*.heartbeat, devices.*.points.*.heartbeat, publish.heartbeat\n"), heartbeat.npos)
      << heartbeat;
  EXPECT_EQ(config::explain_key("hartbeat", near), "");
  EXPECT_EQ(near, "heartbeat");
}

}  // namespace
}  // namespace ferrule::gateway

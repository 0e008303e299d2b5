#include "gateway/mapping_test.hpp"

#include <fmt/format.h>
#include <sysexits.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "drivers/modbus/decode.hpp"
#include "drivers/registry.hpp"
#include "gateway/settings.hpp"
#include "mapping/mapper.hpp"
#include "mqtt/log_limit.hpp"

namespace ferrule::gateway {

namespace {

using drivers::Failure;
using drivers::Quality;
using nlohmann::json;
using namespace std::chrono_literals;

/// Of a test's first step: 2023-11-14T22:13:20Z.
constexpr auto kBegin = 1'700'000'000'000ms;

/// A device of the configuration: its bus, and where its points begin among the bus's.
struct DevicePlace {
  std::size_t bus = 0;
  drivers::PointIndex first = 0;
  const drivers::DeviceSettings* device = nullptr;
};

DevicePlace find_device(const Settings& settings, const config::Node& node) {
  const auto name = node.required_text();
  std::vector<std::string_view> names;
  for (std::size_t bus = 0; bus < settings.buses.size(); ++bus) {
    drivers::PointIndex first = 0;
    for (const auto& device : settings.buses[bus].devices) {
      if (device.name == name) return {bus, first, &device};
      names.push_back(device.name);
      first += static_cast<drivers::PointIndex>(device.points.size());
    }
  }
  const auto near = config::nearest(name, names);
  if (!name.empty()) {
    node.mistake(fmt::format("the configuration has no device \"{}\"", name),
                 near.empty() ? "" : fmt::format("did you mean \"{}\"?", near));
  }
  return {};
}

/// The index of a device's point of that name; nothing, and a mistake, when it has none.
std::optional<std::size_t> find_point(const DevicePlace& place, const std::string& name, const config::Node& node) {
  const auto& points = place.device->points;
  const auto found = std::ranges::find(points, name, &drivers::PointSettings::name);
  if (found != points.end()) return static_cast<std::size_t>(found - points.begin());
  node.mistake(fmt::format("device {} has no point \"{}\"", place.device->name, name));
  return std::nullopt;
}

drivers::modbus::Decoded decode(const config::Node& node, const drivers::PointSettings& point) {
  std::vector<std::uint16_t> registers;
  const auto add = [&](const config::Node& one) {
    registers.push_back(static_cast<std::uint16_t>(one.integer(0, 0, 0xFFFF)));
  };
  if (node.is_list()) {
    for (const auto& item : node.items()) add(item);
  } else {
    add(node);
  }
  const auto width = drivers::modbus::extent_of(point).width;
  if (registers.size() != width) {
    node.mistake(fmt::format("{} fills {} register{}, these are {}", point.name, width, width == 1 ? "" : "s",
                             registers.size()));
    return {};
  }
  return drivers::modbus::decode(registers, point);
}

/// `value` as a device that is no Modbus device says it.
drivers::Value read_value(const config::Node& node, const drivers::PointSettings& point) {
  if (point.type == drivers::Type::String) return node.text();
  if (point.type == drivers::Type::Bool) return node.boolean(false);
  return node.number(0);
}

Failure read_failure(const config::Node& node) {
  std::vector<config::Choice<Failure>> words;
  for (std::size_t i = 1; i < drivers::kFailures; ++i) {
    words.push_back({name(static_cast<Failure>(i)), static_cast<Failure>(i)});
  }
  return node.one_of(Failure::None, words);
}

/// Of one step: registers or values of some points, or a failure of all of the device's.
std::vector<drivers::Reading> read_readings(const config::Node& step, const DevicePlace& place, drivers::BusType bus) {
  std::vector<drivers::Reading> readings;
  if (const auto registers = step["registers"]; registers.present() && !drivers::is_modbus(bus)) {
    registers.mistake(fmt::format("device {} is on a bus of type {}, where there are no registers", place.device->name,
                                  drivers::driver_entry(bus).word),
                      "say in `values` what its points read");
    registers.ignore();
    return readings;
  }
  const auto failure = read_failure(step["failure"]);
  const auto index = [&](std::size_t point) { return place.first + static_cast<drivers::PointIndex>(point); };
  for (const auto& [point_name, node] : step["registers"].entries()) {
    const auto point = find_point(place, point_name, node);
    if (!point) continue;
    auto decoded = decode(node, place.device->points[*point]);
    readings.push_back({index(*point), decoded.quality, decoded.failure, std::move(decoded.value), {}, {}});
  }
  for (const auto& [point_name, node] : step["values"].entries()) {
    const auto point = find_point(place, point_name, node);
    if (!point) continue;
    auto value = read_value(node, place.device->points[*point]);
    readings.push_back({index(*point), Quality::Good, Failure::None, std::move(value), {}, {}});
  }
  if (failure != Failure::None) {
    for (std::size_t i = 0; i < place.device->points.size(); ++i) {
      readings.push_back({index(i), Quality::Bad, failure, {}, {}, {}});
    }
  }
  if (readings.empty()) step.mistake("has nothing that the device says", "registers, values or failure");
  return readings;
}

bool same_number(const json& value, const std::string& expected) {
  double number = 0;
  const auto* end = expected.data() + expected.size();
  const auto [rest, error] = std::from_chars(expected.data(), end, number);
  return error == std::errc{} && rest == end && value.get<double>() == number;
}

/// Whether a JSON value is what is expected of it: of a map each of its keys, of anything else all.
bool holds(const json& value, const config::Node& expected) {
  if (expected.is_map()) {
    const auto members = expected.entries();
    return value.is_object() && std::ranges::all_of(members, [&](const auto& member) {
             const auto found = value.find(member.first);
             return found != value.end() && holds(*found, member.second);
           });
  }
  if (expected.is_list()) {
    const auto items = expected.items();
    return value.is_array() && std::ranges::equal(value, items, holds);
  }
  if (!expected.present()) return value.is_null();
  const auto text = expected.text();
  if (value.is_boolean()) return text == (value.get<bool>() ? "true" : "false");
  if (value.is_number()) return same_number(value, text);
  return value.is_string() && value.get<std::string>() == text;
}

bool holds(const std::string& payload, const config::Node& expected) {
  if (!expected.is_map()) return payload == expected.text();
  const auto value = json::parse(payload, nullptr, false);
  return !value.is_discarded() && holds(value, expected);
}

/// The tests of one file.
class Run {
 public:
  Run(const config::Document& tests, const Settings& settings) : tests_(tests), settings_(settings) {}

  /// Runs the test; what differs goes to the list, as a line for people.
  std::vector<std::string> run(const config::Node& test) {
    mappers_.clear();
    wrong_.clear();
    auto at = 0ms;
    const auto steps = test["steps"];
    if (!steps.present()) steps.mistake("is missing: what happens, one step after the other");
    for (const auto& step : steps.items()) {
      at = step["at"].duration(at);
      const auto place = find_device(settings_, step["device"]);
      const auto expected = step["publishes"].entries();
      if (place.device != nullptr)
        compare(step, feed(place, read_readings(step, place, settings_.buses[place.bus].type), at), expected);
      at += 1s;
    }
    return wrong_;
  }

 private:
  std::vector<mqtt::PublicationPtr> feed(const DevicePlace& place, std::vector<drivers::Reading> readings,
                                         std::chrono::milliseconds at) {
    auto& mapper = mappers_[place.bus];
    if (!mapper) mapper = std::make_unique<mapping::Mapper>(settings_.mappings[place.bus], pool_);
    for (auto& reading : readings) {
      reading.at = std::chrono::system_clock::time_point{kBegin + at};
      reading.seen = std::chrono::steady_clock::time_point{1h + at};
    }
    std::vector<mqtt::PublicationPtr> published;
    mapper->map(readings, published);
    return published;
  }

  void compare(const config::Node& step, const std::vector<mqtt::PublicationPtr>& published,
               const std::vector<std::pair<std::string, config::Node>>& expected) {
    std::set<const mqtt::Publication*> found;
    for (const auto& [topic, payload] : expected) {
      payload.ignore();  // who looks at what of it depends on what is published
      const auto match = std::ranges::find(published, topic, [](const auto& one) { return one->topic; });
      if (match == published.end()) {
        differs(payload, fmt::format("nothing is published to {}", topic));
        continue;
      }
      found.insert(match->get());
      if (!holds((*match)->payload, payload)) {
        differs(payload, fmt::format("{} is {}", topic, mqtt::for_log((*match)->payload)));
      }
    }
    for (const auto& one : published) {
      if (found.contains(one.get())) continue;
      differs(step, fmt::format("{} is published, too: {}", one->topic, mqtt::for_log(one->payload)));
    }
  }

  void differs(const config::Node& node, const std::string& how) {
    wrong_.push_back(fmt::format("{}:{}: {}", tests_.file(), node.where().line, how));
  }

  const config::Document& tests_;
  const Settings& settings_;
  mapping::PublicationPool pool_;
  std::map<std::size_t, std::unique_ptr<mapping::Mapper>> mappers_;  // by bus
  std::vector<std::string> wrong_;
};

}  // namespace

int test_mapping(const std::filesystem::path& file) {
  const auto document = config::Document::load(file);
  const auto root = document.root();
  const auto configuration = root["configuration"];
  if (configuration.required_text().empty()) document.finish();
  const auto settings = load_settings(configuration.file_path());
  Run run(document, settings);
  struct Outcome {
    std::string name;
    std::vector<std::string> wrong;
  };
  std::vector<Outcome> outcomes;
  for (const auto& test : root["tests"].items()) {
    auto test_name = test["name"].required_text();
    outcomes.push_back({std::move(test_name), run.run(test)});
  }
  if (outcomes.empty()) root["tests"].mistake("is missing: there is nothing to test");
  document.finish();
  std::size_t failed = 0;
  for (const auto& [name, wrong] : outcomes) {
    failed += wrong.empty() ? 0 : 1;
    fmt::print("{} {}\n", wrong.empty() ? "ok    " : "FAILED", name);
    for (const auto& line : wrong) fmt::print("       {}\n", line);
  }
  fmt::print("{} passed, {} failed\n", outcomes.size() - failed, failed);
  return failed == 0 ? EX_OK : 1;
}

}  // namespace ferrule::gateway

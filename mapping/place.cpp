#include "mapping/place.hpp"

#include <fmt/format.h>

#include <array>
#include <span>

#include "drivers/settings_points.hpp"

namespace ferrule::mapping {

namespace {

enum Word : std::size_t { kGateway, kSite, kArea, kLine, kBus, kDevice, kUnit, kPoint };
constexpr std::array<std::string_view, 8> kWords{"gateway", "site", "area", "line", "bus", "device", "unit", "point"};

std::string value_of(std::size_t word, const TopicNames& names) {
  switch (word) {
    case kGateway:
      return names.place.gateway;
    case kSite:
      return names.place.site;
    case kArea:
      return names.place.area;
    case kLine:
      return names.place.line;
    case kBus:
      return names.bus.name;
    case kDevice:
      return names.device.name;
    case kUnit:
      return fmt::format("{}", names.device.unit_id);
    default:
      return names.point.name;
  }
}

std::string read_level(const config::Node& node, const std::string& fallback) {
  const auto name = node.text(fallback);
  if (node.present()) drivers::check_topic_level(name, node);
  return name;
}

/// What no topic to publish to may have, whatever stands for its placeholders.
std::string_view what_is_wrong(std::string_view topic) {
  if (topic.find_first_of("+#") != std::string_view::npos) return "a topic to publish to has no wildcards + and #";
  if (topic.starts_with('$')) return "topics that begin with $ are the broker's own";
  if (topic.starts_with('/') || topic.ends_with('/') || topic.find("//") != std::string_view::npos) {
    return "has an empty level: a / at the beginning, at the end or next to another";
  }
  return {};
}

}  // namespace

Place read_place(const config::Node& section, Place defaults) {
  defaults.site = read_level(section["site"], defaults.site);
  defaults.area = read_level(section["area"], defaults.area);
  defaults.line = read_level(section["line"], defaults.line);
  return defaults;
}

Template read_topic(const config::Node& node) {
  const auto text = node.required_text();
  const auto parsed = Template::parse(text, kWords);
  const auto wrong = what_is_wrong(text);
  if (!parsed) {
    node.mistake(fmt::format("unknown placeholder \"{{{}}}\"", parsed.error()),
                 fmt::format("placeholders are {{{}}}", fmt::join(kWords, "} {")));
  } else if (!wrong.empty()) {
    node.mistake(std::string(wrong));
  }
  return parsed && wrong.empty() ? *parsed : Template{};
}

Template default_topic(std::string_view text) { return Template::parse(text, kWords).value(); }

bool names_point(const Template& topic) { return topic.has(kPoint); }

std::string render_topic(const Template& topic, const TopicNames& names) {
  std::string text;
  bool complete = true;
  topic.render(text, [&](std::size_t word) {
    const auto value = value_of(word, names);
    if (value.empty()) {
      names.device.publish.mistake(
          fmt::format("its topics have {{{0}}}, but neither it nor the gateway has a {0}", kWords[word]),
          fmt::format("e.g. {}: north", kWords[word]));
      complete = false;
    }
    text += value;
  });
  return complete ? text : std::string{};
}

}  // namespace ferrule::mapping

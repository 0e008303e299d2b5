// Where in the plant a device stands, and the topics that say so.
#pragma once

#include <string>
#include <string_view>

#include "config/node.hpp"
#include "drivers/settings.hpp"
#include "mapping/template.hpp"

namespace ferrule::mapping {

/// The levels above a device, of the `gateway` section; a device may have others. ISA-95 calls them so.
struct Place {
  std::string gateway;
  std::string site;
  std::string area;
  std::string line;
};

/// Reads `site`, `area` and `line` of `section` over `defaults`.
Place read_place(const config::Node& section, Place defaults);

/// Reads a topic template: `{gateway} {site} {area} {line} {bus} {device} {unit} {point}`, where `{unit}` is the
/// device's unit id. Unknown placeholders, wildcards and empty levels are mistakes at `node`.
Template read_topic(const config::Node& node);

/// The template of a text that is known to be one.
Template default_topic(std::string_view text);

bool names_point(const Template& topic);

/// What a topic's placeholders stand for.
struct TopicNames {
  const Place& place;
  const drivers::BusSettings& bus;
  const drivers::DeviceSettings& device;
  const drivers::PointSettings& point;
};

/// The topic. A placeholder for which there is nothing is a mistake at the device, and then the result is empty.
std::string render_topic(const Template& topic, const TopicNames& names);

}  // namespace ferrule::mapping

// Formats that a route of an uplink asks for, beside the one in which everybody gets a point.
#pragma once

#include <optional>
#include <string>

#include "config/node.hpp"
#include "mapping/payload.hpp"
#include "mqtt/topic.hpp"

namespace ferrule::mapping {

/// `format: influx`, or `payload: "{value}"`, of a route.
struct Form {
  Format format = Format::Json;
  Template payload;  ///< of Format::Template
};

/// Nothing when the route takes what is published as it is. Mistakes go to the document.
std::optional<Form> read_form(const config::Node& route);

/// What one route asks for.
struct RouteForm {
  mqtt::TopicFilter from;  ///< of the points' own topics
  Form form;
  std::string prefix;  ///< of the topics under which the route, and nobody else, finds it
};

}  // namespace ferrule::mapping

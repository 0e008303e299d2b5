// Points as metrics of Sparkplug B.
#pragma once

#include <span>
#include <string>

#include "mapping/payload.hpp"

namespace ferrule::mapping {

/// Appends a Sparkplug payload of one metric for each sample, by its point's name, with the value's own time; without
/// sequence number and aliases, which belong to the edge node's session (bridge/edge_node.hpp). A value that is not
/// good has the property "Quality", 500 when the device cannot be reached and 0 otherwise, and the cause.
void append_metrics(std::string& out, std::span<const Sample> samples);

}  // namespace ferrule::mapping

// Which devices and points a Sparkplug edge node has: those in the format `sparkplug`.
#pragma once

#include "config/node.hpp"
#include "drivers/settings.hpp"
#include "gateway/settings.hpp"
#include "mapping/settings.hpp"
#include "mqtt/sparkplug_payload.hpp"

namespace ferrule::gateway {

/// The type that holds every value of the point as it is published: its own, unless something is calculated, which is
/// a Double, or named, which is a String.
mqtt::sparkplug::Datatype metric_type(const drivers::PointSettings& point, const mapping::PointRule& rule);

/// Gives the devices to the uplinks of `settings` that are edge nodes. Mistakes and warnings go to the document;
/// devices still have their nodes. `uplinks` is the section.
void find_edge_devices(const config::Node& uplinks, Settings& settings);

}  // namespace ferrule::gateway

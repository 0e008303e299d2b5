// The `points` of a device and of its template as plain structs.
#pragma once

#include <string_view>
#include <vector>

#include "drivers/settings.hpp"
#include "drivers/settings_layers.hpp"

namespace ferrule::drivers {

/// Shortest and longest poll interval.
inline constexpr std::chrono::milliseconds kMinInterval{10};
inline constexpr std::chrono::milliseconds kMaxInterval{std::chrono::hours{24}};

/// Reads the points of a device over those of its template: the template's first, in its order, then the device's
/// further ones. What a point does not say is looked up in the device (`byte_order`, `interval`), then in the template.
/// An address counts from the `address_base` of the map that it stands in: a device's own base does not move its
/// template's points. Mistakes go to the document.
std::vector<PointSettings> read_points(const Layers& device);

/// Records a mistake at `node` unless `name` can be a level of a topic: not empty, without `/`, `+`, `#` and control
/// characters.
void check_topic_level(std::string_view name, const config::Node& node);

}  // namespace ferrule::drivers

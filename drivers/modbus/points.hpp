// The `points` of a Modbus device and of its template as plain structs.
#pragma once

#include <cstdint>
#include <vector>

#include "drivers/settings.hpp"
#include "drivers/settings_layers.hpp"

namespace ferrule::drivers::modbus {

/// Reads the points of a device over those of its template: the template's first, in its order, then the device's
/// further ones. What a point does not say is looked up in the device (`byte_order`, `interval`), then in the template.
/// An address counts from the `address_base` of the map that it stands in: a device's own base does not move its
/// template's points. Mistakes go to the document.
std::vector<PointSettings> read_points(const Layers& device);

/// Reads `invalid`, a sentinel or a list of them, into a point whose type is known.
void read_invalid(const Layers& point_layers, PointSettings& point);

/// Where one value lies and how, from the keys that a point has for it; `invalid` too. What it does not say is the
/// `byte_order`, and its address counts from `address_base`.
Encoding read_place(const config::Node& node, ByteOrder byte_order, std::int64_t address_base);

}  // namespace ferrule::drivers::modbus

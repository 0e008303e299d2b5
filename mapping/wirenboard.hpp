// Wiren Board's MQTT conventions: devices with controls. https://github.com/wirenboard/conventions
#pragma once

#include <memory>
#include <string_view>

#include "drivers/reading.hpp"
#include "drivers/settings.hpp"
#include "mapping/settings.hpp"
#include "mqtt/publication.hpp"

namespace ferrule::mapping {

/// Its topics are given: values at this one, retained; what a control is at `.../meta`, that it cannot be read at
/// `.../meta/error`; values for it are taken at `.../on`.
inline constexpr std::string_view kControlTopic = "/devices/{device}/controls/{point}";

/// The retained description of a control: `{"type":"temperature","readonly":true,"order":1}`.
mqtt::PublicationPtr control_meta(const drivers::PointSettings& point, const PointMapping& mapping, std::size_t order);
/// Of a device: `{"driver":"ferrule","title":{"en":"boiler"}}`.
mqtt::PublicationPtr device_meta(const std::string& device);
/// Retained `r` when the point cannot be read, else nothing, which ends a retained one.
std::shared_ptr<mqtt::Publication> control_error(const PointMapping& mapping, bool is_bad);
/// Appends the value as the conventions have it: 1 and 0 for switches.
void append_control(std::string& out, const PointMapping& mapping, const KeptValue& value);

}  // namespace ferrule::mapping

// Home Assistant's MQTT discovery: what tells it of a device and its points, so that nobody has to type them again.
// https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "config/node.hpp"
#include "drivers/settings.hpp"
#include "mapping/settings.hpp"
#include "mqtt/publication.hpp"

namespace ferrule::mapping {

/// Reads `homeassistant: {discovery: PREFIX, name: .., device_class: .., state_class: ..}` over `defaults`, or `false`.
/// Mistakes go to the document.
HomeAssistant read_home_assistant(const config::Node& node, const HomeAssistant& defaults);

/// Where a gateway says whether it is there: retained `{"state":"online"}`. Behind an uplink that one says it at the
/// cloud, with a will. Entities are available while it is online and their own value is good.
std::string status_topic(std::string_view gateway);
mqtt::PublicationPtr online_status(std::string_view gateway);

/// What is announced of one device: the retained publication `PREFIX/device/ID/config`.
class Discovery {
 public:
  Discovery(std::string_view gateway, std::string_view device);
  ~Discovery();
  Discovery(const Discovery&) = delete;
  Discovery& operator=(const Discovery&) = delete;

  /// Announces the point as a sensor, binary_sensor, number, select or switch, by its type and whether it may be
  /// written. Without a discovery prefix nothing. False: its payload is in a format that Home Assistant cannot read.
  bool add(const drivers::PointSettings& point, const PointMapping& mapping, const HomeAssistant& settings);
  mqtt::PublicationPtr publication() const;  ///< null when no point was announced

 private:
  struct Parts;  // keeps JSON out of this header
  std::unique_ptr<Parts> parts_;
};

}  // namespace ferrule::mapping

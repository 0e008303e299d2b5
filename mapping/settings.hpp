// The `publish` section and the publish keys of devices and points: what is sent of each point, where and when.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <deque>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "config/node.hpp"
#include "drivers/settings.hpp"
#include "mapping/alarm.hpp"
#include "mapping/conversion.hpp"
#include "mapping/payload.hpp"
#include "mapping/place.hpp"
#include "mapping/route_forms.hpp"
#include "mapping/template.hpp"
#include "mapping/window.hpp"
#include "mqtt/publication.hpp"

namespace ferrule::mapping {

enum class When : std::uint8_t {
  Change,  ///< when value or quality changed, and every `heartbeat`
  Poll,    ///< every poll
};

/// When and how a point is published.
struct PublishRule {
  When when = When::Change;
  std::chrono::milliseconds heartbeat{std::chrono::minutes{5}};  ///< 0: none
  std::chrono::milliseconds min_interval{0};  ///< a change sooner than this after the last waits for a later poll
  double deadband = 0;               ///< a numeric value that moved by less since it was published has not changed
  bool deadband_is_percent = false;  ///< of the published value; else in the point's unit
  Format format = Format::Json;
  Template payload;   ///< of Format::Template
  WindowRule window;  ///< when it has one, each window is published instead of values
  mqtt::Qos qos = mqtt::Qos::AtLeastOnce;
  bool retain = true;

  auto operator<=>(const PublishRule&) const = default;
};

/// What Home Assistant is told of a point.
struct HomeAssistant {
  std::string discovery;     ///< topic prefix of the announcements; empty: none
  std::string name;          ///< empty: the point's
  std::string device_class;  ///< empty: by its unit
  std::string state_class;   ///< empty: by what it is
};

/// The `publish` section; a device or a point may override any of it.
struct PublishSettings {
  Template topic;  ///< empty: `{gateway}/{device}/{point}`, and without the point where that is_shared
  PublishRule rule;
  HomeAssistant home_assistant;
};

/// Reads the publish keys of `node` over `defaults`. Mistakes go to the document.
PublishSettings read_publish(const config::Node& node, const PublishSettings& defaults);

/// All that is the same for a point of every device of its kind.
struct PointRule {
  std::string point;  ///< its name
  std::string unit;
  Conversion conversion;
  PublishRule publish;
  std::vector<AlarmRule> alarms;
  int digits = 0;  ///< significant digits that its type and scale justify; 0: the shortest text that reads back equal

  auto operator<=>(const PointRule&) const = default;
};

/// One point: its rule with every override applied, and its topic rendered. Points into a Catalogue.
struct PointMapping {
  std::string_view topic;
  const std::string* device;
  const PointRule* rule;
};

/// What the mappings of a configuration share: 30,000 points of one template have 60 rules between them. Constant once
/// the configuration is read; may then be read by any thread.
class Catalogue {
 public:
  const PointRule* rule(PointRule rule) { return &*rules_.insert(std::move(rule)).first; }
  const std::string* name(const std::string& name) { return &*names_.insert(name).first; }
  std::string_view text(std::string_view text);  ///< a copy, end to end with the others

 private:
  std::set<PointRule> rules_;
  std::set<std::string> names_;
  std::deque<std::string> texts_;  // each filled up to its capacity, which it never leaves
};

/// What one route of an uplink gets of a bus in a format of its own: the points that it carries, under topics that it
/// alone knows.
using FormMappings = std::unordered_map<drivers::PointIndex, PointMapping>;

/// The mappings of a bus's points, by PointIndex.
struct BusMappings {
  std::shared_ptr<const Catalogue> catalogue;
  std::vector<PointMapping> points;
  /// Of the points that have an expression: the points that its names stand for, in their order.
  std::unordered_map<drivers::PointIndex, std::vector<drivers::PointIndex>> inputs;
  std::vector<FormMappings> forms;                  ///< beside these, of the routes that ask for some
  std::vector<mqtt::PublicationPtr> announcements;  ///< to Home Assistant, of its devices; to be published at the start
};

/// Where values for a writable point are taken: `TOPIC/set`; `TOPIC/POINT/set` where it shares its topic with others.
std::string command_topic(const PointMapping& mapping);
/// Where an alarm is published, retained: `TOPIC/alarm/NAME`, or `TOPIC/POINT/alarm/NAME`; acknowledged at `.../ack`.
std::string alarm_topic(const PointMapping& mapping, const AlarmRule& alarm);

/// Reads the mappings of all buses, in their order. A topic that is not valid or stands twice is a mistake; points that
/// one message of their device holds share theirs. `routes`: those that ask for a format of their own.
std::vector<BusMappings> read_mappings(const std::vector<drivers::BusSettings>& buses, const PublishSettings& defaults,
                                       const Place& place, std::span<const RouteForm> routes = {});

}  // namespace ferrule::mapping

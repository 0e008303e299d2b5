// The mapping engine: the only place where a Reading becomes a Publication.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "config/node.hpp"
#include "drivers/reading.hpp"
#include "drivers/settings.hpp"
#include "mqtt/publication.hpp"

namespace ferrule::gateway {

enum class When : std::uint8_t {
  Change,  ///< when value or quality changed, and every `heartbeat`
  Poll,    ///< every poll
};

/// When and how a point is published.
struct PublishRule {
  When when = When::Change;
  std::chrono::milliseconds heartbeat{std::chrono::minutes{5}};  ///< 0: none
  std::chrono::milliseconds min_interval{0};  ///< a change sooner than this after the last waits for a later poll
  double deadband = 0;                        ///< a numeric value that moved by less, in its unit, has not changed
  mqtt::Qos qos = mqtt::Qos::AtLeastOnce;
  bool retain = true;
};

/// The `publish` section; a device or a point may override any of it.
struct PublishSettings {
  std::string topic = "{gateway}/{device}/{point}";
  PublishRule rule;
};

/// Reads the publish keys of `node` over `defaults`. Mistakes go to the document.
PublishSettings read_publish(const config::Node& node, const PublishSettings& defaults);

/// How one point is published: its rule with every override applied and its topic rendered.
struct PointMapping {
  std::string device;
  std::string point;
  std::string unit;
  std::string topic;
  PublishRule rule;
  int digits = 0;  ///< significant digits that its type and scale justify; 0: the shortest text that reads back equal
};

/// The mappings of a bus's points, by PointIndex. A topic that is not valid or stands twice in `taken` is a mistake.
std::vector<PointMapping> read_mappings(const drivers::BusSettings& bus, const PublishSettings& defaults,
                                        const std::string& gateway_id, std::unordered_set<std::string>& taken);

/// The latest that is known of a point, for people: tables, status, the page.
struct PointStatus {
  std::string device;
  std::string point;
  std::string unit;
  std::string value;  ///< as published; empty before the first good value
  drivers::Quality quality = drivers::Quality::Uncertain;
  drivers::Failure failure = drivers::Failure::None;
  std::chrono::steady_clock::time_point seen;  ///< of the value; unset before the first
};

/// Applies the mappings of one bus. Belongs to the bus's thread.
class Mapper {
 public:
  explicit Mapper(std::vector<PointMapping> mappings);

  /// Appends what is to be published of `readings`, in their order.
  void map(std::span<const drivers::Reading> readings, std::vector<mqtt::PublicationPtr>& publications);
  std::vector<PointStatus> snapshot() const;  ///< Any thread.

 private:
  struct State {
    std::string value;                           // JSON text of the last good value; "null" before the first
    drivers::Value published;                    // last published good value, for the deadband
    std::chrono::system_clock::time_point at;    // of `value`
    std::chrono::steady_clock::time_point seen;  // of `value`
    std::chrono::steady_clock::time_point sent;  // last publication
    drivers::Quality quality = drivers::Quality::Uncertain;
    drivers::Failure failure = drivers::Failure::None;
    bool has_value = false;
    bool has_published = false;
    drivers::Quality published_quality = drivers::Quality::Uncertain;
    drivers::Failure published_failure = drivers::Failure::None;
  };

  bool due(const PublishRule& rule, const State& state, const drivers::Reading& reading) const;

  const std::vector<PointMapping> mappings_;
  mutable std::mutex mutex_;  // the bus's thread writes states_, snapshot() reads it
  std::vector<State> states_;
};

/// JSON text of a value: exact for integers, at most `digits` significant digits for a double (0: shortest round trip).
std::string json_text(const drivers::Value& value, int digits);

}  // namespace ferrule::gateway

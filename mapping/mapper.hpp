// The mapping engine: the only place where a Reading becomes a Publication.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "drivers/reading.hpp"
#include "mapping/conversion.hpp"
#include "mapping/expression.hpp"
#include "mapping/kept_value.hpp"
#include "mapping/payload.hpp"
#include "mapping/publication_pool.hpp"
#include "mapping/settings.hpp"
#include "mqtt/publication.hpp"

namespace ferrule::mapping {

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

/// An alarm that is active, or that nobody has taken notice of.
struct AlarmStatus {
  std::string device;
  std::string point;
  const AlarmRule* rule;  ///< of the Mapper
  std::string value;      ///< the point's, with its unit
  bool active = false;
  bool acknowledged = false;
  std::chrono::system_clock::time_point since;
};

/// Applies the mappings of one bus. Belongs to the bus's thread.
class Mapper {
 public:
  /// Whether times are right by now; asked once for each poll until it says so.
  using ClockCheck = std::function<bool(std::chrono::system_clock::time_point)>;

  /// `pool` outlives the mapper; many may share one.
  Mapper(BusMappings mappings, PublicationPool& pool, ClockCheck clock_is_set = {});

  /// Appends what is to be published of `readings`, in their order.
  void map(std::span<const drivers::Reading> readings, std::vector<mqtt::PublicationPtr>& publications);
  /// Appends what the windows under way have gathered, for a bus that ends. Any thread.
  void end_windows(std::chrono::steady_clock::time_point now, std::vector<mqtt::PublicationPtr>& publications);
  /// Somebody has taken notice of the point's alarm of that number; what is to be published then, nothing when nobody
  /// needed to. Any thread.
  mqtt::PublicationPtr acknowledge(drivers::PointIndex point, std::size_t alarm, std::string by,
                                   std::chrono::steady_clock::time_point now);
  /// Any thread. The latest of a point; Bad before the first value. The value means nothing while it is Bad.
  drivers::Reading current(drivers::PointIndex point) const;
  /// Any thread. What a value that was just read of a point is shown as; nothing when it is Bad then.
  std::optional<drivers::Value> shown(drivers::PointIndex point, const drivers::Value& value) const;
  std::vector<PointStatus> snapshot() const;  ///< Any thread.
  std::vector<AlarmStatus> alarms() const;    ///< Any thread.
  /// Under which its values and alarms are published retained. Any thread.
  std::vector<std::string> retained_topics() const;

 private:
  struct State {
    KeptValue value;                             // the last one that was not Bad
    KeptValue published;                         // the last such that was published, for the deadband
    std::chrono::system_clock::time_point at;    // of `value`
    std::chrono::steady_clock::time_point seen;  // of `value`
    std::chrono::steady_clock::time_point sent;  // last publication
    drivers::Quality quality = drivers::Quality::Uncertain;
    drivers::Failure failure = drivers::Failure::None;
    bool has_published = false;
    drivers::Quality published_quality = drivers::Quality::Uncertain;
    drivers::Failure published_failure = drivers::Failure::None;
  };

  void conclude(const drivers::Reading& reading, Judged judged);
  Judged calculate(const drivers::Reading& reading) const;
  bool due(const drivers::Reading& reading) const;
  Format format_of(const drivers::Reading& reading) const;
  Sample sample(const PointMapping& mapping, drivers::PointIndex point,
                std::chrono::system_clock::time_point read) const;
  void publish_devices(std::span<const drivers::Reading> readings, std::vector<mqtt::PublicationPtr>& publications);
  void publish_point(const drivers::Reading& reading, std::vector<mqtt::PublicationPtr>& publications);
  void publish_form(const FormMappings& form, std::span<const drivers::Reading> readings,
                    std::vector<mqtt::PublicationPtr>& publications);
  void take_samples(std::span<const drivers::Reading> answer);
  std::shared_ptr<mqtt::Publication> begin_publication(const PointMapping& mapping,
                                                       std::chrono::steady_clock::time_point now);
  void published(drivers::PointIndex point, std::chrono::steady_clock::time_point now);
  void watch(const drivers::Reading& reading, std::vector<mqtt::PublicationPtr>& publications);
  mqtt::PublicationPtr announce(drivers::PointIndex point, std::size_t alarm,
                                std::chrono::steady_clock::time_point now) const;
  void gather(const drivers::Reading& reading, std::vector<mqtt::PublicationPtr>& publications);
  void publish_window(drivers::PointIndex point, const Window& window, std::chrono::steady_clock::time_point now,
                      std::vector<mqtt::PublicationPtr>& publications);

  const BusMappings mappings_;
  PublicationPool& pool_;
  std::unordered_map<const PointRule*, Expression> expressions_;
  mutable std::mutex mutex_;  // the bus's thread writes what follows, others read it, acknowledge and end windows
  std::vector<State> states_;
  ClockCheck clock_is_set_;                                             // empty once it is
  std::map<drivers::PointIndex, Window> windows_;                       // under way
  std::unordered_map<drivers::PointIndex, std::vector<Alarm>> alarms_;  // of the points that have some
  std::vector<Sample> samples_;                                         // of a message under way
  std::vector<bool> due_;                                               // of the readings that are being mapped
};

}  // namespace ferrule::mapping

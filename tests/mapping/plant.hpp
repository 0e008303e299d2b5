// One bus as configured in YAML text, fed with readings at times of the test's choice.
#pragma once

#include <chrono>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mapping/mapper.hpp"

namespace ferrule::mapping {

class Plant {
 public:
  struct Input {
    std::string_view point;
    drivers::Value value{};
    drivers::Failure failure = drivers::Failure::None;  ///< else Bad, for that cause
  };
  using Lines = std::vector<std::string>;

  /// `yaml` has `devices` on the bus `plc` and may have `publish`; throws config::Error.
  explicit Plant(const std::string& yaml, std::span<const RouteForm> routes = {});
  /// The same with one device `m`, given its points in flow style.
  static Plant with_points(const std::string& points, const std::string& publish = "{}");

  /// From now on times are right when this says so.
  void check_clock(Mapper::ClockCheck clock_is_set);

  /// What is published of one poll at that time after 2023-11-14T22:13:20Z: "TOPIC PAYLOAD".
  Lines poll(std::chrono::milliseconds at, std::initializer_list<Input> inputs);
  /// Of the registers of one point, first one first.
  Lines registers(std::chrono::milliseconds at, std::string_view point, std::vector<std::uint16_t> registers);

  /// What windows under way have gathered: "TOPIC PAYLOAD".
  Lines end_windows();
  /// Readings as they are, without a word of what comes of them.
  void map(std::span<const drivers::Reading> readings, std::vector<mqtt::PublicationPtr>& publications) {
    mapper_->map(readings, publications);
  }

  const std::vector<mqtt::PublicationPtr>& published() const { return published_; }  ///< by the last poll
  const std::vector<mqtt::PublicationPtr>& announcements() const { return mappings_.announcements; }
  std::vector<PointStatus> snapshot() const { return mapper_->snapshot(); }
  std::optional<drivers::Value> shown(std::string_view point, const drivers::Value& value) const {
    return mapper_->shown(static_cast<drivers::PointIndex>(index_of(point)), value);
  }
  std::vector<AlarmStatus> alarms() const { return mapper_->alarms(); }
  /// What is published when somebody acknowledges the first alarm of the first point: "TOPIC PAYLOAD" or nothing.
  std::string acknowledge(std::string by);

 private:
  std::size_t index_of(std::string_view point) const;
  Lines feed(std::chrono::milliseconds at, std::vector<drivers::Reading> readings);
  Lines lines() const;  ///< of what was published

  std::vector<drivers::PointSettings> points_;
  BusMappings mappings_;
  std::unique_ptr<PublicationPool> pool_ = std::make_unique<PublicationPool>();
  std::unique_ptr<Mapper> mapper_;
  std::vector<mqtt::PublicationPtr> published_;
};

/// A line of `format: sparkplug` to read: "TOPIC TIME; NAME TIME DATATYPE VALUE; ...", with quality and cause behind a
/// value that is not good.
std::string sparkplug_text(const std::string& line);

/// Every mistake as `LINE:COLUMN path: message`; empty when there is none.
std::vector<std::string> mistakes(const std::string& yaml);
/// Those of one point `p` in flow style, without the line.
std::vector<std::string> point_mistakes(const std::string& point);

}  // namespace ferrule::mapping

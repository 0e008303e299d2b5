// Acknowledgements of alarms: who publishes anything to `<alarm's topic>/ack` has taken notice.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "drivers/reading.hpp"
#include "mqtt/consumer.hpp"

namespace ferrule::gateway {

/// One alarm of one point, and where it is acknowledged.
struct AlarmPlace {
  std::string topic;  ///< `<alarm's topic>/ack`
  std::size_t bus = 0;
  drivers::PointIndex point = 0;
  std::size_t alarm = 0;  ///< by its place among the point's
};

/// Takes acknowledgements from the broker; who may publish them is a matter of its access rules. A retained one is
/// refused: it would acknowledge what is raised later. Belongs to the broker thread.
class Acknowledgements final : public mqtt::Consumer {
 public:
  struct Way {
    /// Returns what is to be published of it; nothing when there was nothing to acknowledge.
    std::function<mqtt::PublicationPtr(const AlarmPlace&, std::string by)> acknowledge;
    std::function<void(mqtt::PublicationPtr)> publish;  ///< never called from within `append`
    std::function<void(std::function<void()>)> post;    ///< runs a function on the broker thread, from there
    std::function<void(std::string_view who, std::string_view what)> note;  ///< for the audit
  };

  explicit Acknowledgements(Way way) : way_(std::move(way)) {}

  void take_for(const std::vector<AlarmPlace>& places);  ///< from now on, and for no others

  tl::expected<mqtt::Ticket, mqtt::Reason> append(const mqtt::PublicationPtr& publication, bool durable) override;
  bool subscribes(std::string_view topic) const override;

 private:
  const Way way_;
  std::unordered_map<std::string, AlarmPlace> places_;  // by topic
};

}  // namespace ferrule::gateway

// From the cloud to local topics.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

#include "bridge/link.hpp"
#include "bridge/settings.hpp"
#include "mqtt/store.hpp"

namespace ferrule::bridge {

/// Whether a publication came from a cloud. It is sent to none: whatever the routes, nothing goes round.
bool is_from_cloud(const mqtt::Publication& publication);
/// The origin of what comes by an uplink.
std::string from_cloud(const std::string& uplink);

/// What comes waits here for the broker's thread, goes to the topic of its route, and is answered once it is on disk
/// where it has to be. Thread: the broker's, but for what is marked otherwise.
class Inbound {
 public:
  /// As Uplink::Publish.
  using Publish = std::function<tl::expected<mqtt::Ticket, mqtt::Reason>(mqtt::PublicationPtr, bool durable)>;
  using Arrivals = std::vector<std::pair<mqtt::Publication, Arrival>>;

  /// `settings` must outlive it.
  Inbound(const UplinkSettings& settings, Publish publish) : settings_(settings), publish_(std::move(publish)) {}
  void take_over(const Inbound& before);  ///< its figures

  void subscribe(Link& link) const;  ///< after each connection: the cloud may have lost our session

  /// Any thread. True: `take_arrived` is to be called. Of QoS 0, what the broker's thread cannot keep up with is
  /// dropped. The cloud sends no more of the others than its window of what we have not acknowledged.
  bool arrived(mqtt::Publication publication, Arrival arrival);
  Arrivals take_arrived();

  /// To local subscribers.
  void pass_on(mqtt::Publication publication, Arrival arrival, std::chrono::steady_clock::time_point now);
  /// The cloud is to be told what became of it once everything up to `ticket` is on disk.
  void owe(Arrival arrival, mqtt::Ticket ticket, mqtt::Reason reason);
  void on_disk(mqtt::Ticket ticket);  ///< whatever the file
  void answer(Link& link);            ///< what is owed and on disk
  void disconnected() { owed_.clear(); }
  void refused() { ++dropped_; }  ///< what came makes no sense

  std::uint64_t received() const { return received_; }
  std::uint64_t dropped() const { return dropped_; }  ///< no route wants it, it makes no topic, or it came too fast

 private:
  struct Answer {
    mqtt::Ticket ticket = 0;  // to be on disk before
    Arrival arrival = 0;
    mqtt::Reason reason = mqtt::Reason::Success;
  };
  tl::expected<mqtt::Ticket, mqtt::Reason> publish(mqtt::Publication publication,
                                                   std::chrono::steady_clock::time_point now);

  const UplinkSettings& settings_;
  const Publish publish_;
  std::deque<Answer> owed_;  // in the order of arrival [MQTT-4.6.0-2] [MQTT-4.6.0-3]
  mqtt::Ticket on_disk_ = 0;
  std::uint64_t received_ = 0;
  std::atomic<std::uint64_t> dropped_ = 0;  // any thread
  std::mutex mutex_;
  Arrivals arrived_;  // guarded by it
};

}  // namespace ferrule::bridge

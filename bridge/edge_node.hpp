// A Sparkplug B 3.0 edge node on an uplink: what it says in which order, and what the host says to it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "bridge/edge_node_settings.hpp"
#include "bridge/link.hpp"
#include "mqtt/clock.hpp"
#include "mqtt/publication.hpp"
#include "mqtt/sparkplug_payload.hpp"

namespace ferrule::bridge {

/// `spBv1.0/GROUP/TYPE/NODE`, or of a device `spBv1.0/GROUP/TYPE/NODE/DEVICE`.
std::string edge_topic(const EdgeNodeSettings& settings, std::string_view type, std::string_view device = {});
/// What the will says, and the edge node itself before it leaves: the bdSeq of its births, and no more.
std::string death_payload(std::uint8_t bd_seq);

/// The session of an edge node is that of its uplink: its will is in the uplink's CONNECT, its births follow each
/// connection, and what waited in the outbox is sent as historical. Everything goes at QoS 0, as Sparkplug wants it;
/// the link knows by PINGRESP what has arrived.
///
/// It keeps the newest value of every metric, for births. A device is alive while anything is heard of it: with all of
/// its metrics Stale it has died. A device that lives is born behind the node; another when there is something to tell
/// of it.
///
/// Thread: the broker's. `settings` and `clock` must outlive it.
class EdgeNode {
 public:
  using Time = std::chrono::steady_clock::time_point;
  /// A message that no row of the outbox stands for. It is not dropped, and nobody hears how it ended.
  static constexpr Seq kOwn = std::numeric_limits<Seq>::max();
  /// At QoS 0, not retained.
  using Send = std::function<void(Seq seq, const std::string& topic, std::string payload)>;
  struct Subscription {
    std::string filter;
    mqtt::Qos qos;
  };
  struct Write {
    std::string topic, value;  ///< local, where it is taken; JSON
  };
  /// What follows from a message of the host's.
  struct Taken {
    std::vector<Write> writes;
    bool born = false;          ///< anew, or at last
    bool host_offline = false;  ///< this server is to be left
    std::string refused;        ///< what of it cannot be carried out, for the log
  };

  EdgeNode(const EdgeNodeSettings& settings, mqtt::Clock& clock, Send send);

  /// Goes on with what another one knew, of another configuration: what has not changed since is not published again.
  void take_over(const EdgeNode& before);

  bool takes(std::string_view topic) const { return by_topic_.contains(std::string(topic)); }
  /// Something was published locally under a topic that it takes. False when it is no payload of ours.
  bool note(const mqtt::Publication& publication);

  std::vector<Subscription> subscriptions() const;
  void connected(std::uint8_t bd_seq);  ///< subscriptions are on their way; is born at once unless it has to wait
  void disconnected() { born_ = false; }
  bool is_born() const { return born_; }
  Taken take(const mqtt::Publication& publication);

  /// Tells what a row of the outbox says; false when the host needs not hear it. Once it is born.
  bool tell(Seq seq, const mqtt::Publication& publication);
  /// Nothing waits any more: devices that were born for what was to be told of them and are silent, die.
  void bury();
  void report(std::uint64_t waiting);  ///< how many wait in the outbox, when that has changed

 private:
  struct Metric {
    const EdgeMetric* settings;
    std::uint64_t alias;
    mqtt::sparkplug::Metric latest;  ///< as in a birth
    bool told_bad = false;           ///< its last quality at the host was not good
  };
  struct Device {
    const EdgeDevice* settings;
    std::vector<Metric> metrics;
    std::unordered_map<std::string_view, std::size_t> by_name;
    Time newest{};      ///< publication that was noted
    Time told_until{};  ///< what was published before is historical
    bool is_born = false;
  };

  std::uint64_t utc() const { return mqtt::sparkplug::milliseconds(clock_.utc()); }
  std::string sequenced(mqtt::sparkplug::Payload payload);
  void send(Seq seq, std::string_view type, const Device* device, mqtt::sparkplug::Payload payload);
  void bear();
  void bear(Seq seq, Device& device);
  void bear_node();
  void die(Seq seq, Device& device);
  bool tell_data(Seq seq, Device& device, const mqtt::Publication& publication, bool historical);
  Taken take_state(std::string_view payload);
  Taken take_node_command(std::string_view payload);
  Taken take_device_command(std::string_view device, std::string_view payload) const;
  static bool is_silent(const Device& device);

  // Constant after construction
  const EdgeNodeSettings& settings_;
  mqtt::Clock& clock_;
  const Send send_;
  const Time began_;

  std::vector<Device> devices_;
  std::unordered_map<std::string, std::size_t> by_topic_;
  std::uint64_t waiting_ = 0;
  std::uint8_t bd_seq_ = 0, seq_ = 0;
  bool born_ = false;
  std::optional<std::uint64_t> host_time_;  ///< of the last STATE that held, on this connection
};

}  // namespace ferrule::bridge

// Which publications go to the cloud and which come from it, and under which topics.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bridge/compression.hpp"
#include "bridge/queue_settings.hpp"
#include "config/node.hpp"
#include "mqtt/publication.hpp"
#include "mqtt/topic.hpp"

namespace ferrule::bridge {

/// `batch: {max_size: 64KB, wait: 1s}`: what goes to one topic of the cloud in a row becomes one message.
struct BatchSettings {
  std::uint32_t max_size = 64'000;       ///< bytes; the cloud's own limit counts besides
  std::chrono::milliseconds wait{1000};  ///< at most, from the first on
};

/// `{from: "plant1/#", to: "sites/{topic}", qos: 1}`: local topics that match `from` go to the cloud under `to`. The
/// first route that matches is taken.
struct OutRoute {
  mqtt::TopicFilter from;
  std::string to = "{topic}";
  /// Replaces the publication's own QoS. What ends up at QoS 0 is sent while the uplink is online and never queued.
  std::optional<mqtt::Qos> qos;
  bool retain = true;  ///< false: whatever the publication says, the cloud does not retain it
  /// Of payloads that become smaller by it, with its name in the user property `content-encoding`.
  Compression compress = Compression::None;
  /// Set: `to` has no placeholder, and all that goes there goes as items of batches, not retained, at QoS 1
  /// or, if `qos` says so, 2.
  std::optional<BatchSettings> batch{};
  Priority priority = Priority::Normal;
  /// Of a route with a format of its own: levels in front of the topics that match, which only tell that they are for
  /// this route; for its `to` there are those behind.
  unsigned own_levels = 0;
};

/// `{from: "sites/plant1/+/+/set", to: "{topic:1..}", qos: 1}`: a subscription at the cloud; what matches `from` is
/// published locally under `to`. Retained publications are not asked for: an old command is none.
struct InRoute {
  mqtt::TopicFilter from;
  std::string to = "{topic}";
  mqtt::Qos qos = mqtt::Qos::AtLeastOnce;  ///< at most
  /// How long a command is worth something after it came; 0: for as long as its sender said.
  std::chrono::milliseconds max_age{0};
};

/// The own_levels of a route with the key `format` or `payload`: `$route/UPLINK/NUMBER`.
constexpr unsigned kOwnLevels = 3;

/// `to` with `topic` for `{topic}`, and what is left of it from the level N on (the first is 0) for `{topic:N..}`.
std::string rewrite(std::string_view to, std::string_view topic);

/// A publication on its way to the cloud.
struct Routed {
  mqtt::PublicationPtr publication;
  std::string topic;  ///< at the cloud; empty: the publication's own
  mqtt::Qos qos = mqtt::Qos::AtMostOnce;
  Priority priority = Priority::Normal;
};
/// By the first route that matches; nothing when none does. `topic` may have grown too long.
std::optional<Routed> find_route(const std::vector<OutRoute>& routes, const mqtt::PublicationPtr& publication);

/// With the user property `content-encoding`, if that makes the payload smaller.
void compress(mqtt::Publication& publication, Compression compression);

/// The route whose batches go to this topic of the cloud; null when none do.
const OutRoute* find_batch(const std::vector<OutRoute>& routes, std::string_view topic);

/// The keys `out` and `in` of an uplink.
void read_routes(const config::Node& node, std::vector<OutRoute>& routes);
void read_routes(const config::Node& node, std::vector<InRoute>& routes);

}  // namespace ferrule::bridge

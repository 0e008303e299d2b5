// The demo's books: what the gateway published, and what arrived in the cloud.
#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>
#include <vector>

#include "mqtt/consumer.hpp"

namespace ferrule::gateway {

struct Verdict {
  std::size_t published = 0;
  std::size_t arrived = 0;
  std::size_t missing = 0;
  std::size_t repeated = 0;
  std::size_t foreign = 0;  ///< arrived, never published
  bool in_order = true;     ///< of what arrived
  bool good() const { return missing == 0 && repeated == 0 && foreign == 0 && in_order; }
};

/// Broker thread. Attached to the broker as a consumer it writes down every publication below `prefix`.
class DemoLedger final : public mqtt::Consumer {
 public:
  /// `cloud_prefix` is what the uplink puts before each topic.
  DemoLedger(std::string prefix, std::string cloud_prefix);

  tl::expected<mqtt::Ticket, mqtt::Reason> append(const mqtt::PublicationPtr& publication, bool durable) override;
  void arrived(const mqtt::Publication& publication);

  std::size_t published_count() const { return published_.size(); }
  std::size_t arrived_count() const { return arrived_.size(); }
  Verdict judge() const;

 private:
  const std::string prefix_;
  const std::string cloud_prefix_;
  std::vector<std::string> published_;  // "topic payload"; the payload's time stamp makes it unique
  std::vector<std::string> arrived_;
};

}  // namespace ferrule::gateway

// Tries the way to an uplink's cloud step by step, for `ferrule uplink test`.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "bridge/settings.hpp"

namespace ferrule::bridge {

struct ProbeStep {
  std::string name;  ///< "DNS", "TCP", "proxy", "TLS", "WebSocket", "CONNECT", "PUBLISH"
  bool passed = false;
  std::chrono::milliseconds time{0};
  std::string text;  ///< what was found, or why it failed
};

/// The topic at the cloud that a probe publishes to: what the first route out makes of a level `ferrule-test`; empty
/// without a route out.
std::string probe_topic(const UplinkSettings& settings);

/// Resolves, connects, logs in and publishes one message of QoS 1 (0 where the cloud takes no more) to `topic`, at
/// `server`. Tells each step when it is done and ends at the first that fails: then false. Blocks, at most 10 s a step.
bool probe(const UplinkSettings& settings, const Endpoint& server, const std::string& topic,
           const std::function<void(const ProbeStep&)>& told);

}  // namespace ferrule::bridge

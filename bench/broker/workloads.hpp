// What is measured of each server: one figure or more per workload.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bench/broker/servers.hpp"

namespace ferrule::bench {

struct Figure {
  std::string name;  ///< with its unit
  double value = 0;  ///< less is better
};

/// What a workload works with.
struct Bench {
  std::uint16_t port = 0;
  std::chrono::milliseconds duration{1000};  ///< of each stretch
  std::function<std::unique_ptr<ServerProcess>(Way)> start_on;
  std::unique_ptr<ServerProcess> start() const { return start_on(Way::Tcp); }
};

struct Workload {
  std::string name;
  bool for_relay = true;  ///< false: needs a broker
  std::function<std::vector<Figure>(const Bench&)> measure;
};

std::vector<Workload> workloads();

}  // namespace ferrule::bench

// The demo's plant: simulated Modbus devices and the configuration that polls them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace ferrule::gateway {

/// An RTU line on a pseudo-terminal with an energy meter and a flaky sensor that drops 5 % of its answers, and a
/// boiler's PLC on Modbus TCP. Answers on threads of its own until destroyed.
class DemoPlant {
 public:
  explicit DemoPlant(std::uint64_t seed);
  ~DemoPlant();
  DemoPlant(const DemoPlant&) = delete;
  DemoPlant& operator=(const DemoPlant&) = delete;

  std::string configuration() const;  ///< `buses` and `devices` sections, as YAML
  std::string description() const;    ///< what listens where, for people

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ferrule::gateway

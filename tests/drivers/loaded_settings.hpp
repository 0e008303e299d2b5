// Buses read from YAML in a test, and the mistakes found in it.
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "drivers/settings.hpp"

namespace ferrule::drivers {

// A configuration that was read. The document outlives what was read from it, because nodes point into it.
struct Loaded {
  explicit Loaded(const std::string& yaml) : document(config::Document::parse(yaml, "plant.yaml")) {
    buses = read_buses(document.root());
  }

  config::Document document;
  std::vector<BusSettings> buses;
};

// Every mistake as `LINE:COLUMN path: message`.
inline std::vector<std::string> mistakes(const std::string& yaml) {
  Loaded loaded(yaml);
  std::vector<std::string> texts;
  try {
    loaded.document.finish();
  } catch (const config::Error& error) {
    for (const auto& mistake : error.mistakes()) {
      texts.push_back(
          fmt::format("{}:{} {}: {}", mistake.where.line, mistake.where.column, mistake.path, mistake.message));
    }
  }
  return texts;
}

inline constexpr const char* kGoodBus = "buses: {plc: {type: modbus-tcp, host: a}}\n";

// Mistakes of one device on a TCP bus, given what follows `devices: `.
inline std::vector<std::string> device_mistakes(const std::string& devices) {
  return mistakes(kGoodBus + ("devices: " + devices));
}

inline std::vector<std::string> point_mistakes(const std::string& point) {
  return device_mistakes("{m: {bus: plc, points: {p: " + point + "}}}");
}

}  // namespace ferrule::drivers

// The servers that are measured side by side: a raw relay, mosquitto from the distribution, and Ferrule.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "bench/broker/stream.hpp"
#include "bench/server_process.hpp"

namespace ferrule::bench {

enum class Kind : std::uint8_t { Relay, Mosquitto, Ferrule };
inline constexpr std::array kKinds{Kind::Relay, Kind::Mosquitto, Kind::Ferrule};

struct Programs {
  std::string ferrule, mosquitto, relay;
};

/// Starts a server of this kind on 127.0.0.1:`port`, with files in `directory`: anonymous, nothing kept on disk,
/// TCP_NODELAY, and limits beyond what the workloads need.
std::unique_ptr<ServerProcess> start(Kind kind, const Programs& programs, const std::filesystem::path& directory,
                                     std::uint16_t port, Way way);

}  // namespace ferrule::bench

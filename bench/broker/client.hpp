// A load generator's MQTT client: enough of 3.1.1 and 5.0 to publish and receive, written apart from the broker's own
// codec.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bench/broker/stream.hpp"

namespace ferrule::bench {

enum class Level : std::uint8_t { V311 = 4, V5 = 5 };

/// What the payloads carry, so that loss, repetition and disorder show: who published it, and which of its publications
/// it is.
struct Mark {
  std::uint32_t publisher = 0;
  std::uint32_t number = 0;  ///< from 1
};
constexpr std::size_t kPayloadSize = 64;

/// One connection to 127.0.0.1. Reading never blocks; writing waits for room. Throws std::runtime_error when the server
/// closes.
class Client {
 public:
  /// Connects and sends CONNECT with a clean session and no keep-alive; waits for CONNACK.
  Client(std::uint16_t port, const std::string& client_id, Level level = Level::V311, Way way = Way::Tcp);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  int descriptor() const { return stream_.descriptor(); }
  /// Sends one SUBSCRIBE with all `filters` and waits for its SUBACK.
  void subscribe(const std::vector<std::string>& filters, int qos);
  /// Sends `count` publications with the next numbers as one write.
  void publish(std::string_view topic, std::uint32_t publisher, int qos, int count, bool retain = false);
  /// Takes what has arrived, and answers it with one write.
  void read();

  std::uint32_t published = 0;                  ///< by this client
  std::uint32_t acknowledged = 0;               ///< of those, by PUBACK or PUBCOMP
  std::uint64_t received = 0;                   ///< publications
  std::uint64_t disordered = 0;                 ///< of those, not the one that had to follow
  std::vector<std::uint32_t> received_of = {};  ///< by publisher: the number last received

 private:
  void wait_for(bool& flag);
  void take(std::string_view packet, std::size_t header);
  void take_publish(std::string_view packet, std::size_t header);

  const Level level_;
  Stream stream_;
  std::string input_;
  std::string answers_;
  std::uint16_t last_id_ = 0;
  bool connected_ = false;
  bool subscribed_ = false;
};

}  // namespace ferrule::bench

// A local MQTT subscriber that counts publications and measures how old they are.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ferrule::bench {

/// Subscribes to `#` with QoS 0 over MQTT 3.1.1. Speaks just enough of it by itself, so that it costs little beside the
/// gateway.
class Reader {
 public:
  /// Connects to 127.0.0.1:`port`. Throws std::runtime_error when it is refused.
  explicit Reader(std::uint16_t port);
  ~Reader();
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  /// Reads what comes until `end`. Throws std::runtime_error when the connection ends before.
  void read_until(std::chrono::steady_clock::time_point end);
  void forget() { ages_.clear(); }  ///< begins to count anew
  std::uint64_t count() const { return ages_.size(); }
  /// Milliseconds from a value's `ts` to its arrival here that this share of publications, 0 to 1, did not exceed.
  std::int64_t age_quantile(double share);

 private:
  void write(std::string_view bytes) const;
  void take_packets();

  int socket_ = -1;
  std::string buffer_;  // a packet that is not complete yet stays here
  std::vector<std::int64_t> ages_;
};

}  // namespace ferrule::bench

// The other end of a wire, which does byte by byte what a test tells it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "drivers/port.hpp"

namespace ferrule::drivers {

using Bytes = std::vector<std::uint8_t>;

/// "01 03 00" -> {1, 3, 0}
Bytes from_hex(std::string_view text);
std::string to_hex(const Bytes& bytes);
/// The bytes with the CRC of an RTU frame behind.
Bytes with_crc(std::string_view text);

/// A port whose wire is one end of a socket pair; the other one is `peer`.
class PairPort final : public Port {
 public:
  explicit PairPort(const StopSignal& stop);
  ~PairPort() override;
  tl::expected<void, Fault> open(TimePoint) override { return {}; }
  void close() override;
  std::string name() const override { return "pair"; }

  int peer = -1;
};

/// Plays a script on a descriptor, on a thread of its own. Ends at the first thing that is not as expected.
class ScriptedPeer {
 public:
  explicit ScriptedPeer(int descriptor) : descriptor_(descriptor) {}
  ~ScriptedPeer();

  ScriptedPeer& expect(std::string_view hex);
  ScriptedPeer& reply(const Bytes& bytes);
  ScriptedPeer& reply(std::string_view hex) { return reply(from_hex(hex)); }
  ScriptedPeer& reply_in_single_bytes(const Bytes& bytes);
  ScriptedPeer& pause(std::chrono::milliseconds time);
  ScriptedPeer& hang_up();

  void start();
  /// Waits for the end of the script: "" when all was as expected, else what was not.
  std::string finish();

 private:
  void run();
  bool read_exactly(std::size_t count, Bytes& bytes) const;

  const int descriptor_;
  std::vector<std::function<bool()>> steps_;
  std::string trouble_;
  std::thread thread_;
};

}  // namespace ferrule::drivers

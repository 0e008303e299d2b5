// A port that is a TCP connection.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "drivers/port.hpp"
#include "drivers/resolver.hpp"

namespace ferrule::drivers {

/// Connects without blocking; a name is looked up on a thread of its own. The connection has TCP_NODELAY and
/// keep-alive, so that a peer that was switched off is noticed even while nothing is sent.
class TcpPort final : public Port {
 public:
  struct Options {
    std::chrono::seconds keepalive{10};          ///< a silent connection is probed so often; 0: never
    std::chrono::milliseconds connect_delay{0};  ///< from connecting to when `open` returns
  };
  TcpPort(std::string host, std::uint16_t port, const StopSignal& stop) : TcpPort(std::move(host), port, stop, {}) {}
  TcpPort(std::string host, std::uint16_t port, const StopSignal& stop, Options options);
  ~TcpPort() override;

  tl::expected<void, Fault> open(TimePoint deadline) override;
  void close() override;
  std::string name() const override;

 private:
  tl::expected<void, Fault> connect(const Endpoint& endpoint, TimePoint deadline);

  const std::string host_;
  const std::uint16_t port_;
  const Options options_;
  Resolver resolver_;
};

}  // namespace ferrule::drivers

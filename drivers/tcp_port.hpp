// A port that is a TCP connection.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "drivers/port.hpp"
#include "drivers/resolver.hpp"

namespace ferrule::drivers {

/// Connects without blocking, to the address that did last, then to the other one if there are two; a name is looked up
/// on a thread of its own. The connection has TCP_NODELAY and keep-alive, so that a peer that was switched off is
/// noticed even while nothing is sent.
class TcpPort : public Port {
 public:
  struct Options {
    std::chrono::seconds keepalive{10};          ///< a silent connection is probed so often; 0: never
    std::chrono::milliseconds connect_delay{0};  ///< from connecting to when `open` returns
    std::string standby_host{};  ///< of the same peer, tried when the first one does not do; empty: none
    std::uint16_t standby_port = 502;
  };
  TcpPort(std::string host, std::uint16_t port, const StopSignal& stop) : TcpPort(std::move(host), port, stop, {}) {}
  TcpPort(std::string host, std::uint16_t port, const StopSignal& stop, Options options);
  ~TcpPort() override;

  tl::expected<void, Fault> open(TimePoint deadline) override;
  void close() override;
  std::string name() const override;
  void distrust() override;

 protected:
  const std::string& host() const { return addresses_[current_]->host; }  ///< the one in use

 private:
  struct Address {
    Address(std::string its_host, std::uint16_t its_port, const StopSignal& stop)
        : host(std::move(its_host)), port(its_port), resolver(host, port, stop) {}
    const std::string host;
    const std::uint16_t port;
    Resolver resolver;
  };
  tl::expected<void, Fault> open_current(TimePoint deadline);
  tl::expected<void, Fault> connect(const Endpoint& endpoint, TimePoint deadline);

  const Options options_;
  std::vector<std::unique_ptr<Address>> addresses_;  // one or two
  std::size_t current_ = 0;
};

}  // namespace ferrule::drivers

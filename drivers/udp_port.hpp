// A port that is a UDP socket: each frame is one datagram.
#pragma once

#include <cstdint>
#include <string>

#include "drivers/port.hpp"
#include "drivers/resolver.hpp"

namespace ferrule::drivers {

/// Takes datagrams of its peer only. Opening it says nothing about whether somebody is there.
class UdpPort final : public Port {
 public:
  UdpPort(std::string host, std::uint16_t port, const StopSignal& stop);
  ~UdpPort() override;

  tl::expected<void, Fault> open(TimePoint deadline) override;
  void close() override;
  std::string name() const override;
  bool has_datagrams() const override { return true; }

 private:
  const std::string host_;
  const std::uint16_t port_;
  Resolver resolver_;
};

}  // namespace ferrule::drivers

#include "drivers/udp_port.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace ferrule::drivers {

UdpPort::UdpPort(std::string host, std::uint16_t port, const StopSignal& stop)
    : Port(stop), host_(std::move(host)), port_(port), resolver_(host_, port_, stop) {}

UdpPort::~UdpPort() { UdpPort::close(); }

tl::expected<void, Fault> UdpPort::open(TimePoint deadline) {
  const auto endpoints = resolver_.resolve(deadline);
  if (!endpoints) return tl::unexpected(endpoints.error());
  std::string trouble = "no address";
  for (const auto& endpoint : *endpoints) {
    descriptor_ = ::socket(endpoint.address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const auto* address = reinterpret_cast<const sockaddr*>(&endpoint.address);
    if (descriptor_ >= 0 && ::connect(descriptor_, address, endpoint.length) == 0) return {};
    trouble = std::strerror(errno);
    UdpPort::close();
  }
  return tl::unexpected(Fault{Failure::PortLost, fmt::format("cannot send to {}: {}", name(), trouble)});
}

void UdpPort::close() {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

std::string UdpPort::name() const {
  return host_.find(':') == std::string::npos ? fmt::format("udp {}:{}", host_, port_)
                                              : fmt::format("udp [{}]:{}", host_, port_);
}

}  // namespace ferrule::drivers

#include "drivers/tcp_port.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace ferrule::drivers {

namespace {

constexpr int kKeepAliveCount = 3;  // probes that go unanswered before a connection is lost

void set(int descriptor, int level, int option, int value) {
  ::setsockopt(descriptor, level, option, &value,
               sizeof value);  // an option that is refused costs comfort, not correctness
}

}  // namespace

TcpPort::TcpPort(std::string host, std::uint16_t port, const StopSignal& stop, Options options)
    : Port(stop), host_(std::move(host)), port_(port), options_(options), resolver_(host_, port, stop) {}

TcpPort::~TcpPort() { TcpPort::close(); }

tl::expected<void, Fault> TcpPort::open(TimePoint deadline) {
  const auto endpoints = resolver_.resolve(deadline);
  if (!endpoints) return tl::unexpected(endpoints.error());
  tl::expected<void, Fault> result;
  for (const auto& endpoint : *endpoints) {
    result = connect(endpoint, deadline);
    if (result || stop_.requested()) break;
  }
  // Some devices drop what comes before they are ready for it.
  if (result) stop_.sleep_until(std::chrono::steady_clock::now() + options_.connect_delay);
  return result;
}

tl::expected<void, Fault> TcpPort::connect(const Endpoint& endpoint, TimePoint deadline) {
  const auto failed = [this](const char* why) {
    TcpPort::close();
    return tl::unexpected(Fault{Failure::PortLost, fmt::format("cannot connect to {}: {}", name(), why)});
  };
  descriptor_ = ::socket(endpoint.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor_ < 0) return failed(std::strerror(errno));
  set(descriptor_, IPPROTO_TCP, TCP_NODELAY, 1);
  if (const auto seconds = static_cast<int>(options_.keepalive.count()); seconds > 0) {
    set(descriptor_, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(descriptor_, IPPROTO_TCP, TCP_KEEPIDLE, seconds);
    set(descriptor_, IPPROTO_TCP, TCP_KEEPINTVL, std::max(1, seconds / 2));
    set(descriptor_, IPPROTO_TCP, TCP_KEEPCNT, kKeepAliveCount);
  }

  sockaddr_storage address = endpoint.address;
  if (::connect(descriptor_, reinterpret_cast<sockaddr*>(&address), endpoint.length) == 0) return {};
  if (errno != EINPROGRESS) return failed(std::strerror(errno));
  switch (stop_.wait(descriptor_, POLLOUT, deadline)) {
    case Woke::Stopped:
      return failed("stopping");
    case Woke::Deadline:
      return failed("no answer");
    case Woke::Ready:
    case Woke::Rung:
      break;
  }
  int error = 0;
  socklen_t length = sizeof error;
  if (::getsockopt(descriptor_, SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
  if (error != 0) return failed(std::strerror(error));
  return {};
}

void TcpPort::close() {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

std::string TcpPort::name() const {
  return host_.find(':') == std::string::npos ? fmt::format("{}:{}", host_, port_)
                                              : fmt::format("[{}]:{}", host_, port_);
}

}  // namespace ferrule::drivers

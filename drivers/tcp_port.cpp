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
    : Port(stop), options_(std::move(options)) {
  addresses_.push_back(std::make_unique<Address>(std::move(host), port, stop));
  if (options_.standby_host.empty()) return;
  addresses_.push_back(std::make_unique<Address>(options_.standby_host, options_.standby_port, stop));
}

TcpPort::~TcpPort() { TcpPort::close(); }

void TcpPort::distrust() { current_ = (current_ + 1) % addresses_.size(); }

tl::expected<void, Fault> TcpPort::open(TimePoint deadline) {
  std::string trouble;
  for (std::size_t tried = 1;; ++tried) {
    // The first of two addresses must leave time for the other.
    const auto now = std::chrono::steady_clock::now();
    const auto left = static_cast<std::int64_t>(addresses_.size() - tried + 1);
    auto opened = open_current(now + (deadline - now) / left);
    if (opened || stop_.requested()) return opened;
    trouble += (trouble.empty() ? "" : "; ") + opened.error().detail;
    distrust();
    if (tried == addresses_.size()) return tl::unexpected(Fault{Failure::PortLost, trouble});
  }
}

tl::expected<void, Fault> TcpPort::open_current(TimePoint deadline) {
  const auto endpoints = addresses_[current_]->resolver.resolve(deadline);
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
  const auto& [host, port, resolver] = *addresses_[current_];
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port);
}

}  // namespace ferrule::drivers

#include "gateway/demo_link.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <stdexcept>
#include <vector>

namespace ferrule::gateway {

namespace {

constexpr int kLookAround = 50;  // ms between looks at cut_ and stopping_

/// One direction's unsent bytes: at most one buffer, so that a slow reader holds back its writer.
struct Pipe {
  int from;
  int to;
  std::array<char, 16384> buffer{};
  std::size_t begin = 0;
  std::size_t end = 0;

  bool empty() const { return begin == end; }
  /// Moves what can be moved without blocking. False when a side has ended.
  bool pump(short from_events, short to_events) {
    if (empty() && (from_events & (POLLIN | POLLHUP | POLLERR)) != 0) {
      const auto count = recv(from, buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (count == 0 || (count < 0 && errno != EAGAIN)) return false;
      begin = 0;
      end = count > 0 ? static_cast<std::size_t>(count) : 0;
      to_events = POLLOUT;
    }
    if (!empty() && (to_events & POLLOUT) != 0) {
      const auto count = send(to, buffer.data() + begin, end - begin, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (count < 0 && errno != EAGAIN) return false;
      if (count > 0) begin += static_cast<std::size_t>(count);
    }
    return true;
  }
};

struct Connection {
  Pipe up;
  Pipe down;
};

int connect_to(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return -1;
  int descriptor = -1;
  for (auto* address = found; address != nullptr && descriptor < 0; address = address->ai_next) {
    descriptor = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor >= 0 && connect(descriptor, address->ai_addr, address->ai_addrlen) != 0) {
      ::close(descriptor);
      descriptor = -1;
    }
  }
  freeaddrinfo(found);
  return descriptor;
}

void close_both(const Connection& connection) {
  ::close(connection.up.from);
  ::close(connection.up.to);
}

}  // namespace

DemoLink::DemoLink(std::string host, std::uint16_t port) : host_(std::move(host)), target_port_(port) {
  listening_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (listening_ < 0 || bind(listening_, generic, size) != 0 || listen(listening_, 16) != 0 ||
      getsockname(listening_, generic, &size) != 0) {
    throw std::runtime_error(std::string("cannot listen on a loopback port: ") + std::strerror(errno));
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { relay(); });
}

DemoLink::~DemoLink() {
  stopping_ = true;
  thread_.join();
  ::close(listening_);
}

void DemoLink::relay() {
  std::vector<Connection> connections;
  std::vector<pollfd> polled;
  while (!stopping_) {
    polled.assign(1, {listening_, POLLIN, 0});
    for (const auto& [up, down] : connections) {
      polled.push_back({up.from, static_cast<short>((up.empty() ? POLLIN : 0) | (down.empty() ? 0 : POLLOUT)), 0});
      polled.push_back({up.to, static_cast<short>((down.empty() ? POLLIN : 0) | (up.empty() ? 0 : POLLOUT)), 0});
    }
    if (poll(polled.data(), polled.size(), kLookAround) < 0 && errno != EINTR) return;

    std::vector<Connection> alive;
    for (std::size_t i = 0; i < connections.size(); ++i) {
      auto& connection = connections[i];
      const auto client = polled[1 + 2 * i].revents;
      const auto cloud = polled[2 + 2 * i].revents;
      if (!cut_ && connection.up.pump(client, cloud) && connection.down.pump(cloud, client)) {
        alive.push_back(connection);
      } else {
        close_both(connection);
      }
    }
    connections = std::move(alive);
    if ((polled[0].revents & POLLIN) == 0) continue;
    const int client = accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    const int cloud = cut_ ? -1 : connect_to(host_, target_port_);
    if (cloud < 0) {
      ::close(client);
      continue;
    }
    connections.push_back({Pipe{client, cloud}, Pipe{cloud, client}});
  }
  for (const auto& connection : connections) close_both(connection);
}

}  // namespace ferrule::gateway

#include "bridge/address.hpp"

#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace ferrule::bridge {

namespace {

constexpr std::size_t kMaxAddresses = 4;
constexpr int kExplainTime = 500;  // ms

}  // namespace

std::vector<std::string> resolve(const Endpoint& endpoint, std::string& error) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int code = getaddrinfo(endpoint.host.c_str(), nullptr, &hints, &list);
  if (code != 0) {
    error = fmt::format("cannot resolve {}: {}", endpoint.host, gai_strerror(code));
    return {};
  }
  std::vector<std::string> addresses;
  for (const auto* entry = list; entry != nullptr && addresses.size() < kMaxAddresses; entry = entry->ai_next) {
    char host[NI_MAXHOST];
    if (getnameinfo(entry->ai_addr, entry->ai_addrlen, host, sizeof host, nullptr, 0, NI_NUMERICHOST) != 0) continue;
    addresses.push_back(Endpoint{host, endpoint.port}.text());
  }
  freeaddrinfo(list);
  if (addresses.empty()) error = fmt::format("{} has no address", endpoint.host);
  return addresses;
}

std::string explain_no_connection(const std::string& address) {
  const auto endpoint = *parse_url("mqtt://" + address);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* target = nullptr;
  if (getaddrinfo(endpoint.host.c_str(), std::to_string(endpoint.port).c_str(), &hints, &target) != 0)
    return "no TCP connection";
  const int descriptor = socket(target->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int error = ::connect(descriptor, target->ai_addr, target->ai_addrlen) == 0 ? 0 : errno;
  freeaddrinfo(target);
  pollfd ready{descriptor, POLLOUT, 0};
  if (error == EINPROGRESS && poll(&ready, 1, kExplainTime) == 1) {
    socklen_t size = sizeof error;
    getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size);
  }
  ::close(descriptor);
  return error == 0 ? "no TCP connection" : std::strerror(error);
}

}  // namespace ferrule::bridge

#include "drivers/modbus/slave_sockets.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/select.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace ferrule::drivers::modbus {

namespace {

std::error_code last_error() { return {errno, std::generic_category()}; }

// An address in numbers and a port as a socket address; its size, or 0 when it is none.
socklen_t socket_address(const std::string& host, std::uint16_t port, sockaddr_storage& storage) {
  sockaddr_in v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    std::memcpy(&storage, &v4, sizeof v4);
    return sizeof v4;
  }
  sockaddr_in6 v6{};
  if (inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) != 1) return 0;
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  std::memcpy(&storage, &v6, sizeof v6);
  return sizeof v6;
}

std::uint16_t port_of(const sockaddr_storage& storage) {
  sockaddr_in v4{};  // the port lies at the same place in both families
  std::memcpy(&v4, &storage, sizeof v4);
  return ntohs(v4.sin_port);
}

}  // namespace

tl::expected<Listener, std::error_code> listen_on(const std::string& host, std::uint16_t port) {
  sockaddr_storage storage{};
  auto size = socket_address(host, port, storage);
  if (size == 0) return tl::unexpected(std::make_error_code(std::errc::invalid_argument));
  Descriptor socket(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return tl::unexpected(last_error());
  const int on = 1;
  setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  auto* generic = reinterpret_cast<sockaddr*>(&storage);
  if (bind(socket.get(), generic, size) != 0 || listen(socket.get(), 16) != 0 ||
      getsockname(socket.get(), generic, &size) != 0) {
    return tl::unexpected(last_error());
  }
  return Listener{std::move(socket), port_of(storage)};
}

std::string address_text(const sockaddr_storage& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.ss_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &address, sizeof v4);
    inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
  } else {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &address, sizeof v6);
    inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
  }
  return text.data();
}

Descriptor as_connection(Descriptor socket) {
  const int on = 1;
  setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(socket.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  const int high = fcntl(socket.get(), F_DUPFD_CLOEXEC, FD_SETSIZE);
  return high < 0 ? std::move(socket) : Descriptor(high);
}

}  // namespace ferrule::drivers::modbus

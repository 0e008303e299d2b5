// Internet addresses as sockets give them, short enough to be kept per connection, and networks of them.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ferrule::mqtt {

/// An IPv4 or IPv6 address with a port, or neither for a Unix socket: 28 bytes instead of sockaddr_storage's 128.
class Address {
 public:
  Address() = default;
  /// An IPv4 address in IPv6's clothes (::ffff:192.0.2.1) is taken for what it is.
  explicit Address(const sockaddr_storage& storage);
  static Address v4(std::array<std::uint8_t, 4> bytes, std::uint16_t port);
  static Address v6(std::array<std::uint8_t, 16> bytes, std::uint16_t port);

  bool is_internet() const { return family() != AF_UNSPEC; }
  int family() const { return socket_.any.sa_family; }
  std::uint16_t port() const;
  bool is_loopback() const;
  std::string host() const;  ///< "192.168.1.20", "fe80::1"; empty for none
  std::string text() const;  ///< "192.168.1.20:50123", "[::1]:50123", "local"
  /// Network order; 4 or 16 of them.
  std::string_view bytes() const;

 private:
  union Socket {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
  };
  Socket socket_{};
};

/// "10.0.0.0/8", "fd00::/8", or one address.
class Network {
 public:
  static std::optional<Network> parse(std::string_view text);  ///< nothing when it is neither
  bool contains(const Address& address) const;

 private:
  Address address_;
  unsigned prefix_ = 0;  // bits
};

}  // namespace ferrule::mqtt

#include "mqtt/address.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace ferrule::mqtt {

Address::Address(const sockaddr_storage& storage) {
  if (storage.ss_family == AF_INET) std::memcpy(&socket_.v4, &storage, sizeof socket_.v4);
  if (storage.ss_family != AF_INET6) return;
  sockaddr_in6 v6_socket{};
  std::memcpy(&v6_socket, &storage, sizeof v6_socket);
  if (IN6_IS_ADDR_V4MAPPED(&v6_socket.sin6_addr)) {
    std::array<std::uint8_t, 4> last{};
    std::memcpy(last.data(), &v6_socket.sin6_addr.s6_addr[12], last.size());
    *this = v4(last, ntohs(v6_socket.sin6_port));
  } else {
    socket_.v6 = v6_socket;
  }
}

Address Address::v4(std::array<std::uint8_t, 4> bytes, std::uint16_t port) {
  Address address;
  address.socket_.v4.sin_family = AF_INET;
  address.socket_.v4.sin_port = htons(port);
  std::memcpy(&address.socket_.v4.sin_addr, bytes.data(), bytes.size());
  return address;
}

Address Address::v6(std::array<std::uint8_t, 16> bytes, std::uint16_t port) {
  Address address;
  address.socket_.v6.sin6_family = AF_INET6;
  address.socket_.v6.sin6_port = htons(port);
  std::memcpy(&address.socket_.v6.sin6_addr, bytes.data(), bytes.size());
  return address;
}

std::uint16_t Address::port() const {
  if (!is_internet()) return 0;
  return ntohs(family() == AF_INET6 ? socket_.v6.sin6_port : socket_.v4.sin_port);
}

bool Address::is_loopback() const {
  if (family() == AF_INET) return (ntohl(socket_.v4.sin_addr.s_addr) >> 24U) == 127;
  return family() == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&socket_.v6.sin6_addr);
}

std::string_view Address::bytes() const {
  if (family() == AF_INET) return {reinterpret_cast<const char*>(&socket_.v4.sin_addr), 4};
  if (family() == AF_INET6) return {reinterpret_cast<const char*>(&socket_.v6.sin6_addr), 16};
  return {};
}

std::string Address::host() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (is_internet()) ::inet_ntop(family(), bytes().data(), text.data(), text.size());
  return text.data();
}

std::string Address::text() const {
  if (!is_internet()) return "local";
  if (family() == AF_INET6) return fmt::format("[{}]:{}", host(), port());
  return fmt::format("{}:{}", host(), port());
}

std::optional<Network> Network::parse(std::string_view text) {
  const auto slash = text.find('/');
  const std::string host(text.substr(0, slash));
  Network network;
  std::array<std::uint8_t, 4> v4{};
  std::array<std::uint8_t, 16> v6{};
  if (::inet_pton(AF_INET, host.c_str(), v4.data()) == 1) {
    network.address_ = Address::v4(v4, 0);
  } else if (::inet_pton(AF_INET6, host.c_str(), v6.data()) == 1) {
    network.address_ = Address::v6(v6, 0);
  } else {
    return std::nullopt;
  }
  const auto bits = static_cast<unsigned>(network.address_.bytes().size() * 8);
  network.prefix_ = bits;
  if (slash == std::string_view::npos) return network;
  const auto number = text.substr(slash + 1);
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), network.prefix_);
  if (error != std::errc{} || end != number.data() + number.size() || network.prefix_ > bits) return std::nullopt;
  return network;
}

bool Network::contains(const Address& address) const {
  if (address.family() != address_.family()) return false;
  const auto own = address_.bytes(), other = address.bytes();
  const std::size_t whole = prefix_ / 8;
  if (own.substr(0, whole) != other.substr(0, whole)) return false;
  const unsigned rest = prefix_ % 8;
  if (rest == 0) return true;
  const auto differ = static_cast<unsigned char>(own[whole] ^ other[whole]);
  return (differ >> (8U - rest)) == 0;
}

}  // namespace ferrule::mqtt

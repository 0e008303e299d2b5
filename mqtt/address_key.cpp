#include "mqtt/address_key.hpp"

#include <arpa/inet.h>

namespace ferrule::mqtt {

std::string address_key(std::string_view address) {
  const std::string text(address);
  in6_addr v6{};
  if (::inet_pton(AF_INET6, text.c_str(), &v6) != 1 || IN6_IS_ADDR_LOOPBACK(&v6)) return text;
  if (IN6_IS_ADDR_V4MAPPED(&v6)) return {reinterpret_cast<const char*>(v6.s6_addr) + 12, 4};
  return {reinterpret_cast<const char*>(v6.s6_addr), 8};
}

}  // namespace ferrule::mqtt

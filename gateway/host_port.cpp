#include "gateway/host_port.hpp"

#include <arpa/inet.h>

#include <charconv>

namespace ferrule::gateway {

namespace {

bool is_address(const std::string& text) {
  in6_addr ignored{};
  return ::inet_pton(text.find(':') == std::string::npos ? AF_INET : AF_INET6, text.c_str(), &ignored) == 1;
}

}  // namespace

void read_host_port(const config::Node& node, std::string& host, std::uint16_t& port) {
  const auto text = node.required_text();
  if (text.empty()) return;
  const auto colon = text.rfind(':');
  const auto digits = colon == std::string::npos ? std::string() : text.substr(colon + 1);
  auto address = text.substr(0, colon);
  if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
  std::uint16_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size() || !is_address(address)) {
    node.mistake("is where to listen, like 127.0.0.1:8080 or [::1]:8080");
    return;
  }
  host = address;
  port = number;
}

bool is_loopback(const std::string& host) { return host.starts_with("127.") || host == "::1"; }

}  // namespace ferrule::gateway

// The way through a proxy.
#include <arpa/inet.h>
#include <fmt/format.h>

#include <array>
#include <string>

#include "bridge/stream.hpp"
#include "mqtt/crypto.hpp"

namespace ferrule::bridge {

namespace {

tl::unexpected<StreamEnd> fail(std::string cause) { return tl::unexpected(StreamEnd{std::move(cause)}); }

Streamed<void> open_http_tunnel(Stream& stream, const ProxySettings& proxy, const Endpoint& target, const Wait& wait) {
  auto request = fmt::format("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n", target.text());
  if (!proxy.username.empty()) {  // RFC 7617
    const auto credentials = mqtt::to_base64(proxy.username + ":" + proxy.password);
    request += fmt::format("Proxy-Authorization: Basic {}\r\n", credentials);
  }
  if (const auto written = write_all(stream, request + "\r\n", wait); !written) return written;
  const auto head = read_http_head(stream, wait);
  if (!head) return tl::unexpected(head.error());
  if (head->status >= 200 && head->status < 300) return {};
  if (head->status == 407 || head->status == 401) {  // 401: tinyproxy, of a wrong password
    return fail(proxy.username.empty() ? "it wants a user name and a password"
                                       : "it does not take our user name and password");
  }
  return fail(fmt::format("it answers \"{}\"", head->status_line));
}

// ---- SOCKS 5 (RFC 1928)

constexpr char kVersion = 5, kNoLogin = 0, kPasswordLogin = 2, kConnect = 1;
constexpr char kIpv4 = 1, kName = 3, kIpv6 = 4;
constexpr char kPasswordVersion = 1;

std::string counted(const std::string& text) { return static_cast<char>(text.size()) + text; }

/// type | address | port
std::string socks_address(const Endpoint& target) {
  std::array<char, 16> bytes{};
  std::string address;
  if (inet_pton(AF_INET, target.host.c_str(), bytes.data()) == 1) {
    address = kIpv4 + std::string(bytes.data(), 4);
  } else if (inet_pton(AF_INET6, target.host.c_str(), bytes.data()) == 1) {
    address = kIpv6 + std::string(bytes.data(), 16);
  } else {
    address = kName + counted(target.host);
  }
  return address + static_cast<char>(target.port >> 8U) + static_cast<char>(target.port & 0xFFU);
}

std::string socks_refusal(unsigned code) {
  constexpr std::string_view kNames[] = {
      "succeeded",           "general failure",   "its rules do not allow it",
      "network unreachable", "host unreachable",  "connection refused",
      "timed out",           "it cannot connect", "it does not know this kind of address"};
  return code < std::size(kNames) ? std::string(kNames[code]) : fmt::format("unknown error {}", code);
}

Streamed<void> log_in(Stream& stream, const ProxySettings& proxy, const Wait& wait) {
  const auto request = kPasswordVersion + counted(proxy.username) + counted(proxy.password);  // RFC 1929
  if (const auto written = write_all(stream, request, wait); !written) return written;
  const auto answer = read_exactly(stream, 2, wait);
  if (!answer) return tl::unexpected(answer.error());
  if ((*answer)[1] != 0) return fail("it does not take our user name and password");
  return {};
}

/// What is left of the answer behind its first four bytes.
Streamed<void> skip_address(Stream& stream, char type, const Wait& wait) {
  std::size_t size = type == kIpv4 ? 4 : 16;
  if (type == kName) {
    const auto length = read_exactly(stream, 1, wait);
    if (!length) return tl::unexpected(length.error());
    size = static_cast<unsigned char>(length->front());
  }
  const auto rest = read_exactly(stream, size + 2, wait);
  if (!rest) return tl::unexpected(rest.error());
  return {};
}

Streamed<void> open_socks_tunnel(Stream& stream, const ProxySettings& proxy, const Endpoint& target, const Wait& wait) {
  if (target.host.size() > 255) return fail("the cloud's name is longer than 255 bytes");
  std::string methods{kNoLogin};
  if (!proxy.username.empty()) methods += kPasswordLogin;
  if (const auto written = write_all(stream, kVersion + counted(methods), wait); !written) return written;
  const auto chosen = read_exactly(stream, 2, wait);
  if (!chosen) return tl::unexpected(chosen.error());
  if (chosen->front() != kVersion) return fail("it does not speak SOCKS 5");
  const char method = (*chosen)[1];
  if (method == kPasswordLogin && !proxy.username.empty()) {
    if (const auto logged_in = log_in(stream, proxy, wait); !logged_in) return logged_in;
  } else if (method != kNoLogin) {
    return fail(proxy.username.empty() ? "it wants a user name and a password" : "it takes no user name and password");
  }
  const auto request = std::string{kVersion, kConnect, '\0'} + socks_address(target);
  if (const auto written = write_all(stream, request, wait); !written) return written;
  const auto answer = read_exactly(stream, 4, wait);  // version | reply | 0 | type of address
  if (!answer) return tl::unexpected(answer.error());
  if ((*answer)[1] != 0) return fail(socks_refusal(static_cast<unsigned char>((*answer)[1])));
  return skip_address(stream, (*answer)[3], wait);
}

}  // namespace

Streamed<void> open_tunnel(Stream& stream, const ProxySettings& proxy, const Endpoint& target, const Wait& wait) {
  const auto open = proxy.server.is_socks ? open_socks_tunnel : open_http_tunnel;
  auto opened = open(stream, proxy, target, wait);
  if (!opened) opened.error() = {"proxy: " + opened.error().cause, false};
  return opened;
}

}  // namespace ferrule::bridge

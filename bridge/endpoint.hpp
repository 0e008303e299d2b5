// Where a server is and what is spoken there, from the URL of an uplink or of its proxy.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ferrule::bridge {

struct Endpoint {
  std::string host;  ///< a name, or an address without brackets
  std::uint16_t port = 1883;
  bool tls = false;
  std::string path{};        ///< of a WebSocket, with its query; empty: none is spoken
  bool is_socks = false;     ///< of a proxy: SOCKS 5, otherwise HTTP
  std::string text() const;  ///< "host:port", an IPv6 address in brackets
  bool is_websocket() const { return !path.empty(); }
  bool operator==(const Endpoint&) const = default;
};

/// Of `mqtt://host[:port]`, `mqtts://host[:port]`, `ws://host[:port][/path]` or `wss://host[:port][/path]` (ports 1883,
/// 8883, 80 and 443 and path /mqtt when there is none); empty when it is anything else.
std::optional<Endpoint> parse_url(std::string_view url);

/// Of `http://host[:port]` (3128) or `socks5://host[:port]` (1080).
std::optional<Endpoint> parse_proxy_url(std::string_view url);

}  // namespace ferrule::bridge

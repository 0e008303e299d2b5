#include "bridge/stream.hpp"

namespace ferrule::bridge {

Streamed<std::unique_ptr<Stream>> open_way(const Endpoint& endpoint, const std::string& address,
                                           const UplinkSettings& settings, const Wait& wait, const Passed& passed) {
  auto stream = open_tcp(address, wait);
  const auto pass = [&](const char* step) {
    if (passed) passed(step, (*stream)->about());
  };
  if (!stream) return stream;
  pass("TCP");
  if (settings.proxy) {
    const auto opened = open_tunnel(**stream, *settings.proxy, endpoint, wait);
    if (!opened) return tl::unexpected(opened.error());
    pass("proxy");
  }
  if (endpoint.tls) {
    stream = open_tls(std::move(*stream), endpoint.host, settings.tls, wait);
    if (!stream) return stream;
    pass("TLS");
  }
  if (endpoint.is_websocket()) {
    stream = open_websocket(std::move(*stream), endpoint, wait);
    if (!stream) return stream;
    pass("WebSocket");
  }
  return stream;
}

}  // namespace ferrule::bridge

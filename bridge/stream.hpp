// The bytes between us and the cloud, without MQTT.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "bridge/settings.hpp"

namespace ferrule::bridge {

/// Why a stream ended.
struct StreamEnd {
  std::string cause;    ///< what a person can act upon
  bool unsaid = false;  ///< the peer just closed or reset it
};

template <class T>
using Streamed = tl::expected<T, StreamEnd>;

/// A connected stream that never blocks. Of no use after it ended. Thread: one.
class Stream {
 public:
  virtual ~Stream() = default;
  virtual int descriptor() const = 0;
  /// What to poll the descriptor for, besides what comes: POLLOUT when `read` or `write` could not go on without.
  virtual short waits_for() const = 0;
  /// What a person may want to know of it, e.g. how long the peer's certificate is valid; may be empty.
  virtual std::string about() const { return {}; }
  /// Bytes put into `buffer`; fewer than it holds: no more for now.
  virtual Streamed<std::size_t> read(std::span<char> buffer) = 0;
  /// Bytes taken, from the first piece on; fewer than there are: no more for now. With no piece it goes on with what it
  /// has taken and not written yet.
  virtual Streamed<std::size_t> write(std::span<const iovec> pieces) = 0;
};

/// Waits until the descriptor is ready for `events` (poll's); false when there is no more time for it.
using Wait = std::function<bool(int descriptor, short events)>;

// ---- before a stream carries MQTT. Each fails when `wait` does.

/// Over TCP to a numeric address with port.
Streamed<std::unique_ptr<Stream>> open_tcp(const std::string& address, const Wait& wait);

/// Lets the proxy at the other end of `stream` connect to `target`, whose name it looks up. By HTTP CONNECT (RFC 9110
/// 9.3.6, Basic credentials) or SOCKS 5 (RFC 1928, 1929).
Streamed<void> open_tunnel(Stream& stream, const ProxySettings& proxy, const Endpoint& target, const Wait& wait);

/// TLS 1.2 or 1.3 over `stream`, to a server that has to prove that it is `host`. Reads the files that `settings`
/// names, so that a renewed certificate counts from the next connection on.
Streamed<std::unique_ptr<Stream>> open_tls(std::unique_ptr<Stream> stream, const std::string& host,
                                           const TlsSettings& settings, const Wait& wait);

/// WebSocket (RFC 6455) with the subprotocol mqtt [MQTT-6.0.0-3].
Streamed<std::unique_ptr<Stream>> open_websocket(std::unique_ptr<Stream> stream, const Endpoint& server,
                                                 const Wait& wait);

/// Told of each step when it is done ("TCP", "proxy", "TLS", "WebSocket"), with what the stream says about itself.
using Passed = std::function<void(const char* step, const std::string& about)>;

/// All that stands between us and the CONNECT to `endpoint`. `address` is the endpoint's, or the proxy's.
Streamed<std::unique_ptr<Stream>> open_way(const Endpoint& endpoint, const std::string& address,
                                           const UplinkSettings& settings, const Wait& wait, const Passed& passed = {});

// ---- for those

Streamed<void> write_all(Stream& stream, std::string_view bytes, const Wait& wait);
Streamed<std::string> read_exactly(Stream& stream, std::size_t size, const Wait& wait);

/// The head of an HTTP answer, at most 8 KiB, and not a byte of what follows.
struct HttpHead {
  int status = 0;
  std::string status_line;  ///< without what cannot be printed
  std::string text;         ///< with the status line
  /// The first field of that name, whatever its case; empty when there is none.
  std::string_view field(std::string_view name) const;
};
Streamed<HttpHead> read_http_head(Stream& stream, const Wait& wait);

}  // namespace ferrule::bridge

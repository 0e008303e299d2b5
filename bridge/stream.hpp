// The bytes between us and the cloud, without MQTT.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>

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
  /// Bytes put into `buffer`; fewer than it holds: no more for now.
  virtual Streamed<std::size_t> read(std::span<char> buffer) = 0;
  /// Bytes taken, from the first piece on; fewer than there are: no more for now.
  virtual Streamed<std::size_t> write(std::span<const iovec> pieces) = 0;
};

/// Waits until the descriptor is ready for `events` (poll's); false when there is no more time for it.
using Wait = std::function<bool(int descriptor, short events)>;

/// Over TCP to a numeric address with port.
Streamed<std::unique_ptr<Stream>> open_tcp(const std::string& address, const Wait& wait);

/// TLS 1.2 or 1.3 over `stream`, to a server that has to prove that it is `host`. Reads the files that `settings`
/// names, so that a renewed certificate counts from the next connection on.
Streamed<std::unique_ptr<Stream>> open_tls(std::unique_ptr<Stream> stream, const std::string& host,
                                           const TlsSettings& settings, const Wait& wait);

}  // namespace ferrule::bridge

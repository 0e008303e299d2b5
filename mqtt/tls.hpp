// TLS on a connected socket: OpenSSL without its headers.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "mqtt/peer_identity.hpp"
#include "mqtt/settings.hpp"

struct ssl_st;

namespace ferrule::mqtt {

class TlsContext;

/// One connection's TLS. Reads and writes its non-blocking socket itself, and holds no buffer while nothing is under
/// way (SSL_MODE_RELEASE_BUFFERS). Broker thread.
class TlsStream {
 public:
  enum class Step : std::uint8_t {
    Done,
    WantsRead,   ///< call again when the socket is readable
    WantsWrite,  ///< and writable
    Ended,       ///< the peer closed
    Failed,      ///< nothing can follow; `error` says why
  };
  struct Moved {
    Step step;
    std::size_t bytes = 0;
  };

  TlsStream(TlsContext& context, int descriptor);
  ~TlsStream();
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  Step handshake();
  bool resumed() const;  ///< by a session ticket
  /// Fills `buffer` from as many records as there are. Done with less than its size: nothing more is there now.
  Moved read(std::span<char> buffer);
  bool has_pending() const;  ///< `read` may have bytes although the socket has none
  /// Records of at most 16 KiB, each gathered and sent at once. After less than everything was taken, the next call's
  /// bytes begin with what is left, and are no fewer.
  Moved write(std::span<const iovec> buffers);
  void send_close();          ///< close_notify, if the socket takes it
  std::string error() const;  ///< of the call that failed just now
  /// Nothing when the client showed none.
  std::optional<PeerCertificate> certificate() const;

 private:
  TlsContext& context_;
  ssl_st* ssl_;
};

/// A listener's certificates and rules. Broker thread. Outlives its streams.
class TlsContext {
 public:
  /// Throws config::Error with the place of the setting whose file cannot be used.
  explicit TlsContext(const TlsSettings& settings);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  /// Reads the files again when one of them has changed since; new handshakes use them, and session tickets of before
  /// are void. With files that cannot be used all stays as it was, and the error says why. True: they were changed.
  tl::expected<bool, std::string> reload_if_changed();

 private:
  friend class TlsStream;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ferrule::mqtt

// A connection's bytes, whatever carries them: TCP, TLS, WebSocket or a Unix socket behind the same six methods.
#pragma once

#include <sys/uio.h>
#include <cstddef>
#include <string>
#include <string_view>

#include <span>

#include "mqtt/peer_identity.hpp"

namespace ferrule::mqtt {

/// What a transport tells its connection. Broker thread.
class Sink {
 public:
  virtual ~Sink() = default;
  /// Bytes as they came; valid during the call only. The sink may close its transport meanwhile.
  virtual void on_data(std::string_view bytes) = 0;
  /// All output was taken by the peer's socket after a short write.
  virtual void on_writable() = 0;
  /// The connection is over: by the peer, by an error, or by `close`. Called once; the transport may be destroyed
  /// afterwards, not before it returns.
  virtual void on_closed(std::string_view cause) = 0;
};

/// Owned by the broker. Broker thread. Does not buffer output: what a short write leaves is the connection's to keep.
class Transport {
 public:
  virtual ~Transport() = default;
  /// Begins to deliver bytes. Never calls the sink before it returns.
  virtual void start(Sink& sink) = 0;
  /// Writes without blocking, as one gather write; returns how many bytes were taken. Less than the sum: `on_writable`
  /// follows.
  virtual std::size_t write(std::span<const iovec> buffers) = 0;
  /// Stops and resumes reading (back-pressure on a client that publishes faster than its consumers take).
  virtual void pause_reading(bool pause) = 0;
  /// Closes after what the kernel holds was sent. `on_closed` follows from the loop, never from inside this call.
  virtual void close() = 0;
  virtual std::string peer() const = 0;  ///< for log lines, e.g. "192.168.1.20:50123"
  /// Complete from the first byte that the sink gets. Put together at each call: a connection keeps none of it.
  virtual PeerIdentity identity() const = 0;
};

}  // namespace ferrule::mqtt

// The load generator's end of a connection: TCP, TLS or WebSocket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace ferrule::bench {

enum class Way : std::uint8_t { Tcp, Tls, WebSocket };

/// To 127.0.0.1. Throws std::runtime_error when the server closes or is silent for ten seconds while it is waited for.
class Stream {
 public:
  Stream(std::uint16_t port, Way way);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  int descriptor() const { return socket_; }
  /// Waits for room.
  void write(std::string_view bytes);
  /// What has arrived, without waiting; valid until the next call.
  std::string_view read();
  void wait() const;  ///< until something has arrived

 private:
  class Tls;
  std::string_view receive(std::span<char> into);
  void send(std::string_view bytes);
  void upgrade();
  std::string_view unframe(std::string_view arrived);

  const Way way_;
  const int socket_;
  std::unique_ptr<Tls> tls_;
  std::string frames_;   // of a WebSocket, not yet whole
  std::string payload_;  // of the frames read last
};

}  // namespace ferrule::bench

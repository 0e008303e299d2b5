// A TCP connection as a Transport.
#pragma once

#include <sys/socket.h>
#include <memory>
#include <string>

#include "mqtt/loop.hpp"
#include "mqtt/transport.hpp"

namespace ferrule::mqtt {

/// Reads into the loop's one buffer and writes from the connection's own, so that it holds none itself. Broker thread.
class TcpTransport final : public Transport {
 public:
  /// Takes over a connected, non-blocking stream socket. `listener` is the index of the listener it came to.
  TcpTransport(Loop& loop, int descriptor, const sockaddr_storage& peer, std::size_t listener);
  ~TcpTransport() override;  ///< closes at once; the sink hears nothing more

  void start(Sink& sink) override;
  std::size_t write(std::span<const iovec> buffers) override;
  void pause_reading(bool pause) override;
  /// Sends FIN behind what the kernel holds, then reads and discards until the peer closes too: otherwise its unread
  /// bytes would make the kernel answer with RST, which can destroy our last packet on its way. At most one second and
  /// 1 MiB of that.
  void close() override;
  std::string peer() const override;
  PeerIdentity identity() const override;

 private:
  class Socket;
  std::shared_ptr<Socket> socket_;  // shared with the handlers that Asio still holds
};

/// "192.168.1.20:50123", "[::1]:50123".
std::string address_text(const sockaddr_storage& address);

}  // namespace ferrule::mqtt

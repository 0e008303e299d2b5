// A connected stream socket as a Transport: TCP or Unix, behind a proxy or not, plain or TLS.
#pragma once

#include <memory>
#include <string>

#include "mqtt/address.hpp"
#include "mqtt/listen_point.hpp"
#include "mqtt/loop.hpp"
#include "mqtt/poller.hpp"
#include "mqtt/proxy_header.hpp"
#include "mqtt/tls.hpp"
#include "mqtt/transport.hpp"

namespace ferrule::mqtt {

/// Reads into the loop's one buffer and writes from the connection's own, so that it holds none itself. The sink hears
/// nothing before the PROXY header and the TLS handshake are through. Broker thread.
class SocketTransport final : public Transport, private Poller::Watched {
 public:
  /// Takes over a connected, non-blocking stream socket.
  SocketTransport(Loop& loop, int descriptor, const Address& peer, std::shared_ptr<ListenPoint> point);
  ~SocketTransport();  ///< closes at once; the sink hears nothing more

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
  enum class State : std::uint8_t { AwaitsProxyHeader, ShakesHands, Open, Lingering, Closed };
  struct Proxied {
    Address proxy;
    ProxyHeader header;
  };
  struct Linger {
    Poller::Time deadline;
    std::size_t discarded = 0;  // bytes
  };

  void on_ready(std::uint32_t events) override;
  void on_deadline() override { end("closed"); }
  void read_proxy_header();
  void shake_hands();
  void read(bool hung_up);
  void discard();
  void end(std::string_view cause);
  void fail(std::uint64_t ListenerCounters::*counter, std::string_view mistake);
  void watch(std::uint32_t events);

  // Constant after construction.
  Loop& loop_;
  const std::shared_ptr<ListenPoint> point_;
  // Thread: broker.
  Sink* sink_ = nullptr;
  std::unique_ptr<TlsStream> tls_;    // null: plain, or nothing came yet
  std::unique_ptr<Proxied> proxied_;  // null: no proxy
  std::unique_ptr<Linger> linger_;    // only while Lingering
  Address peer_;                      // behind a proxy the client's, once it is known
  int descriptor_;
  int write_error_ = 0;
  std::uint32_t watched_ = 0;  // events
  State state_ = State::Open;
  bool paused_ = false;
};

}  // namespace ferrule::mqtt

// A broker that listens on a real socket, on a thread of its own, and a blocking client with a deadline.
#pragma once

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "mqtt/broker.hpp"
#include "mqtt/listener.hpp"
#include "mqtt/loop.hpp"

namespace ferrule::mqtt::testing {

/// A listener's settings with a place in "ferrule.yaml".
ListenSettings on(const std::string& bind, std::uint16_t port = 0);

/// Where tests/certificates/make.sh put its certificates; made at the first call of the process.
const std::string& certificates();
/// `server` with that certificate of them; clients are asked for theirs when `ca` is not empty.
TlsSettings tls_of(const std::string& certificate = "server", ClientCertificate wanted = ClientCertificate::None);

class LiveBroker {
 public:
  explicit LiveBroker(ListenSettings listen = on("127.0.0.1"), BrokerSettings settings = {});
  ~LiveBroker();

  std::uint16_t port() const { return listener_->port(); }
  /// Asks on the broker thread.
  template <class F>
  auto ask(F question) {
    std::promise<decltype(question(broker_))> answer;
    auto future = answer.get_future();
    loop_.post([&] { answer.set_value(question(broker_)); });
    return future.get();
  }
  ListenerCounters counters();
  /// Who came last, as its transport tells once it sent its first byte.
  PeerIdentity last_identity();
  void reload_certificates();

 private:
  Loop loop_;
  SystemClock clock_;
  Broker broker_;
  PeerIdentity last_;
  std::unique_ptr<Listener> listener_;
  std::thread thread_;
};

/// Connects to a port of 127.0.0.1, or to a Unix socket.
class SocketClient {
 public:
  explicit SocketClient(std::uint16_t port, int receive_buffer = 0);
  explicit SocketClient(const std::string& unix_path);
  virtual ~SocketClient();
  SocketClient(const SocketClient&) = delete;
  SocketClient& operator=(const SocketClient&) = delete;

  void send(std::string_view packets);  ///< as wire_text.hpp writes them
  virtual void send_bytes(std::string_view bytes);
  void expect(std::string_view packets);
  virtual std::string receive(std::size_t n);  ///< fewer when the broker closed or 10 s went by
  std::string receive_all();                   ///< until the broker closes
  /// True when the broker closed politely, with FIN and not RST.
  bool ended();
  int descriptor() const { return descriptor_; }

 protected:
  bool readable();

 private:
  int descriptor_;
};

extern const char* const kConnect;  ///< 3.1.1, client id "a"

}  // namespace ferrule::mqtt::testing

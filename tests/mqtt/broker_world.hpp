// A broker with a clock and transports that the test holds in its hands; clients are scripts of bytes.
#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mqtt/broker.hpp"
#include "mqtt/clock.hpp"

namespace ferrule::mqtt::testing {

class FakeClock final : public Clock {
 public:
  std::chrono::steady_clock::time_point now() const override { return now_; }
  std::chrono::system_clock::time_point utc() const override {
    return std::chrono::system_clock::time_point(std::chrono::hours(500'000)) + (now_ - kBegin);
  }
  void advance(std::chrono::milliseconds by) { now_ += by; }

 private:
  static constexpr std::chrono::steady_clock::time_point kBegin{std::chrono::hours(1000)};
  std::chrono::steady_clock::time_point now_ = kBegin;
};

/// What a fake transport and the test share: it outlives both.
struct Wire {
  Sink* sink = nullptr;
  std::string sent;             ///< by the broker, not yet looked at by the test
  std::size_t room = SIZE_MAX;  ///< bytes that the peer's socket still takes
  std::size_t writes = 0;       ///< calls of `write`
  bool short_write = false;     ///< the broker waits for on_writable
  bool paused = false;
  bool closing = false;  ///< the broker called `close`
  PeerIdentity identity;        ///< what the transport tells of its peer
  bool over = false;     ///< on_closed was called, or the transport is gone
};

class World;

/// One client, as seen from its end of the wire. Bytes are written as `wire` (wire_text.hpp) reads them.
class Peer {
 public:
  Peer(World& world, std::shared_ptr<Wire> wire) : world_(world), wire_(std::move(wire)) {}

  Peer& send(std::string_view packets);  ///< and lets the broker's turn end
  Peer& send_bytes(std::string_view bytes);
  Peer& feed(std::string_view packets);  ///< without ending the turn
  /// Exactly these bytes came since the last look.
  Peer& expect(std::string_view packets);
  Peer& expect_nothing() { return expect(""); }
  Peer& expect_closed();  ///< by the broker, after everything else was expected
  void drop();            ///< the network fails
  std::string take();     ///< what came, unchecked
  /// The peer's socket has room for `bytes` more.
  void let_in(std::size_t bytes);
  Wire& wire() { return *wire_; }

 private:
  World& world_;
  std::shared_ptr<Wire> wire_;
};

class World {
 public:
  explicit World(BrokerSettings settings = {});
  ~World();

  Peer connect();  ///< a connection, no packet yet, from 192.0.2.1
  Peer connect(PeerIdentity identity);
  Peer client(std::string_view id);                    ///< 3.1.1, clean session, no keep-alive
  Peer persistent(std::string_view id, bool present);  ///< 3.1.1, clean session 0
  Peer client5(std::string_view id);                   ///< 5.0, clean start, no expiry
  /// 5.0 with Clean Start 0 and Session Expiry Interval 3600.
  Peer persistent5(std::string_view id, bool present);

  void turn();                                 ///< ends the loop's turn: flushes, and tells of closed transports
  void advance(std::chrono::milliseconds by);  ///< moves the clock, ticks, and ends the turn
  void publish(std::string topic, std::string payload, Qos qos = Qos::AtMostOnce, bool retain = false);

  FakeClock clock;
  Broker broker;

 private:
  friend class Peer;
  std::deque<std::shared_ptr<Wire>> wires_;
};

/// The CONNACK of a 5.0 client under default settings, and that of a resumed session.
extern const char* const kConnack5;
extern const char* const kConnack5Present;

}  // namespace ferrule::mqtt::testing

#include "broker_world.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "wire_text.hpp"

namespace ferrule::mqtt::testing {

const char* const kConnack5 = "20 [ 00 00 [ 21 0400 27 00100000 22 0020 ] ]";
const char* const kConnack5Present = "20 [ 01 00 [ 21 0400 27 00100000 22 0020 ] ]";

namespace {

class FakeTransport final : public Transport {
 public:
  explicit FakeTransport(std::shared_ptr<Wire> wire) : wire_(std::move(wire)) {}
  ~FakeTransport() override {
    wire_->over = true;
    wire_->sink = nullptr;
  }

  void start(Sink& sink) override { wire_->sink = &sink; }

  std::size_t write(std::span<const iovec> buffers) override {
    EXPECT_FALSE(wire_->closing) << "written after close";
    ++wire_->writes;
    std::size_t taken = 0, wanted = 0;
    for (const iovec& buffer : buffers) {
      const std::size_t n = std::min(buffer.iov_len, wire_->room);
      wire_->sent.append(static_cast<const char*>(buffer.iov_base), n);
      wire_->room -= wire_->room == SIZE_MAX ? 0 : n;
      taken += n;
      wanted += buffer.iov_len;
    }
    wire_->short_write = taken < wanted;
    return taken;
  }

  void pause_reading(bool pause) override { wire_->paused = pause; }
  void close() override { wire_->closing = true; }
  std::string peer() const override { return "192.0.2.1:50000"; }
  PeerIdentity identity() const override { return wire_->identity; }

 private:
  std::shared_ptr<Wire> wire_;
};

}  // namespace

Peer& Peer::feed(std::string_view packets) {
  const std::string bytes = testing::wire(packets);
  EXPECT_NE(wire_->sink, nullptr) << "the connection is over";
  if (wire_->sink != nullptr) wire_->sink->on_data(bytes);
  return *this;
}

Peer& Peer::send_bytes(std::string_view bytes) {
  EXPECT_NE(wire_->sink, nullptr) << "the connection is over";
  if (wire_->sink != nullptr) wire_->sink->on_data(bytes);
  world_.turn();
  return *this;
}

Peer& Peer::send(std::string_view packets) { return send_bytes(testing::wire(packets)); }

std::string Peer::take() { return std::exchange(wire_->sent, {}); }

Peer& Peer::expect(std::string_view packets) {
  EXPECT_EQ(hex(take()), hex(testing::wire(packets))) << "expected " << packets;
  return *this;
}

Peer& Peer::expect_closed() {
  expect_nothing();
  EXPECT_TRUE(wire_->over);
  return *this;
}

void Peer::drop() {
  ASSERT_NE(wire_->sink, nullptr);
  Sink* sink = std::exchange(wire_->sink, nullptr);
  wire_->over = true;
  sink->on_closed("connection reset");
  world_.turn();
}

void Peer::let_in(std::size_t bytes) {
  wire_->room = bytes;
  if (std::exchange(wire_->short_write, false)) wire_->sink->on_writable();
  world_.turn();
}

World::World(BrokerSettings settings) : broker(std::move(settings), clock) {}

World::~World() = default;

Peer World::connect() {
  PeerIdentity identity;
  identity.address = "192.0.2.1";
  return connect(std::move(identity));
}

Peer World::connect(PeerIdentity identity) {
  auto wire = wires_.emplace_back(std::make_shared<Wire>());
  wire->identity = std::move(identity);
  broker.accept(std::make_unique<FakeTransport>(wire));
  return {*this, wire};
}

Peer World::client(std::string_view id) {
  Peer peer = connect();
  peer.send("10 [ ('MQTT') 04 02 0000 ('" + std::string(id) + "') ]").expect("20 02 00 00");
  return peer;
}

Peer World::persistent(std::string_view id, bool present) {
  Peer peer = connect();
  peer.feed("10 [ ('MQTT') 04 00 0000 ('" + std::string(id) + "') ]");
  turn();
  const std::string connack = present ? "20020100" : "20020000";
  EXPECT_EQ(hex(peer.wire().sent.substr(0, 4)), hex(testing::wire(connack)));
  peer.wire().sent.erase(0, 4);
  return peer;
}

Peer World::client5(std::string_view id) {
  Peer peer = connect();
  peer.send("10 [ ('MQTT') 05 02 0000 [] ('" + std::string(id) + "') ]").expect(kConnack5);
  return peer;
}

Peer World::persistent5(std::string_view id, bool present) {
  Peer peer = connect();
  peer.send("10 [ ('MQTT') 05 00 0000 [ 11 00000E10 ] ('" + std::string(id) + "') ]");
  const std::string connack = testing::wire(present ? kConnack5Present : kConnack5);
  EXPECT_EQ(hex(peer.wire().sent.substr(0, connack.size())), hex(connack));
  peer.wire().sent.erase(0, connack.size());
  return peer;
}

void World::turn() {
  // Closing may make others' wills known, which is again output.
  for (bool quiet = false; !quiet;) {
    broker.flush();
    quiet = true;
    for (const auto& wire : wires_) {
      if (!wire->closing || wire->over) continue;
      wire->over = true;
      quiet = false;
      if (Sink* sink = std::exchange(wire->sink, nullptr)) sink->on_closed("closed");
    }
  }
  std::erase_if(wires_, [](const auto& wire) { return wire->over; });
}

void World::advance(std::chrono::milliseconds by) {
  clock.advance(by);
  broker.tick();
  turn();
}

void World::publish(std::string topic, std::string payload, Qos qos, bool retain) {
  auto publication = std::make_shared<Publication>();
  publication->topic = std::move(topic);
  publication->payload = std::move(payload);
  publication->qos = qos;
  publication->retain = retain;
  publication->published = clock.now();
  broker.publish(publication);
  turn();
}

}  // namespace ferrule::mqtt::testing

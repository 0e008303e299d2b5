// Several clients that send anything at any time: the broker survives, and whatever it answers is well-formed MQTT.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <optional>
#include <random>
#include <vector>

#include "broker_world.hpp"
#include "mqtt/codec.hpp"
#include "mqtt/framer.hpp"
#include "wire_text.hpp"

namespace ferrule::mqtt::testing {
namespace {

using namespace std::chrono_literals;

/// Hands out tickets that are committed later, and refuses now and then.
class MoodyConsumer final : public Consumer {
 public:
  tl::expected<Ticket, Reason> append(const PublicationPtr& publication, bool durable) override {
    if (publication->payload == "refuse me") return tl::unexpected(Reason::QuotaExceeded);
    return durable ? ++last : 0;
  }
  Ticket last = 0;
};

constexpr std::array kConnects3 = {
    "10 [ ('MQTT') 04 02 0000 ('a') ]",
    "10 [ ('MQTT') 04 00 000A ('a') ]",
    "10 [ ('MQTT') 04 00 0000 ('b') ]",
    "10 [ ('MQTT') 04 36 0000 ('c') ('w/1') ('gone') ]",
    "10 [ ('MQIsdp') 03 02 0000 ('b') ]",
    "10 [ ('MQTT') 04 02 0000 () ]",
    "10 [ ('MQTT') 04 04 0001 ('c') ('w/2') ('gone') ]",
};
constexpr std::array kConnects5 = {
    "10 [ ('MQTT') 05 02 0000 [] ('a') ]",
    "10 [ ('MQTT') 05 00 000A [ 11 0000000A 21 0001 ] ('a') ]",
    "10 [ ('MQTT') 05 00 0000 [ 11 FFFFFFFF 21 0003 27 00000030 ] ('b') ]",
    "10 [ ('MQTT') 05 06 0000 [ 11 00000005 ] ('c') [ 18 00000003 02 00000002 ] ('w/1') ('gone') ]",
    "10 [ ('MQTT') 05 02 0000 [ 27 00000014 ] () ]",
    "10 [ ('MQTT') 05 00 0000 [ 11 0000000A 22 0002 17 00 ] ('d') ]",
};
/// The same for all versions: nothing that version 5 inserts properties into.
constexpr std::array kAnyVersion = {
    "40 [ 0001 ]", "40 [ 0002 ]", "50 [ 0001 ]", "50 [ 0002 ]", "62 [ 0001 ]", "62 [ 0002 ]", "70 [ 0001 ]",
    "70 [ 0002 ]", "40 [ 0003 ]", "50 [ 0003 ]", "70 [ 0003 ]", "C0 00",       "C0 00",       "E0 00",
};
constexpr std::array kOnly3 = {
    "82 [ 0001 ('#') 02 ]",
    "82 [ 0002 ('t/+') 01 ('w/#') 00 ]",
    "82 [ 0003 ('$SYS/#') 00 ]",
    "A2 [ 0004 ('#') ('t/+') ]",
    "30 [ ('t/1') 'x' ]",
    "32 [ ('t/1') 0001 'x' ]",
    "34 [ ('t/2') 0001 'x' ]",
    "3C [ ('t/2') 0002 'x' ]",
    "31 [ ('t/3') 'kept' ]",
    "33 [ ('t/2') 0002 ]",
    "32 [ ('t/1') 0003 'refuse me' ]",
    "32 [ ('$SYS/x') 0003 ]",
};
constexpr std::array kOnly5 = {
    "82 [ 0001 [ 0B 01 ] ('#') 02 ]",
    "82 [ 0002 [] ('t/+') 1D ('w/#') 00 ]",
    "82 [ 0003 [ 0B 05 ] ('$share/g/t/#') 01 ('$share/g/#') 02 ]",
    "A2 [ 0004 [] ('#') ('$share/g/#') ('t/+') ]",
    "30 [ ('t/1') [ 23 0001 ] 'x' ]",
    "30 [ () [ 23 0001 ] 'x' ]",
    "32 [ ('t/1') 0001 [ 02 00000003 26 ('k')('v') ] 'x' ]",
    "34 [ ('t/2') 0001 [] 'x' ]",
    "3C [ ('t/2') 0002 [] 'much longer than a small client accepts' ]",
    "33 [ ('t/3') 0002 [ 02 00000008 ] 'kept' ]",
    "31 [ ('t/2') [] ]",
    "34 [ ('t/1') 0003 [] 'refuse me' ]",
    "50 [ 0001 97 ]",
    "E0 [ 04 ]",
    "E0 [ 00 [ 11 00000001 ] ]",
};

/// A client that checks what it is sent.
struct Guest {
  explicit Guest(Peer of) : peer(of) {}
  Peer peer;
  Version version = Version::V311;
  bool connected = false;
  Framer framer{1 << 20};
};

class Storm {
 public:
  explicit Storm(unsigned seed) : random_(seed), world_(settings()) { world_.broker.attach(consumer_); }
  ~Storm() { world_.broker.detach(consumer_); }

  void step() {
    auto& guest = guests_[pick(guests_.size())];
    const bool there = guest && !guest->peer.wire().over;
    const auto chance = pick(100);
    if (chance < 3 && there) {
      guest->peer.drop();
    } else if (chance < 6) {
      world_.advance(std::chrono::milliseconds(pick(4000)));
    } else if (chance < 10) {
      world_.broker.committed(consumer_.last - std::min<Ticket>(consumer_.last, pick(3)));
    } else if (chance < 15) {
      world_.publish("t/" + std::to_string(pick(4)), std::string(pick(40), 'p'), static_cast<Qos>(pick(3)),
                     pick(4) == 0);
    } else if (chance < 19 && there) {
      guest->peer.let_in(pick(2) == 0 ? SIZE_MAX : pick(60));
    } else {
      talk(guest);
    }
    world_.turn();
    for (auto& each : guests_) {
      if (each) listen(*each);
    }
  }

  const Broker& broker() const { return world_.broker; }
  std::uint64_t decoded() const { return decoded_; }

 private:
  static BrokerSettings settings() {
    BrokerSettings settings;
    settings.max_queued = 5;
    settings.max_output_bytes = 200;
    settings.receive_maximum = 3;
    settings.max_retained = 20;
    settings.max_subscriptions = 4;
    settings.max_session_expiry = 20s;
    return settings;
  }

  std::size_t pick(std::size_t below) { return std::uniform_int_distribution<std::size_t>(0, below - 1)(random_); }
  template <class Table>
  std::string one_of(const Table& table) {
    return wire(table[pick(table.size())]);
  }

  void talk(std::optional<Guest>& guest) {
    if (!guest || guest->peer.wire().over) {
      guest.emplace(world_.connect());
      if (guest->peer.wire().over) return guest.reset();
      guest->version = pick(2) == 0 ? Version::V311 : Version::V5;
      feed(*guest, guest->version == Version::V5 ? one_of(kConnects5) : one_of(kConnects3));
      return;
    }
    std::string bytes = pick(2) == 0                    ? one_of(kAnyVersion)
                        : guest->version == Version::V5 ? one_of(kOnly5)
                                                        : one_of(kOnly3);
    if (pick(60) == 0) bytes[pick(bytes.size())] = static_cast<char>(pick(256));
    if (pick(10) != 0) return feed(*guest, bytes);
    const std::size_t cut = pick(bytes.size());
    feed(*guest, bytes.substr(0, cut));
    feed(*guest, bytes.substr(cut));
  }

  void feed(Guest& guest, const std::string& bytes) {
    if (Sink* sink = guest.peer.wire().sink) sink->on_data(bytes);
  }

  void listen(Guest& guest) {
    const std::string bytes = guest.peer.take();
    guest.framer.feed(bytes);
    for (;;) {
      const auto frame = guest.framer.next();
      ASSERT_TRUE(frame) << frame.error().detail;
      if (!*frame) return;
      const auto packet = decode(**frame, guest.version, Sender::Server);
      ASSERT_TRUE(packet) << packet.error().detail << " [" << packet.error().statement << "] in type "
                          << static_cast<int>((*frame)->type());
      EXPECT_EQ(std::holds_alternative<Connack>(*packet), !guest.connected);  // [MQTT-3.2.0-1] [MQTT-3.2.0-2]
      guest.connected = true;
      ++decoded_;
    }
  }

  std::mt19937 random_;
  World world_;
  MoodyConsumer consumer_;
  std::array<std::optional<Guest>, 5> guests_;
  std::uint64_t decoded_ = 0;
};

TEST(Storm, OfClientsIsSurvivedAndAnsweredInGoodMqtt) {
  std::uint64_t decoded = 0;
  for (unsigned seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Storm storm(seed);
    for (int i = 0; i < 2000 && !HasFailure(); ++i) storm.step();
    decoded += storm.decoded();
    EXPECT_LE(storm.broker().counters().connections, 5U);
    EXPECT_LE(storm.broker().counters().retained, 20U + 53 + own_counters().size());
    if (HasFailure()) return;
  }
  EXPECT_GT(decoded, 10'000U);  // otherwise the storm was a calm
}

}  // namespace
}  // namespace ferrule::mqtt::testing

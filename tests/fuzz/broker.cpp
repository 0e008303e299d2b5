// A whole broker, driven by packet sequences from several clients: takeovers, dropped and stalled connections, late
// commits, time that passes, logins by password and SCRAM, rules that change. What it sends must be well-formed MQTT of
// the client's version, within the client's limits; and when everybody has gone and everything has expired, nothing may
// be left. Input: operations, see `step`.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mqtt/broker.hpp"
#include "mqtt/codec.hpp"
#include "mqtt/framer.hpp"
#include "tests/fuzz/require.hpp"

namespace {

using namespace ferrule::mqtt;
using ferrule::fuzz::require;
using std::chrono::milliseconds;
using std::chrono::seconds;

class FuzzClock final : public Clock {
 public:
  std::chrono::steady_clock::time_point now() const override { return now_; }
  void advance(milliseconds by) { now_ += by; }

 private:
  std::chrono::steady_clock::time_point now_{std::chrono::hours(1000)};
};

/// What a transport and its client share; it outlives both.
struct Wire {
  Sink* sink = nullptr;
  std::string sent;
  std::size_t room = SIZE_MAX;
  bool short_write = false;
  bool paused = false;
  bool closing = false;
  bool gone = false;
};

class FuzzTransport final : public Transport {
 public:
  explicit FuzzTransport(std::shared_ptr<Wire> wire) : wire_(std::move(wire)) {}
  ~FuzzTransport() override {
    wire_->gone = true;
    wire_->sink = nullptr;
  }
  void start(Sink& sink) override { wire_->sink = &sink; }
  std::size_t write(std::span<const iovec> buffers) override {
    require(!wire_->closing, "nothing is written after close");
    std::size_t taken = 0, wanted = 0;
    for (const iovec& buffer : buffers) {
      const std::size_t n = std::min(buffer.iov_len, wire_->room);
      wire_->sent.append(static_cast<const char*>(buffer.iov_base), n);
      if (wire_->room != SIZE_MAX) wire_->room -= n;
      taken += n;
      wanted += buffer.iov_len;
    }
    wire_->short_write = taken < wanted;
    return taken;
  }
  void pause_reading(bool pause) override { wire_->paused = pause; }
  void close() override {
    require(!wire_->closing, "close is called once");
    wire_->closing = true;
  }
  std::string peer() const override { return "192.0.2.1:50000"; }
  PeerIdentity identity() const override {
    PeerIdentity identity;
    identity.address = "192.0.2.1";
    return identity;
  }

 private:
  std::shared_ptr<Wire> wire_;
};

/// Refuses now and then, and has its tickets committed when the input says so.
class MoodyConsumer final : public Consumer {
 public:
  tl::expected<Ticket, Reason> append(const PublicationPtr& publication, bool durable) override {
    if (publication->payload.starts_with('!')) return tl::unexpected(Reason::QuotaExceeded);
    return durable ? ++last : 0;
  }
  Ticket last = 0;
};

/// One client: what it said when it connected, and a check of all that it is sent.
class Guest {
 public:
  explicit Guest(std::shared_ptr<Wire> wire) : wire_(std::move(wire)) {}

  Wire& wire() { return *wire_; }
  bool over() const { return wire_->gone || wire_->sink == nullptr; }

  void say(std::string_view bytes) {
    if (!connect_seen_) {
      said_.append(bytes);
      read_connect();
    }
    const std::string copy(bytes);  // a buffer of its own, gone afterwards
    wire_->sink->on_data(copy);
  }

  void listen() {
    const std::string bytes = std::exchange(wire_->sent, {});
    framer_.feed(bytes);
    for (;;) {
      const auto frame = framer_.next();
      require(frame.has_value(), "what the broker sends is framed");
      if (!*frame) return;
      check(**frame);
    }
  }

 private:
  void read_connect() {
    Framer framer(kMaxPacket);
    framer.feed(said_);
    const auto frame = framer.next();
    if (!frame || !*frame) return;
    connect_seen_ = true;
    if ((*frame)->type() != PacketType::Connect) return;
    version_ = version_to_answer(**frame);
    const auto connect = decode_connect(**frame);
    if (!connect) return;
    version_ = connect->version;
    max_packet_size_ = connect->properties.number(PropertyId::MaximumPacketSize).value_or(SIZE_MAX);
    max_alias_ = connect->properties.number(PropertyId::TopicAliasMaximum).value_or(0);
  }

  void check(const Frame& frame) {
    require(!ended_, "nothing follows DISCONNECT");
    require(frame.body.size() + 2 <= max_packet_size_, "the client's Maximum Packet Size holds");  // [MQTT-3.1.2-27]
    const auto packet = decode(frame, version_, Sender::Server);
    require(packet.has_value(), "what the broker sends is well-formed");
    if (!connected_ && std::holds_alternative<Auth>(*packet)) return;  // a challenge
    require(std::holds_alternative<Connack>(*packet) == !connected_, "CONNACK is first and once");  // [MQTT-3.2.0-1]
    connected_ = true;
    ended_ = std::holds_alternative<Disconnect>(*packet);
    if (const auto* publish = std::get_if<Publish>(&*packet)) check(*publish);
  }

  void check(const Publish& publish) {
    const auto alias = publish.properties.number(PropertyId::TopicAlias);
    if (!alias) return require(!publish.topic.empty(), "there is a topic or an alias");
    require(*alias <= max_alias_, "the client's Topic Alias Maximum holds");  // [MQTT-3.1.2-29]
    if (aliases_.size() < *alias) aliases_.resize(*alias, false);
    require(!publish.topic.empty() || aliases_[*alias - 1], "an alias was told before it is used");
    aliases_[*alias - 1] = true;
  }

  static constexpr std::size_t kMaxPacket = 1 << 16;

  std::shared_ptr<Wire> wire_;
  Framer framer_{1 << 20};
  std::string said_;
  bool connect_seen_ = false, connected_ = false, ended_ = false;
  Version version_ = Version::V311;
  std::size_t max_packet_size_ = SIZE_MAX;
  std::uint32_t max_alias_ = 0;
  std::vector<bool> aliases_;
};

BrokerSettings settings() {
  BrokerSettings settings;
  settings.max_connections = 4;
  settings.max_half_open = 3;
  settings.max_packet_size = 1 << 16;
  settings.receive_maximum = 3;
  settings.max_inflight = 4;
  settings.max_queued = 5;
  settings.max_queued_bytes = 4096;
  settings.max_output_bytes = 256;
  settings.max_retained = 10;
  settings.max_retained_bytes = 2000;
  settings.max_subscriptions = 6;
  settings.max_session_expiry = seconds(30);
  settings.topic_aliases_sent = 2;
  settings.sparkplug_death_time = true;
  settings.check_payload_format = true;
  settings.memory_in_use = [] { return std::size_t{0}; };
  return settings;
}

/// One user, u, with the password p; anonymous clients are let in too.
AccessSettings access(bool less) {
  static const ScramKeys kKeys = ScramKeys::of("p", 1, "saltsalt");
  AccessSettings access;
  access.restricted = true;
  access.listeners.resize(1);
  access.listeners[0].anonymous = !less;
  UserSettings& user = access.users["u"];
  user.credentials.scram = kKeys;
  user.rules.publish = {{"plant/#", true}, {"%u/%c", true}};
  user.rules.subscribe = {{less ? "plant/a" : "#", true}};
  access.anonymous.subscribe = {{"plant/a", true}, {"%c/#", true}};
  access.anonymous.publish = {{"#", true}, {"plant/b", false}};
  return access;
}

class World {
 public:
  explicit World(std::uint8_t mood) : restricted_((mood & 64) != 0), broker_(with(mood), clock_) {
    broker_.attach(consumer_);
  }
  ~World() { broker_.detach(consumer_); }

  void run(std::string_view input) {
    input_ = input;
    while (!input_.empty()) step();
    leave();
  }

 private:
  static BrokerSettings with(std::uint8_t mood) {
    BrokerSettings chosen = settings();
    chosen.when_full = static_cast<WhenFull>(mood % 3);
    if ((mood & 4) != 0) chosen.publish_rate = 5;
    if ((mood & 8) != 0) chosen.server_reference = "elsewhere:1883";
    if ((mood & 16) != 0) chosen.max_keep_alive = seconds(10);
    if ((mood & 32) == 0) chosen.sys_interval = seconds(0);
    if ((mood & 64) != 0) chosen.access = access(false);
    return chosen;
  }

  std::uint8_t take() {
    if (input_.empty()) return 0;
    const auto byte = static_cast<std::uint8_t>(input_.front());
    input_.remove_prefix(1);
    return byte;
  }

  /// One operation: client (bits 0-1), what happens (bits 2-4), whether the loop's turn ends with it (bit 7: no).
  void step() {
    const std::uint8_t operation = take();
    auto& guest = guests_[operation & 3];
    const bool there = guest && !guest->over();
    switch (operation >> 2 & 7) {
      case 0:
      case 1:
      case 2: {  // length, bytes of the client
        const std::size_t wanted = take();
        const std::size_t n = std::min(wanted, input_.size());
        const std::string_view bytes = input_.substr(0, n);
        input_.remove_prefix(n);
        if (!there) open(guest);
        if (guest && !guest->over() && !guest->wire().paused) guest->say(bytes);  // else they stay in the kernel
        break;
      }
      case 3:  // the network fails
        if (there) drop(*guest);
        break;
      case 4:  // tenths of a second pass
        clock_.advance(milliseconds(100) * take());
        broker_.tick();
        break;
      case 5:  // the disk has written all but some
        broker_.committed(consumer_.last - std::min<Ticket>(consumer_.last, take() % 4));
        break;
      case 6:  // the client's socket takes so many bytes more
        if (there) let_in(*guest, take());
        break;
      case 7: {
        const std::uint8_t bits = take();
        if (restricted_ && bits >= 0xFE) {  // other rules from now on
          broker_.set_access(std::make_shared<const Access>(access((bits & 1) != 0)));
        } else {
          publish(bits);
        }
        break;
      }
    }
    if ((operation & 0x80) == 0) turn();
  }

  void open(std::optional<Guest>& guest) {
    auto wire = std::make_shared<Wire>();
    guest.emplace(wire);
    wires_.push_back(wire);
    broker_.accept(std::make_unique<FuzzTransport>(wire));
  }

  void drop(Guest& guest) { std::exchange(guest.wire().sink, nullptr)->on_closed("connection reset"); }

  void let_in(Guest& guest, std::uint8_t bytes) {
    guest.wire().room = bytes == 255 ? SIZE_MAX : bytes;
    if (std::exchange(guest.wire().short_write, false)) guest.wire().sink->on_writable();
  }

  /// The gateway's own: topic, QoS and retain by bits.
  void publish(std::uint8_t bits) {
    auto publication = std::make_shared<Publication>();
    publication->topic = (bits & 1) != 0 ? "plant/a" : "plant/b";
    publication->payload = std::string(bits >> 4, 'p');
    publication->qos = static_cast<Qos>((bits >> 1) % 3);
    publication->retain = (bits & 8) != 0;
    publication->published = clock_.now();
    broker_.publish(publication);
  }

  void turn() {
    for (bool quiet = false; !quiet;) {
      broker_.flush();
      quiet = true;
      for (const auto& wire : wires_) {
        if (!wire->closing || wire->sink == nullptr) continue;
        quiet = false;
        std::exchange(wire->sink, nullptr)->on_closed("closed");
      }
    }
    std::erase_if(wires_, [](const auto& wire) { return wire->gone; });
    for (auto& guest : guests_) {
      if (guest) guest->listen();
    }
    require(broker_.counters().connections <= 7, "the limit of connections holds");
    require(broker_.counters().clients_connected <= 4, "the limit of clients holds");
    require(broker_.counters().queued <= broker_.counters().sessions * 5, "the limit of queues holds");
  }

  /// Everybody goes, everything expires.
  void leave() {
    for (auto& guest : guests_) {
      if (guest && !guest->over()) drop(*guest);
    }
    turn();
    clock_.advance(seconds(60));
    broker_.tick();
    turn();
    const BrokerCounters left = broker_.counters();
    require(left.connections == 0 && left.clients_connected == 0, "no connection is left");
    require(left.sessions == 0 && left.subscriptions == 0, "no session is left");
    require(left.queued == 0 && left.queued_bytes == 0, "nothing waits for nobody");
  }

  const bool restricted_;
  FuzzClock clock_;
  Broker broker_;
  MoodyConsumer consumer_;
  std::string_view input_;
  std::array<std::optional<Guest>, 4> guests_;
  std::vector<std::shared_ptr<Wire>> wires_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  spdlog::set_level(spdlog::level::off);
  World world(data[0]);
  world.run({reinterpret_cast<const char*>(data + 1), size - 1});
  return 0;
}

#include "bridge/ferrule_link.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "bridge/cloud_session.hpp"
#include "bridge/credentials.hpp"
#include "bridge/handshake.hpp"
#include "bridge/keep_alive.hpp"
#include "bridge/stream.hpp"
#include "bridge/threaded_link.hpp"
#include "bridge/wakener.hpp"
#include "mqtt/framer.hpp"

namespace ferrule::bridge {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using Time = std::chrono::steady_clock::time_point;

constexpr auto kConnectTime = 10s;           // for TCP, TLS and CONNACK, at each address
constexpr auto kFarewell = 200ms;            // for DISCONNECT to be written
constexpr std::size_t kMaxUnqueued = 1'000;  // QoS 0 messages that wait for the thread
constexpr std::size_t kMaxOutput = 1 << 20;  // bytes that wait for the socket, beyond which QoS 0 is dropped
constexpr std::size_t kReadSize = 65'536;
constexpr int kReadsPerTurn = 4;
constexpr std::size_t kPieces = 64;

Time now() { return std::chrono::steady_clock::now(); }

/// For poll; rounded up, so that the time has come afterwards.
int until(Time end) {
  if (end == Time::max()) return -1;
  return static_cast<int>(std::clamp<std::int64_t>(std::chrono::ceil<milliseconds>(end - now()).count(), 0, 60'000));
}

class FerruleWorker final : public LinkWorker {
 public:
  FerruleWorker(const UplinkSettings& settings, LinkState& state, LinkEvents& events, Dialer::Resolve resolve)
      : LinkWorker(settings, state, events, std::move(resolve)),
        session_(settings_, owner_, owner_),
        buffer_(kReadSize) {}

  void push(LinkOrder order) override;

 private:
  /// Unexpected: why the connection ends.
  using Result = tl::expected<void, std::string>;

  void work() override;
  Attempt attempt(const Endpoint& endpoint, const std::string& address, int mqtt_version) override;
  Attempt log_in(const Endpoint& endpoint, const std::string& address, int mqtt_version, bool anew);
  void open(const Attempt& answer) override;
  bool say_goodbye() override;
  void close() override;
  void wake() override { wakener_.wake(); }

  bool has_orders() const;
  void wait_for_work();
  std::vector<LinkOrder> take_orders();
  void perform(const LinkOrder& order);
  bool wait_for(int descriptor, short events, Time end);
  void turn();
  Result receive();
  Result take_frames();
  Result commit();
  Result commit_all();
  Result write();
  Result stay_alive();

  const Wakener wakener_;

  // Guarded by mutex_
  std::vector<LinkOrder> orders_;
  std::size_t unqueued_ = 0;  // of them, QoS 0

  // Owned by the link's thread
  CloudSession session_;
  std::unique_ptr<Stream> stream_;
  mqtt::Framer framer_{kMaxIncoming};
  KeepAlive keep_alive_{0s, {}};
  std::optional<std::chrono::seconds> lifetime_;  // of what the attempt under way shows
  Renewal renewal_;
  std::vector<char> buffer_;
  bool readable_ = false;
  bool more_ = false;  // there may be more to read than the socket tells
};

// ---- orders

void FerruleWorker::push(LinkOrder order) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return;
  if (order.may_be_dropped() && ++unqueued_ > kMaxUnqueued) {
    --unqueued_;
    ++dropped_;
    return;
  }
  orders_.push_back(std::move(order));
  if (orders_.size() == 1) wakener_.wake();
}

bool FerruleWorker::has_orders() const {
  const std::lock_guard lock(mutex_);
  return !orders_.empty();
}

void FerruleWorker::work() {
  while (!stopping()) {
    wait_for_work();
    for (const auto& order : take_orders()) perform(order);
    if (stream_) turn();
  }
}

/// For an order, the socket, or the time of a PINGREQ.
void FerruleWorker::wait_for_work() {
  short events = 0;
  if (stream_) events = static_cast<short>(POLLIN | stream_->waits_for());
  std::array<pollfd, 2> ready{{{wakener_.descriptor(), POLLIN, 0}, {stream_ ? stream_->descriptor() : -1, events, 0}}};
  const bool at_once = more_ || has_orders();
  const auto next = std::min(keep_alive_.next(), renewal_.next());
  if (!at_once) moves(stream_ ? std::max(next, now()) : Time::max());
  ::poll(ready.data(), ready.size(), at_once ? 0 : stream_ ? until(next) : -1);
  moves();
  if (ready[0].revents != 0) wakener_.clear();
  readable_ = more_ || ready[1].revents != 0;
}

std::vector<LinkOrder> FerruleWorker::take_orders() {
  const std::lock_guard lock(mutex_);
  unqueued_ = 0;
  return std::exchange(orders_, {});
}

/// What comes without a connection is dropped: who sent it hears of the loss, and sends it again.
void FerruleWorker::perform(const LinkOrder& order) {
  if (order.kind == LinkOrder::Kind::Connect) return connect();
  if (order.kind == LinkOrder::Kind::ConnectAnew) return connect_anew();
  if (order.kind == LinkOrder::Kind::ConnectElsewhere) return connect_elsewhere();
  if (!stream_) return;
  if (order.kind == LinkOrder::Kind::Acknowledge) return session_.acknowledge(order.seq, order.reason);
  if (order.kind == LinkOrder::Kind::Subscribe) return session_.subscribe(order.topic, order.qos);
  if (order.may_be_dropped() && session_.output().size() > kMaxOutput) {
    const std::lock_guard lock(mutex_);
    ++dropped_;
    return;
  }
  session_.send(order.seq, *order.publication, order.topic, order.qos, now());
}

// ---- connect

void FerruleWorker::open(const Attempt& answer) {
  keep_alive_ = KeepAlive(answer.keep_alive.value_or(settings_.keep_alive), now());
  renewal_ = Renewal(settings_, lifetime_, now());
  session_.open(answer);
}

/// In MQTT 3.1.1 a session that begins anew ends with its connection.
Attempt FerruleWorker::attempt(const Endpoint& endpoint, const std::string& address, int mqtt_version) {
  if (forgets_ && mqtt_version != 5) {
    auto answer = log_in(endpoint, address, mqtt_version, true);
    if (!answer.connected) return answer;
    say_goodbye();
  }
  return log_in(endpoint, address, mqtt_version, forgets_ && mqtt_version == 5);
}

Attempt FerruleWorker::log_in(const Endpoint& endpoint, const std::string& address, int mqtt_version, bool anew) {
  close();
  const auto credentials = make_credentials(settings_, std::chrono::system_clock::now());
  if (!credentials) {
    Attempt failed;
    failed.cause = credentials.error();
    return failed;
  }
  lifetime_ = credentials->lifetime;
  const auto end = now() + kConnectTime;
  const auto wait = [this, end](int descriptor, short events) { return wait_for(descriptor, events, end); };
  auto stream = open_way(endpoint, address, settings_, wait);
  if (!stream) {
    Attempt failed;
    failed.cause = stopping() ? "stopped" : std::move(stream.error().cause);
    return failed;
  }
  stream_ = std::move(*stream);
  framer_ = mqtt::Framer(kMaxIncoming);
  auto answer = shake_hands(*stream_, framer_, session_.connect_packet(mqtt_version, credentials->password, anew),
                            mqtt_version, endpoint.tls, wait);
  if (stopping()) answer.cause = "stopped";
  answer.limits.bd_seq = session_.bd_seq();
  answer.limits.takes_ahead = true;
  return answer;
}

/// False when the time is over or the link is to stop.
bool FerruleWorker::wait_for(int descriptor, short events, Time end) {
  while (!stopping()) {
    moves(end);
    std::array<pollfd, 2> ready{{{wakener_.descriptor(), POLLIN, 0}, {descriptor, events, 0}}};
    if (::poll(ready.data(), ready.size(), until(end)) == 0) return false;
    if (ready[1].revents != 0) return true;
    if (ready[0].revents != 0) wakener_.clear();
  }
  return false;
}

// ---- while connected

void FerruleWorker::turn() {
  auto done = receive();
  if (done) done = commit();
  if (done) done = write();
  if (done) done = stay_alive();
  if (done) return;
  dialer_.named(session_.take_server_reference());
  lose(done.error());
}

FerruleWorker::Result FerruleWorker::receive() {
  if (auto left = take_frames(); !left) return left;
  more_ = false;
  for (int i = 0; readable_ && i < kReadsPerTurn; ++i) {
    const auto size = stream_->read(buffer_);
    if (!size) return tl::unexpected(size.error().cause);
    more_ = *size == buffer_.size();
    if (*size == 0) break;
    keep_alive_.received(now());
    framer_.feed({buffer_.data(), *size});
    if (auto taken = take_frames(); !taken) return taken;
    if (!more_) break;
  }
  return {};
}

FerruleWorker::Result FerruleWorker::take_frames() {
  for (;;) {
    const auto frame = framer_.next();
    if (!frame) return tl::unexpected(fmt::format("the cloud broke the protocol: {}", frame.error().detail));
    if (!*frame) return {};
    if (auto taken = session_.take(**frame, now()); !taken) return taken;
  }
}

/// Takes what one commit put on disk, and begins the next.
FerruleWorker::Result FerruleWorker::commit() {
  try {
    session_.end_commit();
    session_.begin_commit([this] { wakener_.wake(); });
    return {};
  } catch (const std::runtime_error& error) {
    return tl::unexpected(cannot_write(error));
  }
}

/// Waits for what has to be on disk.
FerruleWorker::Result FerruleWorker::commit_all() {
  try {
    do {
      session_.wait_for_commit();
      session_.end_commit();
    } while (session_.begin_commit({}));
    return {};
  } catch (const std::runtime_error& error) {
    return tl::unexpected(cannot_write(error));
  }
}

FerruleWorker::Result FerruleWorker::write() {
  auto& output = session_.output();
  while (!output.empty() || stream_->waits_for() != 0) {
    std::array<iovec, kPieces> pieces;
    const auto size = stream_->write(output.gather(pieces));
    if (!size) return tl::unexpected(size.error().cause);
    if (*size == 0) break;
    output.consume(*size);
    keep_alive_.sent(now());
  }
  return {};
}

FerruleWorker::Result FerruleWorker::stay_alive() {
  if (renewal_.due(now())) owner_.on_renewal_due();
  switch (keep_alive_.due(now())) {
    case KeepAlive::Due::Nothing:
      return {};
    case KeepAlive::Due::Ping:
      session_.ping();
      return write();
    case KeepAlive::Due::GiveUp:
      break;
  }
  return tl::unexpected<std::string>("the cloud does not answer any more");
}

// ---- the end of a connection

void FerruleWorker::close() {
  stream_.reset();
  session_.close();
  more_ = false;
}

/// With DISCONNECT, behind what was to be sent, if that can be put on disk.
bool FerruleWorker::say_goodbye() {
  if (!stream_) return false;
  if (!commit_all()) return true;
  session_.disconnect(stopping());
  const auto end = now() + kFarewell;
  while (write() && !session_.output().empty()) {
    pollfd ready{stream_->descriptor(), POLLOUT, 0};
    if (::poll(&ready, 1, until(end)) <= 0) break;
  }
  return true;
}

}  // namespace

std::unique_ptr<Link> make_ferrule_link(const UplinkSettings& settings, LinkState& state, LinkEvents& events,
                                        Dialer::Resolve resolve) {
  return std::make_unique<ThreadedLink>(std::make_shared<FerruleWorker>(settings, state, events, std::move(resolve)));
}

}  // namespace ferrule::bridge

#include "bridge/paho_link.hpp"

#include <fmt/format.h>
#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "bridge/link_order.hpp"
#include "bridge/link_owner.hpp"
#include "bridge/paho_connection.hpp"

namespace ferrule::bridge {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr auto kConnectTime = 10s;           // for TCP and CONNACK, at each address
constexpr auto kFarewell = 200ms;            // for DISCONNECT to be written
constexpr auto kThreadEnd = 3s;              // Paho's threads look up once a second
constexpr std::size_t kMaxUnqueued = 1'000;  // QoS 0 messages that wait for the socket
constexpr std::size_t kUnqueuedInPaho = 16;  // of them

}  // namespace

/// The link's thread and what it shares with Paho's.
class PahoLink::Worker {
 public:
  Worker(const UplinkSettings& settings, LinkState& state, LinkEvents& events, Dialer::Resolve resolve)
      : settings_(settings), resolve_(std::move(resolve)), owner_(state, events), dialer_(settings_, state.restore()) {}

  void run();
  void push(LinkOrder order);
  void stop(milliseconds grace);
  bool wait_until_finished(milliseconds time);  ///< false at once while a name is looked up
  std::uint64_t dropped() const;

 private:
  // Paho's threads.
  void sent_unqueued();
  void lose(std::string cause);

  // The link's thread.
  void perform(LinkOrder order);
  void connect();
  std::vector<std::string> look_up(const Endpoint& endpoint, std::string& error);
  Attempt attempt(const std::string& address, int mqtt_version);
  void open(const std::string& address, int mqtt_version);
  bool clear_lost_session();
  void publish(const LinkOrder& order);
  bool wait_for_turn(mqtt::Qos qos);
  void after_loss();
  void close();
  void say_goodbye();

  // Constant after construction
  const UplinkSettings settings_;
  const Dialer::Resolve resolve_;
  LinkOwner owner_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  // Guarded by mutex_
  std::deque<LinkOrder> orders_;
  std::optional<Attempt> answer_;     // to the attempt under way
  std::optional<std::string> lost_;   // why the connection ended
  std::size_t unqueued_ = 0;          // QoS 0, given to Paho or waiting to be
  std::size_t unqueued_in_paho_ = 0;  // of them
  std::uint64_t dropped_ = 0;
  bool looking_up_ = false;
  bool stopping_ = false, said_goodbye_ = false, ended_ = false, finished_ = false;

  // Owned by the link's thread
  Dialer dialer_;
  std::map<std::string, std::string> inbound_;
  std::unique_ptr<PahoConnection> connection_;
  bool retain_available_ = true;
  bool session_lost_ = false;  // and LinkState not cleared yet
};

void PahoLink::Worker::run() {
  pthread_setname_np(pthread_self(), "uplink");
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || lost_ || !orders_.empty(); });
    if (stopping_) break;
    if (lost_) {
      lock.unlock();
      after_loss();
    } else {
      auto order = std::move(orders_.front());
      orders_.pop_front();
      lock.unlock();
      perform(std::move(order));
    }
    lock.lock();
  }
  lock.unlock();
  say_goodbye();
  close();
  lock.lock();
  finished_ = true;
  wake_.notify_all();
}

void PahoLink::Worker::push(LinkOrder order) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return;
  if (order.is_unqueued()) {
    if (unqueued_ >= kMaxUnqueued) {
      ++dropped_;
      return;
    }
    ++unqueued_;
  }
  orders_.push_back(std::move(order));
  wake_.notify_all();
}

std::uint64_t PahoLink::Worker::dropped() const {
  const std::lock_guard lock(mutex_);
  return dropped_;
}

void PahoLink::Worker::perform(LinkOrder order) {
  switch (order.kind) {
    case LinkOrder::Kind::Connect:
      return connect();
    case LinkOrder::Kind::Send:
      return publish(order);
    case LinkOrder::Kind::Subscribe:
      if (connection_) connection_->subscribe(order.topic, order.qos);
      return;
  }
}

// ---- connect

void PahoLink::Worker::connect() {
  close();
  if (!clear_lost_session()) return;
  const auto attempt = dialer_.dial(
      [this](const Endpoint& endpoint, std::string& error) { return look_up(endpoint, error); },
      [this](const Endpoint&, const std::string& address, int version) { return this->attempt(address, version); },
      [this] {
        const std::lock_guard lock(mutex_);
        return stopping_;
      });
  if (!attempt.connected) {
    close();
    return owner_.on_disconnected(attempt.cause);
  }
  session_lost_ = !attempt.session_present;
  if (!clear_lost_session()) return;
  retain_available_ = attempt.limits.retain_available;
  owner_.on_limits(attempt.limits);
  owner_.on_connected(attempt.session_present);
}

std::vector<std::string> PahoLink::Worker::look_up(const Endpoint& endpoint, std::string& error) {
  const auto mark = [this](bool looking_up) {
    const std::lock_guard lock(mutex_);
    looking_up_ = looking_up;
    wake_.notify_all();
  };
  mark(true);
  auto addresses = resolve_(endpoint, error);
  mark(false);
  return addresses;
}

/// What has to be known on disk before the first message leaves. False when it could not be written.
bool PahoLink::Worker::clear_lost_session() {
  try {
    if (session_lost_) owner_.clear();
    session_lost_ = false;
    return true;
  } catch (const std::exception& error) {
    close();
    owner_.on_disconnected(fmt::format("cannot write the outbox: {}", error.what()));
    return false;
  }
}

Attempt PahoLink::Worker::attempt(const std::string& address, int mqtt_version) {
  close();
  Attempt failed;
  try {
    open(address, mqtt_version);
    connection_->connect();
    std::unique_lock lock(mutex_);
    if (wake_.wait_for(lock, kConnectTime, [this] { return stopping_ || answer_; })) {
      if (answer_) return *std::exchange(answer_, {});
      failed.cause = "stopped";
    } else {
      failed.cause = fmt::format("no answer within {} s", kConnectTime.count());
    }
  } catch (const std::exception& error) {
    failed.cause = error.what();
  }
  return failed;
}

void PahoLink::Worker::open(const std::string& address, int mqtt_version) {
  {
    const std::lock_guard lock(mutex_);
    answer_.reset();
    lost_.reset();
  }
  const auto wake = [this](auto change) {
    const std::lock_guard lock(mutex_);
    change();
    wake_.notify_all();
  };
  PahoConnection::Told told;
  told.answered = [this, wake](Attempt attempt) { wake([&] { answer_ = std::move(attempt); }); };
  told.lost = [this](std::string cause) { lose(std::move(cause)); };
  told.stored = [wake] { wake([] {}); };
  told.sent_unqueued = [this] { sent_unqueued(); };
  told.said_goodbye = [this, wake] { wake([this] { said_goodbye_ = true; }); };
  connection_ = std::make_unique<PahoConnection>(settings_, address, mqtt_version, owner_, inbound_, std::move(told));
}

// ---- send

void PahoLink::Worker::sent_unqueued() {
  const std::lock_guard lock(mutex_);
  if (unqueued_in_paho_ == 0) return;
  --unqueued_in_paho_;
  --unqueued_;
  wake_.notify_all();
}

void PahoLink::Worker::publish(const LinkOrder& order) {
  const bool taken = wait_for_turn(order.qos) &&
                     connection_->publish(order.seq, *order.publication, order.topic, order.qos, retain_available_);
  if (!taken && order.qos == mqtt::Qos::AtMostOnce) sent_unqueued();
}

/// At most one QoS 2 message is under way to Paho's send thread, see PahoRecords, and few of QoS 0. False when the
/// connection is gone.
bool PahoLink::Worker::wait_for_turn(mqtt::Qos qos) {
  std::unique_lock lock(mutex_);
  const auto free = [&] {
    if (qos == mqtt::Qos::ExactlyOnce) return !connection_->storing();
    return qos == mqtt::Qos::AtLeastOnce || unqueued_in_paho_ < kUnqueuedInPaho;
  };
  if (connection_) wake_.wait(lock, [&] { return stopping_ || lost_ || free(); });
  if (qos == mqtt::Qos::AtMostOnce) ++unqueued_in_paho_;
  return connection_ && !stopping_ && !lost_;
}

// ---- the end of a connection

void PahoLink::Worker::lose(std::string cause) {
  const std::lock_guard lock(mutex_);
  if (!lost_) lost_ = std::move(cause);
  wake_.notify_all();
}

void PahoLink::Worker::after_loss() {
  close();  // first: nothing can leave or be acknowledged any more
  std::string cause;
  {
    const std::lock_guard lock(mutex_);
    cause = *std::exchange(lost_, {});
  }
  owner_.on_disconnected(std::move(cause));
}

void PahoLink::Worker::close() {
  connection_.reset();
  const std::lock_guard lock(mutex_);
  unqueued_ -= std::exchange(unqueued_in_paho_, 0);
}

void PahoLink::Worker::stop(milliseconds grace) {
  std::unique_lock lock(mutex_);
  if (!std::exchange(stopping_, true)) wake_.notify_all();
  wake_.wait_for(lock, grace, [this] { return ended_ || looking_up_; });
  lock.unlock();
  owner_.leave();
}

/// On the link's thread, when it is to stop.
void PahoLink::Worker::say_goodbye() {
  const bool connected = connection_ && connection_->disconnect();
  if (connected) {
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, kFarewell, [this] { return said_goodbye_ || lost_; });
  }
  if (connected) owner_.on_disconnected("stopped");
  const std::lock_guard lock(mutex_);
  ended_ = true;
  wake_.notify_all();
}

bool PahoLink::Worker::wait_until_finished(milliseconds time) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, time, [this] { return finished_ || looking_up_; });
  return finished_;
}

// ---- the handle

PahoLink::PahoLink(const UplinkSettings& settings, LinkState& state, LinkEvents& events, Dialer::Resolve resolve)
    : worker_(std::make_shared<Worker>(settings, state, events, std::move(resolve))),
      thread_([worker = worker_] { worker->run(); }) {}

PahoLink::~PahoLink() {
  worker_->stop(milliseconds{0});
  if (worker_->wait_until_finished(kThreadEnd)) {
    thread_.join();
  } else {  // it waits for a name server; it has nothing left to do with us
    thread_.detach();
  }
}

void PahoLink::connect() { worker_->push({}); }

void PahoLink::send(Seq seq, mqtt::PublicationPtr publication, const std::string& topic, mqtt::Qos qos) {
  worker_->push({LinkOrder::Kind::Send, seq, std::move(publication), topic, qos});
}

void PahoLink::subscribe(const std::string& filter, mqtt::Qos qos) {
  worker_->push({LinkOrder::Kind::Subscribe, 0, {}, filter, qos});
}

void PahoLink::disconnect(milliseconds grace) { worker_->stop(grace); }

std::uint64_t PahoLink::dropped() const { return worker_->dropped(); }

}  // namespace ferrule::bridge

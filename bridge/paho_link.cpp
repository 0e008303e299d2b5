#include "bridge/paho_link.hpp"

#include <fmt/format.h>

#include <deque>
#include <map>
#include <optional>
#include <utility>

#include "bridge/paho_connection.hpp"
#include "bridge/threaded_link.hpp"

namespace ferrule::bridge {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr auto kConnectTime = 10s;           // for TCP and CONNACK, at each address
constexpr auto kFarewell = 200ms;            // for DISCONNECT to be written
constexpr std::size_t kMaxUnqueued = 1'000;  // QoS 0 messages that wait for the socket
constexpr std::size_t kUnqueuedInPaho = 16;  // of them

/// The link's thread and what it shares with Paho's.
class PahoWorker final : public LinkWorker {
 public:
  using LinkWorker::LinkWorker;

  void push(LinkOrder order) override;

 private:
  // Paho's threads.
  void sent_unqueued();
  void ended(std::string cause);

  // The link's thread.
  void work() override;
  Attempt attempt(const Endpoint& endpoint, const std::string& address, int mqtt_version) override;
  void open(const Attempt& answer) override { retain_available_ = answer.limits.retain_available; }
  bool say_goodbye() override;
  void close() override;
  void perform(LinkOrder order);
  Attempt log_in(const std::string& address, int mqtt_version, bool anew);
  void open_connection(const std::string& address, int mqtt_version, bool anew);
  void publish(const LinkOrder& order);
  bool wait_for_turn(mqtt::Qos qos);

  // Guarded by mutex_
  std::deque<LinkOrder> orders_;
  std::optional<Attempt> answer_;     // to the attempt under way
  std::optional<std::string> lost_;   // why the connection ended
  std::size_t unqueued_ = 0;          // QoS 0, given to Paho or waiting to be
  std::size_t unqueued_in_paho_ = 0;  // of them
  bool said_goodbye_ = false;

  // Owned by the link's thread
  std::map<std::string, std::string> inbound_;
  std::unique_ptr<PahoConnection> connection_;
  bool retain_available_ = true;
};

void PahoWorker::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    waits();
    progress_.wait(lock, [this] { return stopping_ || lost_ || !orders_.empty(); });
    moves();
    if (stopping_) return;
    if (lost_) {
      lock.unlock();
      close();  // first: no other loss can be told any more
      lock.lock();
      auto cause = *std::exchange(lost_, {});
      lock.unlock();
      lose(std::move(cause));
    } else {
      auto order = std::move(orders_.front());
      orders_.pop_front();
      lock.unlock();
      perform(std::move(order));
    }
    lock.lock();
  }
}

void PahoWorker::push(LinkOrder order) {
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
  progress_.notify_all();
}

void PahoWorker::perform(LinkOrder order) {
  switch (order.kind) {
    case LinkOrder::Kind::ConnectAnew:
      return connect_anew();
    case LinkOrder::Kind::Connect:
    case LinkOrder::Kind::ConnectElsewhere:
      return connect();
    case LinkOrder::Kind::Send:
      return publish(order);
    case LinkOrder::Kind::Acknowledge:
      return;  // Paho does by itself
    case LinkOrder::Kind::Subscribe:
      if (connection_) connection_->subscribe(order.topic, order.qos);
      return;
  }
}

// ---- connect

/// As FerruleWorker's.
Attempt PahoWorker::attempt(const Endpoint&, const std::string& address, int mqtt_version) {
  if (forgets_ && mqtt_version != 5) {
    auto answer = log_in(address, mqtt_version, true);
    if (!answer.connected) return answer;
    say_goodbye();
  }
  return log_in(address, mqtt_version, forgets_ && mqtt_version == 5);
}

Attempt PahoWorker::log_in(const std::string& address, int mqtt_version, bool anew) {
  close();
  Attempt failed;
  moves();
  try {
    open_connection(address, mqtt_version, anew);
    connection_->connect();
    std::unique_lock lock(mutex_);
    if (progress_.wait_for(lock, kConnectTime, [this] { return stopping_ || answer_; })) {
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

void PahoWorker::open_connection(const std::string& address, int mqtt_version, bool anew) {
  {
    const std::lock_guard lock(mutex_);
    answer_.reset();
    lost_.reset();
    said_goodbye_ = false;
  }
  const auto wake = [this](auto change) {
    const std::lock_guard lock(mutex_);
    change();
    progress_.notify_all();
  };
  PahoConnection::Told told;
  told.answered = [this, wake](Attempt attempt) { wake([&] { answer_ = std::move(attempt); }); };
  told.lost = [this](std::string cause) { ended(std::move(cause)); };
  told.stored = [wake] { wake([] {}); };
  told.sent_unqueued = [this] { sent_unqueued(); };
  told.said_goodbye = [this, wake] { wake([this] { said_goodbye_ = true; }); };
  connection_ =
      std::make_unique<PahoConnection>(settings_, address, mqtt_version, anew, owner_, inbound_, std::move(told));
}

// ---- send

void PahoWorker::sent_unqueued() {
  const std::lock_guard lock(mutex_);
  if (unqueued_in_paho_ == 0) return;
  --unqueued_in_paho_;
  --unqueued_;
  progress_.notify_all();
}

void PahoWorker::publish(const LinkOrder& order) {
  const bool taken = wait_for_turn(order.qos) &&
                     connection_->publish(order.seq, *order.publication, order.topic, order.qos, retain_available_);
  if (!taken && order.qos == mqtt::Qos::AtMostOnce) sent_unqueued();
}

/// At most one QoS 2 message is under way to Paho's send thread, see PahoRecords, and few of QoS 0. False when the
/// connection is gone.
bool PahoWorker::wait_for_turn(mqtt::Qos qos) {
  std::unique_lock lock(mutex_);
  const auto free = [&] {
    if (qos == mqtt::Qos::ExactlyOnce) return !connection_->storing();
    return qos == mqtt::Qos::AtLeastOnce || unqueued_in_paho_ < kUnqueuedInPaho;
  };
  waits();
  if (connection_) progress_.wait(lock, [&] { return stopping_ || lost_ || free(); });
  moves();
  if (qos == mqtt::Qos::AtMostOnce) ++unqueued_in_paho_;
  return connection_ && !stopping_ && !lost_;
}

// ---- the end of a connection

void PahoWorker::ended(std::string cause) {
  const std::lock_guard lock(mutex_);
  if (!lost_) lost_ = std::move(cause);
  progress_.notify_all();
}

void PahoWorker::close() {
  connection_.reset();
  const std::lock_guard lock(mutex_);
  unqueued_ -= std::exchange(unqueued_in_paho_, 0);
}

bool PahoWorker::say_goodbye() {
  if (!connection_ || !connection_->disconnect()) return false;
  std::unique_lock lock(mutex_);
  progress_.wait_for(lock, kFarewell, [this] { return said_goodbye_ || lost_; });
  return true;
}

}  // namespace

std::unique_ptr<Link> make_paho_link(const UplinkSettings& settings, LinkState& state, LinkEvents& events,
                                     Dialer::Resolve resolve) {
  return std::make_unique<ThreadedLink>(std::make_shared<PahoWorker>(settings, state, events, std::move(resolve)));
}

}  // namespace ferrule::bridge

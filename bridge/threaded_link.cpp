#include "bridge/threaded_link.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>

#include <algorithm>
#include <exception>
#include <system_error>
#include <utility>

#include "bridge/stream.hpp"

namespace ferrule::bridge {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr auto kLookTime = 10s;             // for the first server to answer
constexpr milliseconds kLookAgain = 100ms;  // whether to stop
constexpr auto kThreadEnd = 3s;             // for a commit under way; Paho's threads look up once a second

}  // namespace

std::string cannot_write(const std::exception& error) {
  return fmt::format("cannot write the outbox: {}", error.what());
}

LinkWorker::LinkWorker(const UplinkSettings& settings, LinkState& state, LinkEvents& events, Dialer::Resolve resolve)
    : settings_(settings),
      owner_(state, events),
      dialer_(settings_, settings_.sparkplug ? std::vector<LinkState::InFlight>{} : state.restore()),
      resolve_(std::move(resolve)),
      first_server_(parse_url(settings_.urls.front()).value_or(Endpoint{})) {}

void LinkWorker::run() {
  pthread_setname_np(pthread_self(), "uplink");
  moves();
  work();
  if (say_goodbye()) owner_.on_disconnected("stopped");
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    progress_.notify_all();
  }
  close();
  waits();
  const std::lock_guard lock(mutex_);
  finished_ = true;
  progress_.notify_all();
}

std::uint64_t LinkWorker::dropped() const {
  const std::lock_guard lock(mutex_);
  return dropped_;
}

bool LinkWorker::stopping() const {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

/// What the cloud announced, and what the settings know of it besides.
LinkLimits LinkWorker::restricted(LinkLimits limits) const {
  limits.maximum_qos = std::min(limits.maximum_qos, settings_.max_qos);
  limits.retain_available = limits.retain_available && settings_.retain;
  if (settings_.max_packet != 0 &&
      (limits.maximum_packet_size == 0 || settings_.max_packet < limits.maximum_packet_size)) {
    limits.maximum_packet_size = settings_.max_packet;
  }
  return limits;
}

void LinkWorker::connect() {
  say_goodbye();
  close();
  if (!clear_lost_session()) return;
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(first_found_, false)) dialer_.begin_with_first();
  }
  auto answer = dialer_.dial([this](const Endpoint& endpoint, std::string& error) { return look_up(endpoint, error); },
                             [this](const Endpoint& endpoint, const std::string& address, int version) {
                               return attempt(endpoint, address, version);
                             },
                             [this] { return stopping(); });
  moves();
  if (!answer.connected) return lose(answer.cause);
  answer.limits = restricted(std::move(answer.limits));
  session_lost_ = !answer.session_present;
  if (!clear_lost_session()) return;
  try {
    open(answer);
  } catch (const std::runtime_error& error) {
    return lose(cannot_write(error));
  }
  owner_.on_limits(answer.limits);
  owner_.on_connected(answer.session_present);
}

/// A QoS 2 exchange that the cloud forgets would have to be begun again, and might be doubled.
void LinkWorker::connect_anew() {
  const auto records = owner_.restore();
  forgets_ = std::ranges::all_of(records, [](const auto& record) { return record.seq == LinkState::kNoRow; });
  connect();
  forgets_ = false;
}

void LinkWorker::connect_elsewhere() {
  dialer_.pass_over();
  connect();
}

std::vector<std::string> LinkWorker::look_up(const Endpoint& endpoint, std::string& error) {
  const auto mark = [this](bool looking_up) {
    const std::lock_guard lock(mutex_);
    looking_up_ = looking_up;
    progress_.notify_all();
  };
  mark(true);
  waits();  // name servers take what time they like, and come back
  auto addresses = resolve_(endpoint, error);
  moves();
  mark(false);
  return addresses;
}

/// What has to be known on disk before the first message leaves. False when it could not be written.
bool LinkWorker::clear_lost_session() {
  try {
    if (session_lost_) owner_.clear();
    session_lost_ = false;
    return true;
  } catch (const std::exception& error) {
    lose(cannot_write(error));
    return false;
  }
}

void LinkWorker::lose(std::string cause) {
  close();  // first: nothing can leave or be acknowledged any more
  owner_.on_disconnected(std::move(cause));
}

void LinkWorker::stop(milliseconds grace) {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  wake();
  progress_.notify_all();
  progress_.wait_for(lock, grace, [this] { return ended_ || looking_up_; });
  lock.unlock();
  owner_.leave();
}

bool LinkWorker::wait_until_finished(milliseconds time) {
  std::unique_lock lock(mutex_);
  progress_.wait_for(lock, time,
                     [this] { return (finished_ && (!looking_for_first_ || resolving_first_)) || looking_up_; });
  return finished_;
}

// ---- the first server

bool LinkWorker::begin_looking() {
  const std::lock_guard lock(mutex_);
  return !stopping_ && !std::exchange(looking_for_first_, true);
}

void LinkWorker::look_for_first() {
  const bool found = reaches_first();
  if (found) {
    {
      const std::lock_guard lock(mutex_);
      first_found_ = true;
    }
    owner_.on_first_found();
  }
  end_looking();
}

void LinkWorker::end_looking() {
  const std::lock_guard lock(mutex_);
  looking_for_first_ = false;
  progress_.notify_all();
}

void LinkWorker::set_resolving_first(bool resolving) {
  const std::lock_guard lock(mutex_);
  resolving_first_ = resolving;
  progress_.notify_all();
}

bool LinkWorker::reaches_first() {
  std::string error;
  const auto end = std::chrono::steady_clock::now() + kLookTime;
  const auto wait = [this, end](int descriptor, short events) {
    while (!stopping() && std::chrono::steady_clock::now() < end) {
      pollfd ready{descriptor, events, 0};
      if (::poll(&ready, 1, static_cast<int>(kLookAgain.count())) == 1) return true;
    }
    return false;
  };
  set_resolving_first(true);  // which may take longer than anybody waits for
  const auto addresses = resolve_(settings_.proxy ? settings_.proxy->server : first_server_, error);
  set_resolving_first(false);
  return std::ranges::any_of(addresses, [&](const std::string& address) {
    return !stopping() && open_way(first_server_, address, settings_, wait).has_value();
  });
}

// ---- the handle

ThreadedLink::ThreadedLink(std::shared_ptr<LinkWorker> worker)
    : worker_(std::move(worker)), thread_([running = worker_] { running->run(); }) {}

ThreadedLink::~ThreadedLink() {
  worker_->stop(0ms);
  if (worker_->wait_until_finished(kThreadEnd)) {
    thread_.join();
  } else {  // it waits for a name server; it has nothing left to do with us
    thread_.detach();
  }
}

void ThreadedLink::connect() { worker_->push({}); }

void ThreadedLink::connect_anew() {
  worker_->push({LinkOrder::Kind::ConnectAnew, 0, {}, {}, mqtt::Qos::AtMostOnce, {}});
}

void ThreadedLink::connect_elsewhere() {
  worker_->push({LinkOrder::Kind::ConnectElsewhere, 0, {}, {}, mqtt::Qos::AtMostOnce, {}});
}

void ThreadedLink::send(Seq seq, mqtt::PublicationPtr publication, const std::string& topic, mqtt::Qos qos) {
  worker_->push({LinkOrder::Kind::Send, seq, std::move(publication), topic, qos, {}});
}

void ThreadedLink::subscribe(const std::string& filter, mqtt::Qos qos) {
  worker_->push({LinkOrder::Kind::Subscribe, 0, {}, filter, qos, {}});
}

void ThreadedLink::acknowledge(Arrival arrival, mqtt::Reason reason) {
  worker_->push({LinkOrder::Kind::Acknowledge, arrival, {}, {}, mqtt::Qos::AtLeastOnce, reason});
}

/// On a thread of its own: a name server may take its time, and what is live does not wait for it.
void ThreadedLink::look_for_first() {
  if (!worker_->begin_looking()) return;
  try {
    std::thread([worker = worker_] {
      pthread_setname_np(pthread_self(), "uplink-look");
      worker->look_for_first();
    }).detach();
  } catch (const std::system_error&) {  // there are too many; the next look may do better
    worker_->end_looking();
  }
}

void ThreadedLink::disconnect(milliseconds grace) { worker_->stop(grace); }

std::uint64_t ThreadedLink::dropped() const { return worker_->dropped(); }

}  // namespace ferrule::bridge

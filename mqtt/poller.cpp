#include "mqtt/poller.hpp"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

namespace ferrule::mqtt {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// Sockets served before timers and tasks of other threads have their turn.
constexpr std::size_t kMostPerTurn = 128;

int create_epoll() {
  const int descriptor = ::epoll_create1(EPOLL_CLOEXEC);
  if (descriptor < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1");
  return descriptor;
}

/// For epoll_wait: not before `latest`, so that its time has come when it returns.
int timeout_until(Poller::Time latest) {
  if (latest == Poller::Time::max()) return -1;
  if (latest == Poller::Time::min()) return 0;
  const auto left = std::chrono::ceil<milliseconds>(latest - steady_clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, INT_MAX));
}

}  // namespace

struct Poller::Impl {
  ~Impl() { ::close(epoll); }

  void call() {
    calling.swap(soon);
    for (auto& [watched, events] : calling) {
      if (watched != nullptr) std::exchange(watched, nullptr)->on_ready(events);
    }
    calling.clear();
  }

  void expire() {
    if (deadlines.empty()) return;
    const Time now = steady_clock::now();
    while (!deadlines.empty() && deadlines.begin()->first <= now) {
      Watched& watched = *deadlines.begin()->second;
      deadlines.erase(deadlines.begin());
      watched.on_deadline();
    }
  }

  const int epoll = create_epoll();
  std::array<epoll_event, kMostPerTurn> ready{};
  std::size_t next = 0, count = 0;  // of `ready`, until it is served
  std::vector<std::pair<Watched*, std::uint32_t>> soon, calling;
  std::set<std::pair<Time, Watched*>> deadlines;
};

Poller::Poller() : impl_(std::make_unique<Impl>()) {}
Poller::~Poller() = default;

bool Poller::add(int descriptor, std::uint32_t events, Watched& watched) {
  epoll_event event{.events = events, .data = {.ptr = &watched}};
  return ::epoll_ctl(impl_->epoll, EPOLL_CTL_ADD, descriptor, &event) == 0;
}

void Poller::change(int descriptor, std::uint32_t events, Watched& watched) {
  epoll_event event{.events = events, .data = {.ptr = &watched}};
  ::epoll_ctl(impl_->epoll, EPOLL_CTL_MOD, descriptor, &event);
}

void Poller::remove(int descriptor, const Watched& watched) {
  ::epoll_ctl(impl_->epoll, EPOLL_CTL_DEL, descriptor, nullptr);
  for (std::size_t i = impl_->next; i < impl_->count; ++i) {
    if (impl_->ready[i].data.ptr == &watched) impl_->ready[i].data.ptr = nullptr;
  }
}

void Poller::call_soon(Watched& watched, std::uint32_t events) { impl_->soon.emplace_back(&watched, events); }

void Poller::call_at(Time deadline, Watched& watched) { impl_->deadlines.emplace(deadline, &watched); }

void Poller::forget(const Watched& watched) {
  for (auto* list : {&impl_->soon, &impl_->calling}) {
    for (auto& entry : *list) {
      if (entry.first == &watched) entry.first = nullptr;
    }
  }
}

void Poller::forget(Time deadline, Watched& watched) { impl_->deadlines.erase({deadline, &watched}); }

Poller::Time Poller::next_deadline() const {
  if (!impl_->soon.empty()) return Time::min();
  return impl_->deadlines.empty() ? Time::max() : impl_->deadlines.begin()->first;
}

void Poller::wait(Time latest) {
  Impl& impl = *impl_;
  const int n = ::epoll_wait(impl.epoll, impl.ready.data(), static_cast<int>(impl.ready.size()), timeout_until(latest));
  impl.next = 0;
  impl.count = n < 0 ? 0 : static_cast<std::size_t>(n);
}

void Poller::serve() {
  Impl& impl = *impl_;
  while (impl.next < impl.count) {
    const epoll_event event = impl.ready[impl.next++];
    if (event.data.ptr != nullptr) static_cast<Watched*>(event.data.ptr)->on_ready(event.events);
  }
  impl.count = impl.next = 0;
  if (!impl.soon.empty()) impl.call();
  impl.expire();
}

}  // namespace ferrule::mqtt

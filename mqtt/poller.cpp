#include "mqtt/poller.hpp"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

namespace ferrule::mqtt {
namespace asio = boost::asio;

namespace {

/// Sockets served before timers and tasks of other threads have their turn.
constexpr std::size_t kMostPerTurn = 128;

int create_epoll() {
  const int descriptor = ::epoll_create1(EPOLL_CLOEXEC);
  if (descriptor < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1");
  return descriptor;
}

}  // namespace

struct Poller::Impl {
  explicit Impl(asio::io_context& context) : io(context), epoll(context, create_epoll()), timer(context) {}

  void wait() {
    epoll.async_wait(asio::posix::descriptor_base::wait_read, [this](boost::system::error_code error) {
      if (error) return;
      serve();
      wait();
    });
  }

  void serve() {
    const int n = ::epoll_wait(epoll.native_handle(), ready.data(), static_cast<int>(ready.size()), 0);
    count = n < 0 ? 0 : static_cast<std::size_t>(n);
    for (next = 0; next < count;) {
      const epoll_event event = ready[next++];
      if (event.data.ptr != nullptr) static_cast<Watched*>(event.data.ptr)->on_ready(event.events);
    }
    count = next = 0;
  }

  void call() {
    calling.swap(soon);
    for (auto& [watched, events] : calling) {
      if (watched != nullptr) std::exchange(watched, nullptr)->on_ready(events);
    }
    calling.clear();
  }

  void arm() {
    if (deadlines.empty()) return;
    if (armed == deadlines.begin()->first) return;
    armed = deadlines.begin()->first;
    timer.expires_at(armed);  // cancels the wait for another
    timer.async_wait([this](boost::system::error_code error) {
      if (!error) expire();
    });
  }

  void expire() {
    armed = {};
    const Time now = std::chrono::steady_clock::now();
    while (!deadlines.empty() && deadlines.begin()->first <= now) {
      Watched& watched = *deadlines.begin()->second;
      deadlines.erase(deadlines.begin());
      watched.on_deadline();
    }
    arm();
  }

  asio::io_context& io;
  asio::posix::stream_descriptor epoll;
  asio::steady_timer timer;
  std::array<epoll_event, kMostPerTurn> ready{};
  std::size_t next = 0, count = 0;  // of `ready`, while it is served
  std::vector<std::pair<Watched*, std::uint32_t>> soon, calling;
  std::set<std::pair<Time, Watched*>> deadlines;
  Time armed{};  // unset: the timer does not run
};

Poller::Poller(asio::io_context& io) : impl_(std::make_unique<Impl>(io)) { impl_->wait(); }
Poller::~Poller() = default;

bool Poller::add(int descriptor, std::uint32_t events, Watched& watched) {
  epoll_event event{.events = events, .data = {.ptr = &watched}};
  return ::epoll_ctl(impl_->epoll.native_handle(), EPOLL_CTL_ADD, descriptor, &event) == 0;
}

void Poller::change(int descriptor, std::uint32_t events, Watched& watched) {
  epoll_event event{.events = events, .data = {.ptr = &watched}};
  ::epoll_ctl(impl_->epoll.native_handle(), EPOLL_CTL_MOD, descriptor, &event);
}

void Poller::remove(int descriptor, const Watched& watched) {
  ::epoll_ctl(impl_->epoll.native_handle(), EPOLL_CTL_DEL, descriptor, nullptr);
  for (std::size_t i = impl_->next; i < impl_->count; ++i) {
    if (impl_->ready[i].data.ptr == &watched) impl_->ready[i].data.ptr = nullptr;
  }
}

void Poller::call_soon(Watched& watched, std::uint32_t events) {
  impl_->soon.emplace_back(&watched, events);
  if (impl_->soon.size() == 1) asio::post(impl_->io, [impl = impl_.get()] { impl->call(); });
}

void Poller::call_at(Time deadline, Watched& watched) {
  impl_->deadlines.emplace(deadline, &watched);
  impl_->arm();
}

void Poller::forget(const Watched& watched) {
  for (auto* list : {&impl_->soon, &impl_->calling}) {
    for (auto& entry : *list) {
      if (entry.first == &watched) entry.first = nullptr;
    }
  }
}

void Poller::forget(Time deadline, Watched& watched) { impl_->deadlines.erase({deadline, &watched}); }

}  // namespace ferrule::mqtt

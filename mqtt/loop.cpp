#include "mqtt/loop.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <map>
#include <mutex>
#include <system_error>
#include <utility>
#include <vector>

#include "mqtt/poller.hpp"

namespace ferrule::mqtt {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// 16 full TCP segments or one TLS record and more: larger buffers made no measurable difference.
constexpr std::size_t kReadBufferBytes = 64 * 1024;

/// An eventfd: wakes whoever waits for it, also out of a signal handler.
class Bell final : public Poller::Watched {
 public:
  explicit Bell(Poller& poller) : poller_(poller), descriptor_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    if (descriptor_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
    poller_.add(descriptor_, EPOLLIN, *this);
  }
  ~Bell() {
    poller_.remove(descriptor_, *this);
    ::close(descriptor_);
  }
  Bell(const Bell&) = delete;
  Bell& operator=(const Bell&) = delete;

  void ring() const { ring(descriptor_); }
  static void ring(int descriptor) {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(descriptor, &one, sizeof one);  // full: it rings already
  }
  int descriptor() const { return descriptor_; }

  void on_ready(std::uint32_t /*events*/) override {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto n = ::read(descriptor_, &count, sizeof count);
  }
  void on_deadline() override {}

 private:
  Poller& poller_;
  const int descriptor_;
};

// What a signal handler may touch.
std::atomic<std::uint64_t> arrived_signals{0};
std::atomic<int> signal_bell{-1};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free && std::atomic<int>::is_always_lock_free);

extern "C" void note_signal(int number) {
  const int error = errno;
  arrived_signals |= std::uint64_t{1} << number;
  if (const int bell = signal_bell; bell >= 0) Bell::ring(bell);
  errno = error;
}

struct Timer {
  milliseconds period;  // 0: once
  std::function<void()> task;
};

struct SignalWatch {
  std::vector<int> signals;
  std::function<void(int)> task;
};

}  // namespace

struct Loop::Impl {
  using Time = Poller::Time;

  void run_timers();
  void run_tasks();
  void run_signals();
  Time sleep_until();
  bool take_tasks();

  std::vector<char> read_buffer = std::vector<char>(kReadBufferBytes);
  Poller poller;
  Bell bell{poller};
  std::multimap<Time, Timer> timers;
  std::vector<SignalWatch> watches;
  std::vector<std::function<void()>> running;  // taken from `tasks`; those before `next` are done
  std::size_t next = 0;
  // Any thread.
  std::atomic<bool> stopping{false};
  std::atomic<bool> awake{true};  // looks at `tasks` before it sleeps; false only under the mutex
  std::mutex mutex;
  std::vector<std::function<void()>> tasks;  // under the mutex
};

Loop::Loop() : impl_(std::make_unique<Impl>()) {}

Loop::~Loop() {
  for (const SignalWatch& watch : impl_->watches) {
    for (const int number : watch.signals) std::signal(number, SIG_DFL);
  }
  if (!impl_->watches.empty()) signal_bell = -1;
  // What they own may still want the poller.
  impl_->running.clear();
  impl_->tasks.clear();
  impl_->timers.clear();
}

void Loop::run() {
  Impl& impl = *impl_;
  while (!impl.stopping) {
    impl.poller.wait(impl.sleep_until());
    impl.awake = true;  // what is posted from now on is taken in this turn, without a bell
    impl.poller.serve();
    impl.run_signals();
    impl.run_timers();
    impl.run_tasks();
  }
  impl.stopping = false;  // a second `run` is possible; a `stop` before the first one is not forgotten
}

/// The moment of the next timer; min() when there is something to do.
Loop::Impl::Time Loop::Impl::sleep_until() {
  {
    const std::lock_guard lock(mutex);
    awake = stopping || !tasks.empty() || next < running.size();
    if (awake) return Time::min();
  }
  const Time timer = timers.empty() ? Time::max() : timers.begin()->first;
  return std::min(timer, poller.next_deadline());
}

void Loop::Impl::run_signals() {
  if (watches.empty() || arrived_signals == 0) return;
  const std::uint64_t numbers = arrived_signals.exchange(0);
  for (std::size_t i = 0; i < watches.size(); ++i) {
    for (const int number : watches[i].signals) {
      if ((numbers >> number & 1) != 0) watches[i].task(number);
    }
  }
}

void Loop::Impl::run_timers() {
  if (timers.empty()) return;
  const Time now = steady_clock::now();
  const Time next_turn = now + std::chrono::nanoseconds(1);
  while (!stopping && timers.begin() != timers.end() && timers.begin()->first <= now) {
    auto timer = timers.extract(timers.begin());
    if (timer.mapped().period.count() == 0) {
      timer.mapped().task();
      continue;
    }
    // From the last deadline, not from now: the rate holds however long the task takes; but missed rounds are not
    // caught up.
    timer.key() = std::max(timer.key() + timer.mapped().period, next_turn);
    timers.insert(std::move(timer))->second.task();
  }
}

/// True when there is one to run.
bool Loop::Impl::take_tasks() {
  if (next < running.size()) return true;  // one of the last turn threw, or stopped the loop
  running.clear();
  next = 0;
  const std::lock_guard lock(mutex);
  running.swap(tasks);
  return !running.empty();
}

void Loop::Impl::run_tasks() {
  if (!take_tasks()) return;
  while (!stopping && next < running.size()) {
    const auto task = std::move(running[next++]);
    task();
  }
}

void Loop::stop() {
  impl_->stopping = true;
  impl_->bell.ring();
}

void Loop::post(std::function<void()> task) {
  bool asleep = false;
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->tasks.push_back(std::move(task));
    asleep = !impl_->awake.exchange(true);
  }
  if (asleep) impl_->bell.ring();
}

void Loop::every(std::chrono::milliseconds period, std::function<void()> task) {
  impl_->timers.emplace(steady_clock::now() + period, Timer{period, std::move(task)});
}

void Loop::once(std::chrono::milliseconds delay, std::function<void()> task) {
  impl_->timers.emplace(steady_clock::now() + delay, Timer{milliseconds(0), std::move(task)});
}

void Loop::on_signal(std::initializer_list<int> signals, std::function<void(int)> task) {
  signal_bell = impl_->bell.descriptor();
  impl_->watches.push_back({signals, std::move(task)});
  for (const int number : signals) {
    struct sigaction action {};
    action.sa_handler = note_signal;
    action.sa_flags = SA_RESTART;
    sigfillset(&action.sa_mask);
    ::sigaction(number, &action, nullptr);
  }
}

std::span<char> Loop::read_buffer() { return impl_->read_buffer; }

Poller& Loop::poller() { return impl_->poller; }

}  // namespace ferrule::mqtt

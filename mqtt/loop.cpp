#include "mqtt/loop.hpp"

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <list>
#include <utility>
#include <vector>

#include "mqtt/poller.hpp"

namespace ferrule::mqtt {
namespace asio = boost::asio;

namespace {

/// 16 full TCP segments or one TLS record and more: larger buffers made no measurable difference.
constexpr std::size_t kReadBufferBytes = 64 * 1024;

struct Ticker {
  asio::steady_timer timer;
  std::chrono::milliseconds period;
  std::function<void()> task;

  void arm() {
    timer.async_wait([this](boost::system::error_code error) {
      if (error) return;
      // From the last deadline, not from now: the rate holds however long the task takes; but missed rounds are not
      // caught up.
      const auto next = timer.expiry() + period;
      timer.expires_at(std::max(next, asio::steady_timer::clock_type::now()));
      task();
      arm();
    });
  }
};

struct SignalWatch {
  SignalWatch(asio::io_context& io, std::function<void(int)> on_signal) : signals(io), task(std::move(on_signal)) {}

  asio::signal_set signals;
  std::function<void(int)> task;

  void arm() {
    signals.async_wait([this](boost::system::error_code error, int signal) {
      if (error) return;
      task(signal);
      arm();
    });
  }
};

}  // namespace

struct Loop::Impl {
  // Declared in this order so that whatever the queued handlers own is destroyed with the io_context, first of all.
  std::vector<char> read_buffer = std::vector<char>(kReadBufferBytes);
  asio::io_context io{1};  // one thread runs it: a hint that spares Asio its own wake-ups
  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
  Poller poller{io};
  std::list<Ticker> tickers;
  std::list<SignalWatch> watches;
};

Loop::Loop() : impl_(std::make_unique<Impl>()) {}
Loop::~Loop() = default;

void Loop::run() {
  impl_->io.run();
  impl_->io.restart();  // a second `run` is possible; a `stop` before the first one is not forgotten
}

void Loop::stop() { impl_->io.stop(); }

void Loop::post(std::function<void()> task) { asio::post(impl_->io, std::move(task)); }

void Loop::every(std::chrono::milliseconds period, std::function<void()> task) {
  impl_->tickers.push_back({asio::steady_timer(impl_->io, period), period, std::move(task)});
  impl_->tickers.back().arm();
}

void Loop::once(std::chrono::milliseconds delay, std::function<void()> task) {
  auto timer = std::make_unique<asio::steady_timer>(impl_->io, delay);
  auto& armed = *timer;
  armed.async_wait([timer = std::move(timer), task = std::move(task)](boost::system::error_code error) {
    if (!error) task();
  });
}

void Loop::on_signal(std::initializer_list<int> signals, std::function<void(int)> task) {
  impl_->watches.emplace_back(impl_->io, std::move(task));
  for (const int signal : signals) impl_->watches.back().signals.add(signal);
  impl_->watches.back().arm();
}

std::span<char> Loop::read_buffer() { return impl_->read_buffer; }

Poller& Loop::poller() { return impl_->poller; }

asio::io_context& Loop::native() { return impl_->io; }

}  // namespace ferrule::mqtt

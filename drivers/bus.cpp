#include "drivers/bus.hpp"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "drivers/bus_record.hpp"
#include "drivers/registry.hpp"
#include "drivers/schedule.hpp"
#include "drivers/write_queue.hpp"

namespace ferrule::drivers {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kLeastConnectTime = std::chrono::seconds(3);
constexpr milliseconds kLongestIdle = std::chrono::hours(1);
// From listening to listening. The kernel keeps what comes meanwhile, or holds its sender back: who never stops talking
// costs a hundred looks a second.
constexpr milliseconds kListenPause{10};

// Only what is touched becomes memory; what the sink does must fit too.
constexpr std::size_t kStackSize = std::size_t{256} * 1024;

std::uint32_t seed_of(const std::string& name) { return static_cast<std::uint32_t>(std::hash<std::string>{}(name)); }

bool worth_a_retry(Failure failure) { return failure == Failure::Timeout || failure == Failure::BadReply; }

}  // namespace

class Bus::Impl {
 public:
  Impl(BusSettings settings, const DriverFactory& make_driver, ReadingSink sink, Clock& clock)
      : settings_(std::move(settings)),
        driver_(make_driver(settings_, stop_)),
        sink_(std::move(sink)),
        clock_(clock),
        writes_(*driver_, clock_),
        passes_(settings_.offline_after, settings_.offline_retry, clock_),
        random_(seed_of(settings_.name)),
        reconnect_(settings_.reconnect),
        schedule_(settings_.devices.size(), settings_.offline_after, settings_.offline_retry,
                  std::uniform_real_distribution<double>(0, 1)(random_), seed_of(settings_.name)),
        record_(settings_, *driver_, clock_.now()),
        causes_(settings_.devices.size(), Failure::None) {
    driver_->trace(trace_);
    for (auto& device : settings_.devices) {
      std::vector<PointSettings>().swap(device.points);  // the driver has taken what it needs; a bus may have thousands
    }
    listens_ = driver_->task_count() > 0 && driver_->task(0).listens;
  }

  ~Impl() {
    stop();
    writes_.close();  // in case it was never started
    passes_.close();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void start();
  void request_stop() { stop_.request(); }
  TimePoint due() const { return stop_.due(); }
  void stop();
  bool submit(WriteRequest&& request) { return writes_.push(std::move(request)); }
  WireTrace& trace() { return trace_; }
  bool pass(PassRequest&& request) {
    if (!passes_.push(std::move(request))) return false;
    writes_.ring();
    return true;
  }
  const Driver& driver() const { return *driver_; }
  BusStatus status() const {
    auto status = record_.status();
    status.condition = driver_->condition();
    return status;
  }

 private:
  using Result = tl::expected<void, Fault>;

  void loop();
  void idle(TimePoint due);
  bool connect();
  void serve_writes();
  void serve_pass();
  void used(TimePoint began);
  void lost(const Fault& fault);
  void announce(const Fault& fault);

  void poll(std::size_t task);
  void listen(std::size_t task);
  bool ask(std::size_t task, Result& result);
  void send_ahead(std::size_t task);
  void conclude(std::size_t task, const Result& result, TimePoint started);
  void answered(std::size_t task, const Result& result);
  bool took_new_tasks();
  void missed(std::size_t task, const Fault& fault);
  void fail_device(std::uint32_t device, Failure failure);
  void deliver();

  void report(std::size_t task, const Fault& fault, int attempt, int attempts, TimePoint asked);
  TimePoint real(TimePoint moment) const { return steady_clock::now() + (moment - clock_.now()); }

  // Constant after construction.
  BusSettings settings_;
  StopSignal stop_;
  WireTrace trace_;
  const std::unique_ptr<Driver> driver_;
  const ReadingSink sink_;
  Clock& clock_;

  WriteQueue writes_;  // what others push into it is its own affair
  PassQueue passes_;   // likewise

  bool listens_ = false;  // constant after construction: the devices talk by themselves

  // Owned by the bus thread.
  TimePoint listened_{};
  std::vector<PointIndex> written_;
  std::minstd_rand random_;
  Backoff reconnect_;
  TimePoint reconnect_at_{};
  bool proven_ = false;  // somebody has answered since the port was opened
  bool rests_ = false;   // closed because there was nothing to ask for long enough
  TimePoint used_at_{};
  bool announced_ = false;  // every point was said to be Bad for want of a port
  Schedule schedule_;
  BusRecord record_;
  std::vector<Failure> causes_;  // why a device is offline
  std::vector<Reading> readings_;

  pthread_t thread_{};
  bool running_ = false;
};

void Bus::Impl::start() {
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  ::pthread_attr_setstacksize(&attributes, kStackSize);
#endif
  // Signals are the main thread's; a write to a peer that is gone must not raise SIGPIPE here either.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const int error = ::pthread_create(
      &thread_, &attributes,
      [](void* self) -> void* {
        static_cast<Impl*>(self)->loop();
        return nullptr;
      },
      this);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::pthread_attr_destroy(&attributes);
  if (error != 0) throw std::system_error(error, std::system_category(), "thread of bus " + settings_.name);
  running_ = true;
}

void Bus::Impl::stop() {
  stop_.request();
  if (!std::exchange(running_, false)) return;
  ::pthread_join(thread_, nullptr);
}

void Bus::Impl::loop() {
  ::pthread_setname_np(::pthread_self(), ("bus-" + settings_.name).substr(0, 15).c_str());
  for (std::size_t task = 0; task < driver_->task_count(); ++task) schedule_.add(driver_->task(task), clock_.now());
  while (!stop_.requested()) {
    stop_.moves();
    serve_writes();
    serve_pass();
    const auto now = clock_.now();
    const auto next = schedule_.size() > 0 ? schedule_.next() : Schedule::Next{0, now + kLongestIdle};
    const bool may_rest = rests_ && next.due > now && !writes_.waiting() && !passes_.waiting();
    if (!may_rest && !driver_->is_open()) {
      connect();
      continue;  // writes that waited for the port come first
    }
    if (next.due > now && passes_.waiting()) continue;
    if (next.due > now) {
      idle(std::min({next.due, writes_.next(), now + kLongestIdle}));
    } else {
      poll(next.task);
    }
  }
  driver_->close();
  writes_.close();
  passes_.close();
  stop_.moves(TimePoint::max());
}

/// Nothing to ask until `due`: watches the port meanwhile, and closes it when it is to be closed so early.
void Bus::Impl::idle(TimePoint due) {
  if (listens_) {
    if (const auto again = listened_ + kListenPause; steady_clock::now() < again) {
      stop_.wait(-1, 0, std::min(real(due), again), writes_.doorbell());
    } else if (stop_.wait(driver_->descriptor(), POLLIN, real(due), writes_.doorbell()) == Woke::Ready) {
      for (std::size_t task = 0; task < driver_->task_count() && driver_->is_open(); ++task) listen(task);
      listened_ = steady_clock::now();
      record_.is_in(driver_->condition(), clock_.now());
    }
    return;
  }
  const bool closes = settings_.idle_close.count() > 0 && driver_->is_open();
  const auto until = closes ? std::min(due, used_at_ + settings_.idle_close) : due;
  const auto woke = stop_.wait(driver_->descriptor(), POLLRDHUP, real(until), writes_.doorbell());
  if (woke == Woke::Ready) {
    lost({Failure::PortLost, "closed by the other side", 0});
  } else if (woke == Woke::Deadline && until < due) {
    driver_->close();
    trace_.note(WireEvent::Kind::Closed);
    rests_ = true;
  }
}

bool Bus::Impl::connect() {
  rests_ = false;
  const auto until = std::min({reconnect_at_, writes_.next(), passes_.next()});
  if (stop_.wait(-1, 0, real(until), writes_.doorbell()) == Woke::Stopped || clock_.now() < reconnect_at_) return false;
  const auto opened = driver_->open(steady_clock::now() + std::max(settings_.timeout, kLeastConnectTime));
  if (stop_.requested()) return false;
  if (!opened) {
    driver_->close();
    reconnect_at_ = clock_.now() + reconnect_.next(random_);
    announce(opened.error());
    return false;
  }
  if (std::exchange(announced_, false)) {
    schedule_.restart(clock_.now());
    spdlog::info("bus {}: {} is open again", settings_.name, driver_->port_name());
  }
  trace_.note(WireEvent::Kind::Opened);
  record_.opened();
  used_at_ = clock_.now();
  return true;
}

/// The wire was ours from `began` until now.
void Bus::Impl::used(TimePoint began) {
  used_at_ = clock_.now();
  record_.used(began, used_at_);
}

/// Everything else waits: a command is rare, and somebody stands there.
void Bus::Impl::serve_writes() {
  written_.clear();
  const auto began = clock_.now();
  const auto fault = writes_.serve(written_);
  if (!written_.empty()) used(began);
  for (const auto point : written_) {
    if (const auto task = driver_->task_of(point)) schedule_.due_now(*task, clock_.now());
  }
  if (fault) lost(*fault);
}

/// One request of another master at most: then it is our turn again.
void Bus::Impl::serve_pass() {
  const auto began = clock_.now();
  const auto served = passes_.serve(*driver_, announced_);
  if (served.sent) used(began);
  if (served.lost) lost(*served.lost);
}

/// The port is gone. One over which somebody had answered is opened again at once, and nobody hears of it if that
/// succeeds: many devices close a connection that is idle. Any other one waits, or we would do nothing but connect.
void Bus::Impl::lost(const Fault& fault) {
  driver_->close();
  trace_.note(WireEvent::Kind::Closed);
  reconnect_at_ = clock_.now();
  if (std::exchange(proven_, false)) return record_.lost();
  reconnect_at_ += reconnect_.next(random_);
  announce(fault);
}

void Bus::Impl::announce(const Fault& fault) {
  record_.is_away(fault, clock_.now());
  if (std::exchange(announced_, true)) return;
  readings_.clear();
  for (std::size_t task = 0; task < driver_->task_count(); ++task) driver_->fail(task, fault.failure, readings_);
  deliver();
  std::ranges::fill(causes_, Failure::None);
}

void Bus::Impl::poll(std::size_t task) {
  if (listens_) return listen(task);
  const auto started = clock_.now();
  Result result;
  readings_.clear();
  if (ask(task, result)) conclude(task, result, started);
}

/// What was heard badly is counted and told, but does not make the values wrong that were heard before.
void Bus::Impl::listen(std::size_t task) {
  const auto started = clock_.now();
  readings_.clear();
  const auto result = driver_->run(task, readings_);
  if (stop_.requested()) return;
  const bool news = !result || !readings_.empty();
  if (news) record_.asked(driver_->task(task).device, result, started, std::nullopt);
  if (!result) report(task, result.error(), 1, 1, started);
  if (!result && result.error().failure == Failure::PortLost) return lost(result.error());
  if (news && (result || result.error().failure != Failure::BadReply)) return conclude(task, result, started);
  schedule_.ran(task, driver_->task(task).interval, started, clock_.now());
}

/// Asks until there is an answer or no attempt is left. False when the port is gone, or stop was requested.
bool Bus::Impl::ask(std::size_t task, Result& result) {
  const auto device = driver_->task(task).device;
  // A device that missed its last poll gets one attempt: the others wait for it.
  const int attempts = schedule_.health(device) == Health::Online ? 1 + settings_.retries : 1;
  bool reopened = false;
  for (int attempt = 1;;) {
    if (attempt > 1) serve_writes();
    if (!driver_->is_open() && !connect()) return false;
    const auto asked = clock_.now();
    if (attempt == 1) send_ahead(task);
    result = driver_->run(task, readings_);
    used(asked);
    if (stop_.requested()) return false;
    const auto now = clock_.now();
    record_.asked(device, result, now, now - asked);
    if (result) return true;
    report(task, result.error(), attempt, attempts, asked);
    if (result.error().failure == Failure::PortLost) {
      const bool again = proven_ && !reopened;
      lost(result.error());
      if (!again) return false;
      reopened = true;  // this attempt was the connection's fault, not the device's
      continue;
    }
    if (!worth_a_retry(result.error().failure) || ++attempt > attempts) return true;
  }
}

/// Lets the answers to what comes next be on their way while the one to `task` is awaited. Not where a device is in
/// doubt: the peer may be a gateway that holds all others back while it waits for it.
void Bus::Impl::send_ahead(std::size_t task) {
  if (settings_.pipeline <= 1) return;
  for (const auto next : schedule_.due(task, clock_.now(), static_cast<std::size_t>(settings_.pipeline))) {
    if (!driver_->ask_ahead(next)) return;
  }
}

void Bus::Impl::conclude(std::size_t task, const Result& result, TimePoint started) {
  const bool spoken = result || is_answer(result.error().failure);
  if (spoken) {
    answered(task, result);
  } else {
    missed(task, result.error());
  }
  if (took_new_tasks()) {
    schedule_.due_now(task, clock_.now());  // both parts of what was refused, in this cycle
    return;
  }
  const auto known = driver_->task(task);
  const auto overruns = schedule_.ran(task, known.interval, started, clock_.now());
  if (overruns > 0) record_.overran(task, overruns, clock_.now());
}

void Bus::Impl::answered(std::size_t task, const Result& result) {
  const auto now = clock_.now();
  const auto device = driver_->task(task).device;
  proven_ = true;
  reconnect_.reset();
  if (schedule_.answered(task, now) == Health::Offline) {
    spdlog::info("bus {}: device {} answers again", settings_.name, settings_.devices[device].name);
  }
  causes_[device] = Failure::None;
  const bool split = driver_->task_count() > schedule_.size();
  if (!result && !split) driver_->fail(task, result.error().failure, readings_);
  deliver();
}

/// Schedules what the driver made of a refused task.
bool Bus::Impl::took_new_tasks() {
  const auto before = schedule_.size();
  while (schedule_.size() < driver_->task_count()) schedule_.add(driver_->task(schedule_.size()), clock_.now());
  return schedule_.size() > before;
}

void Bus::Impl::missed(std::size_t task, const Fault& fault) {
  const auto device = driver_->task(task).device;
  const auto before = schedule_.health(device);
  if (schedule_.missed(task, clock_.now()) != Health::Offline) {
    driver_->fail(task, fault.failure, readings_);
    deliver();
    return;
  }
  if (before != Health::Offline) {
    spdlog::warn("bus {}: device {} is offline: {}", settings_.name, settings_.devices[device].name, fault.detail);
  }
  // Once when it goes offline, and again when it stays so for another reason.
  if (std::exchange(causes_[device], fault.failure) != fault.failure) fail_device(device, fault.failure);
}

void Bus::Impl::fail_device(std::uint32_t device, Failure failure) {
  for (std::size_t task = 0; task < driver_->task_count(); ++task) {
    if (driver_->task(task).device == device) driver_->fail(task, failure, readings_);
  }
  deliver();
}

void Bus::Impl::deliver() {
  if (readings_.empty()) return;
  const auto at = clock_.utc();
  const auto seen = clock_.now();
  for (auto& reading : readings_) {
    reading.at = at;
    reading.seen = seen;
  }
  sink_(readings_);
  std::vector<Reading>().swap(readings_);  // between polls they are memory for nothing, and there may be many buses
}

void Bus::Impl::report(std::size_t task, const Fault& fault, int attempt, int attempts, TimePoint asked) {
  if (trace_.watched()) trace_.note(WireEvent::Kind::Failed, driver_->describe(task) + ": " + fault.detail);
  record_.failed(task, fault, attempt, attempts, asked, clock_.now());
}

Bus::Bus(BusSettings settings, ReadingSink sink, Clock& clock)
    : Bus(std::move(settings), drivers::make_driver, std::move(sink), clock) {}

Bus::Bus(BusSettings settings, const DriverFactory& make_driver, ReadingSink sink, Clock& clock)
    : impl_(std::make_unique<Impl>(std::move(settings), make_driver, std::move(sink), clock)) {}

Bus::~Bus() = default;

void Bus::start() { impl_->start(); }
void Bus::request_stop() { impl_->request_stop(); }
void Bus::stop() { impl_->stop(); }
BusStatus Bus::status() const { return impl_->status(); }
TimePoint Bus::due() const { return impl_->due(); }
WireTrace& Bus::trace() { return impl_->trace(); }
bool Bus::submit(WriteRequest&& request) { return impl_->submit(std::move(request)); }
bool Bus::pass(PassRequest&& request) { return impl_->pass(std::move(request)); }
std::optional<std::vector<std::uint8_t>> Bus::recall(std::uint8_t unit, std::span<const std::uint8_t> request,
                                                     TimePoint since) const {
  return impl_->driver().recall(unit, request, since);
}

}  // namespace ferrule::drivers

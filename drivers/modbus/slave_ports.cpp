#include "drivers/modbus/slave_ports.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <queue>
#include <thread>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "drivers/modbus/inbox.hpp"
#include "drivers/modbus/request_framing.hpp"
#include "drivers/modbus/slave_sockets.hpp"

namespace ferrule::drivers::modbus {

namespace {

using std::chrono::milliseconds;

constexpr std::size_t kMaxPending = 10'000;  // answers that wait, of all ports
constexpr std::size_t kMaxInput = 1024;      // that waits to be looked at
constexpr milliseconds kSilence{50};         // on a line: what came before it is no part of what comes after
constexpr milliseconds kEchoLost{1000};      // our own bytes should have come back long ago
constexpr milliseconds kLookAround{500};     // at idle connections and lost lines
constexpr milliseconds kSignOfLife{5000};    // when nobody asks
constexpr std::chrono::seconds kReopen{1};
constexpr std::chrono::seconds kUnused{30};  // who has not asked for so long makes way for others

enum class Role : std::uint8_t { Listener, Connection, Line };

struct Source {
  Descriptor fd;
  Role role;
  std::size_t port;
  std::string peer;
  Descriptor other_end{};  // of a pty, kept open: else reading fails whenever the master has closed it
  std::vector<std::uint8_t> input{};
  TimePoint last_byte{};  // on a line, in either direction
  TimePoint asked{};      // or connected
  bool waits = false;     // for the answer to its request
  bool paused = false;    // not watched: it has sent enough for now
  bool skips = false;     // on a line: until there is silence
  std::size_t echo = 0;   // of what comes next, bytes that are our own
};

struct Pending {
  TimePoint due;
  std::uint64_t order;
  std::uint64_t asker;
  std::vector<std::uint8_t> bytes;

  bool operator<(const Pending& other) const { return std::tie(other.due, other.order) < std::tie(due, order); }
};

}  // namespace

class SlavePorts::Impl {
 public:
  Impl(std::string name, const Clock& clock, const Limits& limits, Handler handler)
      : name_(std::move(name)),
        clock_(clock),
        limits_(limits),
        handler_(std::move(handler)),
        epoll_(epoll_create1(EPOLL_CLOEXEC)),
        inbox_(std::make_shared<Inbox>()) {
    if (!epoll_ || !inbox_->bell) throw std::system_error(errno, std::generic_category(), name_);
    watch(inbox_->bell.get(), kBellId, EPOLL_CTL_ADD, EPOLLIN);
  }
  ~Impl() { stop(); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  tl::expected<std::uint16_t, std::error_code> listen(const std::string& address, std::uint16_t port, Admits admits);
  std::uint64_t add_line(Descriptor line, Descriptor other_end, std::string name);
  void add_line(std::unique_ptr<Port> line, bool echo);
  void start();
  void stop();
  SlavePortsStatus status() const {
    return {connections_, lines_closed_, accepted_, refused_,   displaced_,
            requests_,    answers_,      unsent_,   malformed_, due_.load(std::memory_order_relaxed)};
  }
  void answer(std::uint64_t asker, std::vector<std::uint8_t>&& bytes, TimePoint due);
  std::function<void(std::function<void()>)> poster() const {
    return [inbox = inbox_](std::function<void()> task) { inbox->post(std::move(task)); };
  }

 private:
  static constexpr std::uint64_t kBellId = 0;

  struct Place {  // a port that was added
    Role role;
    Admits admits{};
    std::unique_ptr<Port> line{};
    bool echo = false;
    std::uint64_t source = 0;  // of an open line
    TimePoint reopen_at{};
    bool told = false;  // that it is not open
    std::size_t connections = 0;
  };

  void watch(int fd, std::uint64_t id, int operation, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = id;
    epoll_ctl(epoll_.get(), operation, fd, &event);
  }
  std::uint64_t add_source(Source&& source) {
    const auto id = ++last_id_;
    watch(source.fd.get(), id, EPOLL_CTL_ADD, EPOLLIN);
    sources_.emplace(id, std::move(source));
    return id;
  }

  void run();
  void moves(std::chrono::steady_clock::time_point due) { due_.store(due, std::memory_order_relaxed); }
  milliseconds wait_time() const;
  void serve(std::uint64_t id);
  void accept(std::uint64_t id, Source& listener);
  bool make_room(std::size_t port);
  void close(std::uint64_t id);
  bool take_requests(std::uint64_t id, Source& source);
  std::optional<std::size_t> request_length(const Source& source, std::span<const std::uint8_t> bytes) const;
  void pause(std::uint64_t id, Source& source, bool paused);
  void end_by_silence(Source& source, std::chrono::nanoseconds silence);
  void send_due();
  void send(const Pending& pending);
  void look_around();
  void open_line(Place& place, std::size_t port);

  // Constant after start.
  const std::string name_;
  const Clock& clock_;
  const Limits limits_;
  const Handler handler_;

  // Owned by the ports' thread once it runs.
  const Descriptor epoll_;
  std::vector<Place> places_;
  std::unordered_map<std::uint64_t, Source> sources_;
  std::priority_queue<Pending> pending_;
  std::uint64_t last_id_ = kBellId;
  std::uint64_t last_order_ = 0;
  std::chrono::steady_clock::time_point looked_around_{};
  bool deaf_ = false;  // a listener waits for descriptors

  // Any thread.
  const std::shared_ptr<Inbox> inbox_;
  std::atomic<bool> stopping_ = false;
  std::atomic<std::size_t> connections_ = 0;
  std::atomic<std::size_t> lines_closed_ = 0;
  std::atomic<std::uint64_t> accepted_ = 0;
  std::atomic<std::uint64_t> refused_ = 0;
  std::atomic<std::uint64_t> displaced_ = 0;
  std::atomic<std::uint64_t> requests_ = 0;
  std::atomic<std::uint64_t> answers_ = 0;
  std::atomic<std::uint64_t> unsent_ = 0;
  std::atomic<std::uint64_t> malformed_ = 0;
  std::atomic<std::chrono::steady_clock::time_point> due_ = std::chrono::steady_clock::time_point::max();

  std::thread thread_;
};

tl::expected<std::uint16_t, std::error_code> SlavePorts::Impl::listen(const std::string& address, std::uint16_t port,
                                                                      Admits admits) {
  auto listener = listen_on(address, port);
  if (!listener) return tl::unexpected(listener.error());
  places_.push_back({.role = Role::Listener, .admits = std::move(admits)});
  add_source({std::move(listener->socket), Role::Listener, places_.size() - 1, address});
  return listener->port;
}

std::uint64_t SlavePorts::Impl::add_line(Descriptor line, Descriptor other_end, std::string name) {
  places_.push_back({.role = Role::Line});
  Source source{std::move(line), Role::Line, places_.size() - 1, std::move(name)};
  source.other_end = std::move(other_end);
  return add_source(std::move(source));
}

void SlavePorts::Impl::add_line(std::unique_ptr<Port> line, bool echo) {
  places_.push_back({.role = Role::Line, .line = std::move(line), .echo = echo});
  ++lines_closed_;
  open_line(places_.back(), places_.size() - 1);
}

void SlavePorts::Impl::open_line(Place& place, std::size_t port) {
  place.reopen_at = std::chrono::steady_clock::now() + kReopen;
  if (const auto opened = place.line->open(place.reopen_at); !opened) {
    if (!std::exchange(place.told, true)) spdlog::warn("{}: {}", name_, opened.error().detail);
    return;
  }
  if (std::exchange(place.told, false)) spdlog::info("{}: {} is open again", name_, place.line->name());
  --lines_closed_;
  Source source{Descriptor(::fcntl(place.line->descriptor(), F_DUPFD_CLOEXEC, 0)), Role::Line, port,
                place.line->name()};
  source.skips = limits_.silence.count() > 0;  // we may have come into the middle of something
  source.last_byte = clock_.now();
  place.source = add_source(std::move(source));
}

void SlavePorts::Impl::start() {
  // Signals are the main thread's.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void SlavePorts::Impl::stop() {
  stopping_ = true;
  inbox_->ring();
  if (thread_.joinable()) thread_.join();
  inbox_->close();
  sources_.clear();
  pending_ = {};
  for (auto& place : places_) {
    if (place.line && place.line->is_open()) place.line->close();
  }
}

void SlavePorts::Impl::run() {
  pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
  std::array<epoll_event, 64> events;
  while (!stopping_) {
    const auto wait = wait_time();
    moves(std::chrono::steady_clock::now() + wait);
    const int count = epoll_wait(epoll_.get(), events.data(), events.size(), static_cast<int>(wait.count()));
    moves(std::chrono::steady_clock::now());
    for (int i = 0; i < count; ++i) serve(events[static_cast<std::size_t>(i)].data.u64);
    for (const auto& task : inbox_->take()) task();
    send_due();
    look_around();
  }
  moves(std::chrono::steady_clock::time_point::max());
}

// At most kSilence at a time while answers wait, because `clock_` need not be real time.
milliseconds SlavePorts::Impl::wait_time() const {
  if (!pending_.empty()) {
    const auto left = std::chrono::ceil<milliseconds>(pending_.top().due - clock_.now());
    return std::clamp(left, milliseconds{0}, kSilence);
  }
  const bool watches = deaf_ || lines_closed_ > 0 || (limits_.idle.count() > 0 && connections_ > 0);
  return watches ? kLookAround : kSignOfLife;
}

void SlavePorts::Impl::serve(std::uint64_t id) {
  const auto found = sources_.find(id);
  if (found == sources_.end()) return;
  auto& source = found->second;
  if (source.role == Role::Listener) return accept(id, source);
  std::array<std::uint8_t, kMaxInput> bytes;
  const auto length = ::read(source.fd.get(), bytes.data(), bytes.size());
  if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (length <= 0) return close(id);
  std::span<const std::uint8_t> got(bytes.data(), static_cast<std::size_t>(length));
  const auto now = clock_.now();
  if (source.role == Role::Line) end_by_silence(source, now - source.last_byte);
  source.last_byte = now;
  const auto own = std::min(source.echo, got.size());
  source.echo -= own;
  got = got.subspan(own);
  if (got.empty() || source.skips) return;
  source.input.insert(source.input.end(), got.begin(), got.end());
  if (!take_requests(id, source)) close(id);
}

/// What was not complete before it never will be.
void SlavePorts::Impl::end_by_silence(Source& source, std::chrono::nanoseconds silence) {
  if (silence >= limits_.silence) {
    source.skips = false;
    const bool unknown = !source.input.empty() && !rtu_request_length(source.input);
    if (unknown) {
      ++malformed_;
      source.input.clear();
    }
  }
  if (silence > kSilence) source.input.clear();
  if (silence > kEchoLost) source.echo = 0;
}

/// Who has not asked for the longest goes, for a master that was switched off never says goodbye.
bool SlavePorts::Impl::make_room(std::size_t port) {
  auto oldest = sources_.end();
  for (auto it = sources_.begin(); it != sources_.end(); ++it) {
    const auto& source = it->second;
    if (source.role != Role::Connection || source.port != port || source.waits) continue;
    if (oldest == sources_.end() || source.asked < oldest->second.asked) oldest = it;
  }
  if (oldest == sources_.end() || clock_.now() - oldest->second.asked < kUnused) return false;
  ++displaced_;
  close(oldest->first);
  return true;
}

void SlavePorts::Impl::accept(std::uint64_t id, Source& listener) {
  auto& place = places_[listener.port];
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  Descriptor peer(
      accept4(listener.fd.get(), reinterpret_cast<sockaddr*>(&address), &size, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!peer) {
    deaf_ = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
    return pause(id, listener, deaf_);
  }
  const bool admitted = !place.admits || place.admits(address);
  if (!admitted || (place.connections >= limits_.connections && !make_room(listener.port))) {
    ++refused_;
    return;
  }
  ++place.connections;
  ++connections_;
  ++accepted_;
  Source source{as_connection(std::move(peer)), Role::Connection, listener.port, address_text(address)};
  source.asked = clock_.now();
  add_source(std::move(source));
}

void SlavePorts::Impl::close(std::uint64_t id) {
  const auto found = sources_.find(id);
  if (found == sources_.end()) return;
  auto& place = places_[found->second.port];
  if (found->second.role == Role::Connection) {
    --place.connections;
    --connections_;
  }
  sources_.erase(found);
  if (place.line && place.source == id) {
    place.line->close();
    place.source = 0;
    place.reopen_at = std::chrono::steady_clock::now() + kReopen;
    place.told = true;
    spdlog::warn("{}: {} was lost", name_, place.line->name());
    ++lines_closed_;
  }
}

std::optional<std::size_t> SlavePorts::Impl::request_length(const Source& source,
                                                            std::span<const std::uint8_t> bytes) const {
  if (source.role == Role::Connection) return tcp_request_length(bytes);
  const auto length = rtu_request_length(bytes);
  return length || limits_.silence.count() == 0 ? length : rtu_length_by_checksum(bytes);
}

/// Hands over every complete request; false when the peer does not speak Modbus.
bool SlavePorts::Impl::take_requests(std::uint64_t id, Source& source) {
  std::span<const std::uint8_t> rest(source.input);
  const auto skip = [&](bool malformed) {
    if (malformed) ++malformed_;
    source.input.clear();
    source.waits = false;
    source.skips = limits_.silence.count() > 0;
    return source.role == Role::Line;
  };
  while (!source.waits) {
    const auto length = request_length(source, rest);
    if (!length || *length > kMaxRequest) return skip(true);
    if (*length == 0 || rest.size() < *length) break;
    source.waits = limits_.one_at_a_time;
    source.asked = clock_.now();
    ++requests_;  // before it can be answered, so that nobody knows of more requests than we do
    const auto heard = handler_({source.port, id, source.peer, rest.first(*length)});
    if (heard != Heard::Ours) {
      --requests_;
      return skip(heard == Heard::Damaged);
    }
    rest = rest.subspan(*length);
  }
  source.input.erase(source.input.begin(), source.input.end() - std::ssize(rest));
  pause(id, source, source.waits && source.input.size() >= kMaxInput);
  return true;
}

void SlavePorts::Impl::pause(std::uint64_t id, Source& source, bool paused) {
  if (std::exchange(source.paused, paused) == paused) return;
  watch(source.fd.get(), id, EPOLL_CTL_MOD, paused ? 0U : static_cast<std::uint32_t>(EPOLLIN));
}

void SlavePorts::Impl::answer(std::uint64_t asker, std::vector<std::uint8_t>&& bytes, TimePoint due) {
  const auto found = sources_.find(asker);
  if (found == sources_.end()) return;  // it has gone
  if (pending_.size() >= kMaxPending) {
    ++unsent_;
    return;
  }
  pending_.push({due, ++last_order_, asker, std::move(bytes)});
}

void SlavePorts::Impl::send_due() {
  while (!pending_.empty() && pending_.top().due <= clock_.now()) {
    const auto next = pending_.top();
    pending_.pop();
    if (!next.bytes.empty()) send(next);
    const auto found = sources_.find(next.asker);
    if (found == sources_.end() || !std::exchange(found->second.waits, false)) continue;
    if (!take_requests(next.asker, found->second)) close(next.asker);
  }
}

/// Who does not read loses the answer: on a connection with the connection, on a line as on a wire.
void SlavePorts::Impl::send(const Pending& pending) {
  const auto found = sources_.find(pending.asker);
  if (found == sources_.end()) return;
  auto& source = found->second;
  auto& place = places_[source.port];
  const auto& bytes = pending.bytes;
  const bool connection = source.role == Role::Connection;
  source.last_byte = clock_.now();  // our own echo is no silence
  ++answers_;                       // before the peer can have it, so that it never knows of more answers than we do
  if (place.echo) source.echo = bytes.size();
  if (place.line) place.line->begin_send();
  const auto sent = connection ? ::send(source.fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT)
                               : ::write(source.fd.get(), bytes.data(), bytes.size());
  if (place.line) place.line->end_send();
  if (sent == std::ssize(bytes)) return;
  --answers_;
  ++unsent_;
  if (connection) close(pending.asker);
}

/// Closes who has not asked for long, and opens lines that were lost.
void SlavePorts::Impl::look_around() {
  const auto now = std::chrono::steady_clock::now();
  if (now - looked_around_ < kLookAround) return;
  looked_around_ = now;
  for (std::size_t port = 0; port < places_.size(); ++port) {
    auto& place = places_[port];
    if (place.line && place.source == 0 && now >= place.reopen_at) open_line(place, port);
  }
  if (std::exchange(deaf_, false)) {
    for (auto& [id, source] : sources_) {
      if (source.role == Role::Listener) pause(id, source, false);
    }
  }
  if (limits_.idle.count() == 0) return;
  std::vector<std::uint64_t> idle;
  for (const auto& [id, source] : sources_) {
    const bool silent = clock_.now() - source.asked >= limits_.idle;
    if (source.role == Role::Connection && !source.waits && silent) idle.push_back(id);
  }
  for (const auto id : idle) close(id);
}

SlavePorts::SlavePorts(std::string name, const Clock& clock, const Limits& limits, Handler handler)
    : impl_(std::make_unique<Impl>(std::move(name), clock, limits, std::move(handler))) {}
SlavePorts::~SlavePorts() = default;

tl::expected<std::uint16_t, std::error_code> SlavePorts::listen(const std::string& address, std::uint16_t port,
                                                                Admits admits) {
  return impl_->listen(address, port, std::move(admits));
}
void SlavePorts::add_line(Descriptor line, Descriptor other_end, std::string name) {
  impl_->add_line(std::move(line), std::move(other_end), std::move(name));
}
void SlavePorts::add_line(std::unique_ptr<Port> line, bool echo) { impl_->add_line(std::move(line), echo); }
void SlavePorts::start() { impl_->start(); }
void SlavePorts::stop() { impl_->stop(); }
SlavePortsStatus SlavePorts::status() const { return impl_->status(); }
void SlavePorts::answer(std::uint64_t asker, std::vector<std::uint8_t>&& bytes, TimePoint due) {
  impl_->answer(asker, std::move(bytes), due);
}
std::function<void(std::function<void()>)> SlavePorts::poster() const { return impl_->poster(); }

}  // namespace ferrule::drivers::modbus

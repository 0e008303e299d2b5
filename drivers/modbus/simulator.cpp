#include "drivers/modbus/simulator.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <optional>
#include <queue>
#include <thread>
#include <tuple>
#include <unordered_map>
#include <utility>

namespace ferrule::drivers::modbus {

namespace {

using std::chrono::milliseconds;
using TimePoint = std::chrono::steady_clock::time_point;

constexpr std::size_t kMaxConnections = 64;  // per port
constexpr std::size_t kMaxPending = 10'000;  // delayed answers of all ports
constexpr std::size_t kMaxFrame = 260;       // MODBUS_TCP_MAX_ADU_LENGTH
constexpr milliseconds kSilence{50};         // on a line: what came before it is no part of what comes after

std::error_code last_error() { return {errno, std::generic_category()}; }

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

// How many bytes the first request in `bytes` has; 0 when that is not known yet, nothing when it is no request.
std::optional<std::size_t> tcp_length(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < 6) return 0;
  const std::size_t length = std::size_t{bytes[4]} << 8 | bytes[5];
  const bool modbus = bytes[2] == 0 && bytes[3] == 0 && length >= 2 && length + 6 <= kMaxFrame;
  if (!modbus) return std::nullopt;
  return length + 6;
}

// A serial frame has no length field: the function code tells it (Modbus AP v1.1b3 6).
std::optional<std::size_t> rtu_length(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < 2) return 0;
  const auto counted = [&](std::size_t at) -> std::size_t { return bytes.size() <= at ? 0 : at + 1 + bytes[at] + 2; };
  switch (bytes[1]) {
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
    case 6:
    case 8:
      return 8;
    case 7:
    case 17:
      return 4;
    case 15:
    case 16:
      return counted(6);
    case 22:
      return 10;
    case 23:
      return counted(10);
    default:
      return std::nullopt;
  }
}

struct Endpoint {
  Framing framing;
  SlaveGroup slaves;
  std::chrono::microseconds per_byte{0};  // time on the wire
  std::size_t connections = 0;
};

enum class Role : std::uint8_t { Listener, Connection, Line };

struct Source {
  Descriptor fd;
  Role role;
  std::size_t endpoint;
  Descriptor other_end;  // of a pty, kept open: else reading fails whenever the master has closed it
  std::vector<std::uint8_t> input;
  TimePoint last_byte;
};

struct Pending {
  TimePoint due;
  std::uint64_t order;
  std::uint64_t source;
  std::vector<std::uint8_t> bytes;

  bool operator<(const Pending& other) const { return std::tie(other.due, other.order) < std::tie(due, order); }
};

}  // namespace

class Simulator::Impl {
 public:
  Impl(std::uint64_t seed, const Clock& clock)
      : clock_(clock),
        seeds_(seed),
        tcp_(Framing::Tcp),
        rtu_(Framing::Rtu),
        epoll_(epoll_create1(EPOLL_CLOEXEC)),
        wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!epoll_ || !wake_) throw std::system_error(last_error(), "simulator");
    watch(wake_.get(), kWakeId);
  }

  ~Impl() { stop(); }

  tl::expected<std::uint16_t, std::error_code> add_tcp(std::uint16_t port, const std::vector<SimulatedSlave>& slaves) {
    Descriptor listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!listener) return tl::unexpected(last_error());
    const int on = 1;
    setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (bind(listener.get(), generic, size) != 0 || listen(listener.get(), 16) != 0 ||
        getsockname(listener.get(), generic, &size) != 0) {
      return tl::unexpected(last_error());
    }
    endpoints_.push_back({Framing::Tcp, SlaveGroup(Framing::Tcp, slaves, seeds_.next())});
    add_source(std::move(listener), Role::Listener, endpoints_.size() - 1);
    return ntohs(address.sin_port);
  }

  tl::expected<std::string, std::error_code> add_rtu(const LineSettings& line,
                                                     const std::vector<SimulatedSlave>& slaves) {
    Descriptor master(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
    std::array<char, 128> path{};
    if (!master || grantpt(master.get()) != 0 || unlockpt(master.get()) != 0 ||
        ptsname_r(master.get(), path.data(), path.size()) != 0) {
      return tl::unexpected(last_error());
    }
    Descriptor other_end(open(path.data(), O_RDWR | O_NOCTTY | O_CLOEXEC));
    termios mode{};
    if (!other_end || tcgetattr(other_end.get(), &mode) != 0) return tl::unexpected(last_error());
    cfmakeraw(&mode);
    if (tcsetattr(other_end.get(), TCSANOW, &mode) != 0) return tl::unexpected(last_error());
    const int bits = 1 + line.data_bits + (line.parity == Parity::None ? 0 : 1) + line.stop_bits;
    const std::chrono::microseconds per_byte(1'000'000LL * bits / std::max(1, line.baud));
    endpoints_.push_back({Framing::Rtu, SlaveGroup(Framing::Rtu, slaves, seeds_.next()), per_byte});
    add_source(std::move(master), Role::Line, endpoints_.size() - 1).other_end = std::move(other_end);
    return std::string(path.data());
  }

  void start() {
    started_ = clock_.now();
    thread_ = std::thread([this] { run(); });
  }

  void stop() {
    stopping_ = true;
    const std::uint64_t one = 1;
    if (write(wake_.get(), &one, sizeof one) < 0) return;  // cannot fail: nobody else adds to it
    if (thread_.joinable()) thread_.join();
    sources_.clear();
    pending_ = {};
  }

  SimulatorStatus status() const { return {requests_, answers_, faults_, unsent_, malformed_}; }

 private:
  static constexpr std::uint64_t kWakeId = 0;

  bool watch(int fd, std::uint64_t id) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = id;
    return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
  }

  Source& add_source(Descriptor fd, Role role, std::size_t endpoint) {
    const auto id = ++last_id_;
    watch(fd.get(), id);
    return sources_.emplace(id, Source{std::move(fd), role, endpoint, Descriptor(), {}, {}}).first->second;
  }

  void run() {
    std::array<epoll_event, 64> events;
    while (!stopping_) {
      const int count = epoll_wait(epoll_.get(), events.data(), events.size(), wait_time());
      for (int i = 0; i < count; ++i) serve(events[static_cast<std::size_t>(i)].data.u64);
      send_due();
    }
  }

  // At most kSilence at a time, because `clock_` need not be real time.
  int wait_time() const {
    if (pending_.empty()) return -1;
    const auto left = std::chrono::ceil<milliseconds>(pending_.top().due - clock_.now());
    return static_cast<int>(std::clamp(left, milliseconds{0}, kSilence).count());
  }

  void serve(std::uint64_t id) {
    const auto found = sources_.find(id);
    if (found == sources_.end()) return;
    auto& source = found->second;
    if (source.role == Role::Listener) return accept(source);
    std::array<std::uint8_t, 4096> bytes;
    const auto length = read(source.fd.get(), bytes.data(), bytes.size());
    if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (length <= 0) return close(id);
    const auto now = clock_.now();
    if (source.role == Role::Line && now - source.last_byte > kSilence) source.input.clear();
    source.last_byte = now;
    source.input.insert(source.input.end(), bytes.begin(), bytes.begin() + length);
    if (!take_requests(id, source)) close(id);
  }

  void accept(const Source& listener) {
    auto& endpoint = endpoints_[listener.endpoint];
    Descriptor peer(accept4(listener.fd.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!peer || endpoint.connections >= kMaxConnections) return;
    const int on = 1;
    setsockopt(peer.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ++endpoint.connections;
    add_source(std::move(peer), Role::Connection, listener.endpoint);
  }

  void close(std::uint64_t id) {
    const auto found = sources_.find(id);
    if (found == sources_.end()) return;
    if (found->second.role == Role::Connection) --endpoints_[found->second.endpoint].connections;
    sources_.erase(found);
  }

  // Answers every complete request; false when the peer does not speak Modbus.
  bool take_requests(std::uint64_t id, Source& source) {
    const bool tcp = endpoints_[source.endpoint].framing == Framing::Tcp;
    std::span<const std::uint8_t> rest(source.input);
    while (true) {
      const auto length = tcp ? tcp_length(rest) : rtu_length(rest);
      if (!length || *length > kMaxFrame) {
        ++malformed_;
        source.input.clear();
        return !tcp;
      }
      if (*length == 0 || rest.size() < *length) break;
      answer(id, source, rest.first(*length));
      rest = rest.subspan(*length);
    }
    source.input.erase(source.input.begin(), source.input.end() - std::ssize(rest));
    return true;
  }

  void answer(std::uint64_t id, const Source& source, std::span<const std::uint8_t> request) {
    auto& endpoint = endpoints_[source.endpoint];
    const auto now = clock_.now();
    const auto elapsed = std::chrono::floor<milliseconds>(now - started_);
    ++requests_;
    auto reply = endpoint.slaves.answer(request, elapsed, endpoint.framing == Framing::Tcp ? tcp_ : rtu_);
    if (reply.faulty) ++faults_;
    if (reply.bytes.empty()) return;
    if (pending_.size() >= kMaxPending) {
      ++unsent_;
      return;
    }
    const auto on_wire = endpoint.per_byte * static_cast<std::int64_t>(request.size() + reply.bytes.size());
    pending_.push({now + reply.delay + on_wire, ++last_order_, id, std::move(reply.bytes)});
  }

  void send_due() {
    const auto now = clock_.now();
    while (!pending_.empty() && pending_.top().due <= now) {
      send(pending_.top());
      pending_.pop();
    }
  }

  // Who does not read loses the answer: on a connection with the connection, on a line as on a wire.
  void send(const Pending& pending) {
    const auto found = sources_.find(pending.source);
    if (found == sources_.end()) return;
    const auto& source = found->second;
    const auto& bytes = pending.bytes;
    const bool connection = source.role == Role::Connection;
    ++answers_;  // before the peer can have it, so that it never knows of more answers than we do
    const auto sent = connection ? ::send(source.fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT)
                                 : ::write(source.fd.get(), bytes.data(), bytes.size());
    if (sent == std::ssize(bytes)) return;
    --answers_;
    ++unsent_;
    if (connection) close(pending.source);
  }

  // Constant after start.
  const Clock& clock_;
  Random seeds_;
  TimePoint started_;

  // Owned by the simulator's thread once it runs.
  Responder tcp_;
  Responder rtu_;
  Descriptor epoll_;
  std::vector<Endpoint> endpoints_;
  std::unordered_map<std::uint64_t, Source> sources_;
  std::priority_queue<Pending> pending_;
  std::uint64_t last_id_ = kWakeId;
  std::uint64_t last_order_ = 0;

  // Any thread.
  Descriptor wake_;
  std::atomic<bool> stopping_ = false;
  std::atomic<std::uint64_t> requests_ = 0;
  std::atomic<std::uint64_t> answers_ = 0;
  std::atomic<std::uint64_t> faults_ = 0;
  std::atomic<std::uint64_t> unsent_ = 0;
  std::atomic<std::uint64_t> malformed_ = 0;

  std::thread thread_;
};

Simulator::Simulator(std::uint64_t seed, const Clock& clock) : impl_(std::make_unique<Impl>(seed, clock)) {}
Simulator::~Simulator() = default;

tl::expected<std::uint16_t, std::error_code> Simulator::add_tcp(std::uint16_t port,
                                                                const std::vector<SimulatedSlave>& slaves) {
  return impl_->add_tcp(port, slaves);
}

tl::expected<std::string, std::error_code> Simulator::add_rtu(const LineSettings& line,
                                                              const std::vector<SimulatedSlave>& slaves) {
  return impl_->add_rtu(line, slaves);
}

void Simulator::start() { impl_->start(); }
void Simulator::stop() { impl_->stop(); }
SimulatorStatus Simulator::status() const { return impl_->status(); }

}  // namespace ferrule::drivers::modbus

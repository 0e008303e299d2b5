#include "mqtt/listener.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "mqtt/tcp_transport.hpp"

namespace ferrule::mqtt {
namespace asio = boost::asio;

namespace {

constexpr int kBacklog = 4096;        // the kernel lowers it to net.core.somaxconn
constexpr int kAcceptsPerTurn = 128;  // so that a flood of connections leaves time for those that are there
constexpr std::chrono::milliseconds kAcceptPause{100};
constexpr std::chrono::seconds kAcceptLogInterval{10};

std::string plain_name(const ListenSettings& settings) {
  const bool v6 = settings.bind.find(':') != std::string::npos;
  return fmt::format(fmt::runtime(v6 ? "[{}]:{}" : "{}:{}"), settings.bind, settings.port);
}

[[noreturn]] void refuse(const ListenSettings& settings, const std::string& message) {
  throw config::Error(settings.where, "broker.listen", message, EX_UNAVAILABLE);
}

[[noreturn]] void refuse_bind(const ListenSettings& settings, int error) {
  const auto name = plain_name(settings);
  switch (error) {
    case EADDRINUSE:
      refuse(settings, fmt::format("{} is in use by another program", name));
    case EADDRNOTAVAIL:
      refuse(settings, fmt::format("{}: this machine has no address {}", name, settings.bind));
    case EACCES:
      refuse(settings, fmt::format("{}: permission denied; ports below 1024 need CAP_NET_BIND_SERVICE", name));
    default:
      refuse(settings, fmt::format("cannot listen on {}: {}", name, std::strerror(error)));
  }
}

struct Resolved {
  sockaddr_storage address{};
  socklen_t size = 0;
};

Resolved resolve(const ListenSettings& settings) {
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(settings.bind.c_str(), std::to_string(settings.port).c_str(), &hints, &found);
  if (error != 0) refuse(settings, fmt::format("cannot listen on {}: {}", plain_name(settings), ::gai_strerror(error)));
  Resolved resolved;
  resolved.size = found->ai_addrlen;
  std::memcpy(&resolved.address, found->ai_addr, found->ai_addrlen);
  ::freeaddrinfo(found);
  return resolved;
}

/// Owns a descriptor until something else takes it over.
class Descriptor {
 public:
  explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
  ~Descriptor() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return descriptor_; }
  int release() { return std::exchange(descriptor_, -1); }

 private:
  int descriptor_;
};

int open_listening(const ListenSettings& settings) {
  const Resolved resolved = resolve(settings);
  Descriptor descriptor(::socket(resolved.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (descriptor.get() < 0) refuse_bind(settings, errno);
  const int on = 1;
  ::setsockopt(descriptor.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  // "::" means IPv6 only: whoever wants both lists both, and gets a port in use reported for each.
  if (resolved.address.ss_family == AF_INET6) ::setsockopt(descriptor.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  sockaddr_storage address = resolved.address;
  if (::bind(descriptor.get(), reinterpret_cast<sockaddr*>(&address), resolved.size) != 0) refuse_bind(settings, errno);
  if (::listen(descriptor.get(), kBacklog) != 0) refuse_bind(settings, errno);
  return descriptor.release();
}

/// libmodbus selects on descriptors below FD_SETSIZE: leave those to the buses. Where the limit on open files forbids a
/// higher one, the connection keeps what it has.
int move_up(int descriptor) {
  const int moved = ::fcntl(descriptor, F_DUPFD_CLOEXEC, FD_SETSIZE);
  if (moved < 0) return descriptor;
  ::close(descriptor);
  return moved;
}

}  // namespace

class Listener::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(Loop& loop, const ListenSettings& settings, std::size_t index, Accept accept)
      : loop_(loop),
        index_(index),
        acceptor_(loop.native(), open_listening(settings)),
        pause_(loop.native()),
        accept_(std::move(accept)) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    ::getsockname(acceptor_.native_handle(), reinterpret_cast<sockaddr*>(&address), &size);
    name_ = address_text(address);
    port_ = ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                                                : reinterpret_cast<const sockaddr_in&>(address).sin_port);
  }

  void wait() {
    acceptor_.async_wait(asio::posix::descriptor_base::wait_read,
                         [self = shared_from_this()](boost::system::error_code error) {
                           if (error || self->closed_) return;
                           self->accept_some();
                         });
  }

  void close() {
    closed_ = true;
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    pause_.cancel();
  }

  std::uint16_t port() const { return port_; }
  const std::string& name() const { return name_; }
  std::uint64_t failed_accepts() const { return failed_accepts_; }

 private:
  void accept_some() {
    for (int i = 0; i < kAcceptsPerTurn && !closed_; ++i) {
      sockaddr_storage peer{};
      socklen_t size = sizeof peer;
      const int descriptor =
          ::accept4(acceptor_.native_handle(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (descriptor < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK) break;
        if (errno == EINTR || errno == ECONNABORTED) continue;
        return pause_after(errno);
      }
      accept_(std::make_unique<TcpTransport>(loop_, move_up(descriptor), peer, index_));
    }
    if (!closed_) wait();
  }

  /// Out of descriptors or memory: the connection stays in the backlog, and trying again at once would only burn CPU.
  void pause_after(int error) {
    ++failed_accepts_;
    const auto now = std::chrono::steady_clock::now();
    if (now >= next_log_) {
      spdlog::warn("broker: {} cannot accept connections: {} ({} times so far); trying on", name_, std::strerror(error),
                   failed_accepts_);
      next_log_ = now + kAcceptLogInterval;
    }
    pause_.expires_after(kAcceptPause);
    pause_.async_wait([self = shared_from_this()](boost::system::error_code cancelled) {
      if (!cancelled && !self->closed_) self->wait();
    });
  }

  Loop& loop_;
  const std::size_t index_;
  asio::posix::stream_descriptor acceptor_;
  asio::steady_timer pause_;
  Accept accept_;
  std::string name_;
  std::uint16_t port_ = 0;
  bool closed_ = false;
  std::uint64_t failed_accepts_ = 0;
  std::chrono::steady_clock::time_point next_log_{};
};

Listener::Listener(Loop& loop, const ListenSettings& settings, std::size_t index, Accept accept)
    : impl_(std::make_shared<Impl>(loop, settings, index, std::move(accept))) {
  impl_->wait();
}

Listener::~Listener() { impl_->close(); }

std::uint16_t Listener::port() const { return impl_->port(); }
const std::string& Listener::name() const { return impl_->name(); }
std::uint64_t Listener::failed_accepts() const { return impl_->failed_accepts(); }

}  // namespace ferrule::mqtt

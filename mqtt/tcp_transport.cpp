#include "mqtt/tcp_transport.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

namespace ferrule::mqtt {
namespace asio = boost::asio;
using asio::posix::descriptor_base;

namespace {

constexpr std::chrono::seconds kLinger{1};
constexpr std::size_t kLingerBytes = 1 << 20;

/// With the loop's own executor instead of a type-erased one: 150 bytes less per connection, and no virtual calls per
/// wait.
using Executor = asio::io_context::executor_type;
using Descriptor = asio::posix::basic_stream_descriptor<Executor>;
using Timer =
    asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>;

/// The part of an address that we keep per connection: 28 bytes instead of sockaddr_storage's 128.
union Address {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

Address shorten(const sockaddr_storage& storage) {
  Address address{};
  std::memcpy(&address, &storage, sizeof address);
  return address;
}

std::string host_of(const Address& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.any.sa_family == AF_INET) inet_ntop(AF_INET, &address.v4.sin_addr, text.data(), text.size());
  if (address.any.sa_family == AF_INET6) inet_ntop(AF_INET6, &address.v6.sin6_addr, text.data(), text.size());
  return text.data();
}

std::string text_of(const Address& address) {
  if (address.any.sa_family == AF_INET) return fmt::format("{}:{}", host_of(address), ntohs(address.v4.sin_port));
  if (address.any.sa_family == AF_INET6) return fmt::format("[{}]:{}", host_of(address), ntohs(address.v6.sin6_port));
  return "local";
}

bool would_block(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

}  // namespace

/// What a connection and its pending handlers share. Handlers pass their reference on, from one wait to the next.
class TcpTransport::Socket {
 public:
  using Ref = std::shared_ptr<Socket>;

  Socket(Loop& loop, int descriptor, const sockaddr_storage& peer, std::size_t listener)
      : loop_(loop), descriptor_(loop.native().get_executor(), descriptor), peer_(shorten(peer)), listener_(listener) {
    const int on = 1;
    // Without it Nagle's algorithm and delayed acknowledgements make QoS 1 wait 40 ms. Fails on sockets that are not
    // TCP.
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    // A client may have no MQTT keep-alive; the kernel then finds out that its machine is gone.
    const int idle = 120;  // seconds
    ::setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
  }

  void start(Ref self, Sink& sink) {
    sink_ = &sink;
    wait_readable(std::move(self));
  }

  std::size_t write(const Ref& self, std::span<const iovec> buffers) {
    if (state_ != State::Open || buffers.empty()) return 0;
    std::size_t wanted = 0;
    for (const iovec& buffer : buffers) wanted += buffer.iov_len;
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(buffers.data());  // sendmsg only reads them
    message.msg_iovlen = std::min<std::size_t>(buffers.size(), IOV_MAX);
    const ssize_t n = ::sendmsg(descriptor_.native_handle(), &message, MSG_NOSIGNAL);
    if (n < 0 && !would_block(errno)) {
      const int error = errno;
      asio::post(loop_.native(), [self, error] { self->end(std::strerror(error)); });
      return 0;
    }
    const auto sent = n < 0 ? 0 : static_cast<std::size_t>(n);
    if (sent < wanted) wait_writable(self);
    return sent;
  }

  void pause(const Ref& self, bool pause) {
    paused_ = pause;
    if (!paused_ && state_ == State::Open && sink_ != nullptr) wait_readable(self);
  }

  void close(const Ref& self) {
    if (state_ != State::Open) return;
    state_ = State::Lingering;
    ::shutdown(descriptor_.native_handle(), SHUT_WR);
    deadline_ = std::make_unique<Timer>(loop_.native().get_executor(), kLinger);
    deadline_->async_wait([self](boost::system::error_code error) {
      if (!error) self->end("closed");
    });
    wait_readable(self);
  }

  /// The Transport is gone: nothing reaches the sink any more.
  void abandon() {
    sink_ = nullptr;
    end("");
  }

  std::string peer() const { return text_of(peer_); }
  PeerIdentity identity() const {
    PeerIdentity identity;
    identity.address = host_of(peer_);
    identity.listener = listener_;
    return identity;
  }

 private:
  enum class State : std::uint8_t { Open, Lingering, Closed };

  void wait_readable(Ref self) {
    if (std::exchange(reading_, true)) return;
    auto on_readable = [self = std::move(self)](boost::system::error_code error) mutable {
      self->reading_ = false;
      if (error || self->state_ == State::Closed) return;
      Socket& socket = *self;  // outlives the call even when the sink destroys the Transport: `self` is passed on last
      socket.read(std::move(self));
    };
    descriptor_.async_wait(descriptor_base::wait_read, std::move(on_readable));
  }

  void wait_writable(Ref self) {
    if (std::exchange(writing_, true)) return;
    auto on_writable = [self = std::move(self)](boost::system::error_code error) {
      self->writing_ = false;
      if (!error && self->state_ == State::Open && self->sink_ != nullptr) self->sink_->on_writable();
    };
    descriptor_.async_wait(descriptor_base::wait_write, std::move(on_writable));
  }

  /// One read per turn keeps connections fair; the wait that follows reports what is left at once.
  void read(Ref self) {
    if (paused_ && state_ == State::Open) return;
    const auto buffer = loop_.read_buffer();
    const ssize_t n = ::recv(descriptor_.native_handle(), buffer.data(), buffer.size(), 0);
    if (n == 0) return end("closed by the peer");
    if (n < 0 && !would_block(errno)) return end(std::strerror(errno));
    if (n > 0) {
      if (state_ == State::Lingering) {
        discarded_ += static_cast<std::size_t>(n);
        if (discarded_ > kLingerBytes) return end("closed");
      } else if (sink_ != nullptr) {
        sink_->on_data({buffer.data(), static_cast<std::size_t>(n)});
      }
    }
    if (state_ == State::Closed || (paused_ && state_ == State::Open)) return;
    wait_readable(std::move(self));
  }

  void end(std::string_view cause) {
    if (state_ == State::Closed) return;
    state_ = State::Closed;
    deadline_.reset();
    boost::system::error_code ignored;
    descriptor_.close(ignored);
    if (Sink* sink = std::exchange(sink_, nullptr)) sink->on_closed(cause);
  }

  Loop& loop_;
  Descriptor descriptor_;
  Sink* sink_ = nullptr;
  std::unique_ptr<Timer> deadline_;  // only while lingering
  std::size_t discarded_ = 0;
  Address peer_;
  State state_ = State::Open;
  bool reading_ = false, writing_ = false;  // a wait is under way
  bool paused_ = false;
  const std::size_t listener_;
};

TcpTransport::TcpTransport(Loop& loop, int descriptor, const sockaddr_storage& peer, std::size_t listener)
    : socket_(std::make_shared<Socket>(loop, descriptor, peer, listener)) {}

TcpTransport::~TcpTransport() { socket_->abandon(); }

void TcpTransport::start(Sink& sink) { socket_->start(socket_, sink); }

std::size_t TcpTransport::write(std::span<const iovec> buffers) { return socket_->write(socket_, buffers); }

void TcpTransport::pause_reading(bool pause) { socket_->pause(socket_, pause); }

void TcpTransport::close() { socket_->close(socket_); }

std::string TcpTransport::peer() const { return socket_->peer(); }

PeerIdentity TcpTransport::identity() const { return socket_->identity(); }

std::string address_text(const sockaddr_storage& address) { return text_of(shorten(address)); }

}  // namespace ferrule::mqtt

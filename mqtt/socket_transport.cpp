#include "mqtt/socket_transport.hpp"

#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

namespace ferrule::mqtt {

namespace {

constexpr std::chrono::seconds kLinger{1};
constexpr std::size_t kLingerBytes = 1 << 20;

bool would_block(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

std::size_t total_of(std::span<const iovec> buffers) {
  std::size_t total = 0;
  for (const iovec& buffer : buffers) total += buffer.iov_len;
  return total;
}

void set_options(int descriptor) {
  const int on = 1;
  // Without it Nagle's algorithm and delayed acknowledgements make QoS 1 wait 40 ms. Fails on sockets that are not TCP.
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  // A client may have no MQTT keep-alive; the kernel then finds out that its machine is gone.
  const int idle = 120;  // seconds
  ::setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
}

ssize_t send_all(int descriptor, std::span<const iovec> buffers) {
  if (buffers.size() == 1) return ::send(descriptor, buffers[0].iov_base, buffers[0].iov_len, MSG_NOSIGNAL);
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(buffers.data());  // sendmsg only reads them
  message.msg_iovlen = std::min<std::size_t>(buffers.size(), IOV_MAX);
  return ::sendmsg(descriptor, &message, MSG_NOSIGNAL);
}

std::optional<PeerProcess> process_behind(int descriptor) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return std::nullopt;
  return PeerProcess{credentials.uid, credentials.gid, credentials.pid};
}

}  // namespace

SocketTransport::SocketTransport(Loop& loop, int descriptor, const Address& peer, std::shared_ptr<ListenPoint> point)
    : loop_(loop), point_(std::move(point)), peer_(peer), descriptor_(descriptor) {
  ++point_->open;
  if (peer_.is_internet()) set_options(descriptor_);
  if (!point_->settings.proxies.empty()) {
    proxied_ = std::make_unique<Proxied>(Proxied{peer_, ProxyHeader()});
    state_ = State::AwaitsProxyHeader;
  } else if (point_->tls != nullptr) {
    state_ = State::ShakesHands;
  }
}

SocketTransport::~SocketTransport() {
  sink_ = nullptr;
  end("");
  --point_->open;
}

void SocketTransport::start(Sink& sink) {
  sink_ = &sink;
  watched_ = EPOLLIN;
  if (loop_.poller().add(descriptor_, watched_, *this)) return;
  write_error_ = errno;
  loop_.poller().call_soon(*this, EPOLLERR);
}

void SocketTransport::watch(std::uint32_t events) {
  if (events != std::exchange(watched_, events)) loop_.poller().change(descriptor_, events, *this);
}

void SocketTransport::on_ready(std::uint32_t events) {
  const bool hung_up = (events & (EPOLLERR | EPOLLHUP)) != 0;
  switch (state_) {
    case State::AwaitsProxyHeader:
      return read_proxy_header();
    case State::ShakesHands:
      return shake_hands();
    case State::Open:
      if ((events & EPOLLOUT) != 0) {
        watch(watched_ & ~std::uint32_t{EPOLLOUT});
        sink_->on_writable();
      }
      // OpenSSL may have waited for room to answer what it read.
      if (state_ == State::Open && ((events & EPOLLIN) != 0 || hung_up || tls_ != nullptr)) read(hung_up);
      return;
    case State::Lingering:
      return discard();
    case State::Closed:
      return;
  }
}

// Before the first byte of MQTT

void SocketTransport::read_proxy_header() {
  while (proxied_->header.wanted() > 0) {
    const auto buffer = loop_.read_buffer();
    const ssize_t n = ::recv(descriptor_, buffer.data(), std::min(buffer.size(), proxied_->header.wanted()), 0);
    if (n < 0 && would_block(errno)) return;
    if (n < 0) return end(std::strerror(errno));
    if (n == 0) return end("closed by the peer");
    const auto fed = proxied_->header.feed({buffer.data(), static_cast<std::size_t>(n)});
    if (!fed) return fail(&ListenerCounters::refused_proxy, fed.error());
  }
  if (proxied_->header.source()) peer_ = *proxied_->header.source();
  state_ = point_->tls == nullptr ? State::Open : State::ShakesHands;
}

void SocketTransport::shake_hands() {
  // Not before its first byte: a client that sends nothing costs nothing.
  if (tls_ == nullptr) tls_ = std::make_unique<TlsStream>(*point_->tls, descriptor_);
  switch (tls_->handshake()) {
    case TlsStream::Step::Done:
      state_ = State::Open;
      if (tls_->resumed()) ++point_->counters.resumed_tls;
      watch(EPOLLIN);
      return read(false);  // OpenSSL may have read more than the handshake
    case TlsStream::Step::WantsRead:
      return watch(EPOLLIN);
    case TlsStream::Step::WantsWrite:
      return watch(EPOLLOUT);
    case TlsStream::Step::Ended:
      return fail(&ListenerCounters::failed_tls, "closed during the TLS handshake");
    case TlsStream::Step::Failed:
      return fail(&ListenerCounters::failed_tls, fmt::format("TLS handshake failed: {}", tls_->error()));
  }
}

void SocketTransport::fail(std::uint64_t ListenerCounters::*counter, std::string_view mistake) {
  ++(point_->counters.*counter);
  point_->complain(peer(), mistake);
  end(mistake);
}

// Reading

/// One read per turn keeps connections fair; the poller reports at once what is left.
void SocketTransport::read(bool hung_up) {
  if (write_error_ != 0) return end(std::strerror(write_error_));
  if (paused_) return hung_up ? end("connection lost") : void();
  const auto buffer = loop_.read_buffer();
  ssize_t n = 0;
  bool ended = false;
  std::string_view cause = "closed by the peer";
  std::string failure;  // of TLS
  if (tls_ == nullptr) {
    n = ::recv(descriptor_, buffer.data(), buffer.size(), 0);
    ended = n == 0 || (n < 0 && (!would_block(errno) || hung_up));
    if (n < 0 && ended) cause = std::strerror(errno);
  } else {
    const auto moved = tls_->read(buffer);
    n = static_cast<ssize_t>(moved.bytes);
    ended = moved.step == TlsStream::Step::Ended || moved.step == TlsStream::Step::Failed || (hung_up && n == 0);
    if (moved.step == TlsStream::Step::Failed) failure = tls_->error();
    if (moved.step == TlsStream::Step::WantsWrite) watch(watched_ | EPOLLOUT);
    if (moved.bytes == buffer.size()) loop_.poller().call_soon(*this, EPOLLIN);
  }
  if (n > 0) sink_->on_data({buffer.data(), static_cast<std::size_t>(n)});
  if (ended && state_ == State::Open) end(failure.empty() ? cause : failure);
}

void SocketTransport::pause_reading(bool pause) {
  paused_ = pause;
  if (state_ != State::Open || sink_ == nullptr) return;
  watch(pause ? watched_ & ~std::uint32_t{EPOLLIN} : watched_ | EPOLLIN);
  if (!pause && tls_ != nullptr && tls_->has_pending()) loop_.poller().call_soon(*this, EPOLLIN);
}

// Writing

std::size_t SocketTransport::write(std::span<const iovec> buffers) {
  const std::size_t wanted = total_of(buffers);
  if (state_ != State::Open || wanted == 0 || write_error_ != 0) return 0;
  std::size_t sent = 0;
  bool failed = false;
  if (tls_ == nullptr) {
    const ssize_t n = send_all(descriptor_, buffers);
    failed = n < 0 && !would_block(errno);
    if (n > 0) sent = static_cast<std::size_t>(n);
  } else {
    const auto moved = tls_->write(buffers);
    failed = moved.step == TlsStream::Step::Failed || moved.step == TlsStream::Step::Ended;
    sent = moved.bytes;
  }
  if (failed) {
    write_error_ = tls_ == nullptr ? errno : EPIPE;
    loop_.poller().call_soon(*this, EPOLLERR);
  } else if (sent < wanted) {
    watch(watched_ | EPOLLOUT);
  }
  return sent;
}

// The end

void SocketTransport::close() {
  if (state_ == State::Lingering || state_ == State::Closed) return;
  if (state_ == State::Open && tls_ != nullptr) tls_->send_close();
  tls_.reset();
  state_ = State::Lingering;
  ::shutdown(descriptor_, SHUT_WR);
  linger_ = std::make_unique<Linger>();
  linger_->deadline = std::chrono::steady_clock::now() + kLinger;
  loop_.poller().call_at(linger_->deadline, *this);
  watch(EPOLLIN);
}

void SocketTransport::discard() {
  const auto buffer = loop_.read_buffer();
  const ssize_t n = ::recv(descriptor_, buffer.data(), buffer.size(), 0);
  if (n == 0) return end("closed by the peer");
  if (n < 0 && !would_block(errno)) return end(std::strerror(errno));
  if (n > 0) linger_->discarded += static_cast<std::size_t>(n);
  if (linger_->discarded > kLingerBytes) end("closed");
}

void SocketTransport::end(std::string_view cause) {
  if (state_ == State::Closed) return;
  state_ = State::Closed;
  Poller& poller = loop_.poller();
  if (linger_ != nullptr) poller.forget(linger_->deadline, *this);
  poller.forget(*this);
  poller.remove(descriptor_, *this);
  tls_.reset();
  ::close(descriptor_);
  if (Sink* sink = std::exchange(sink_, nullptr)) sink->on_closed(cause);
}

// Who

std::string SocketTransport::peer() const {
  if (peer_.is_internet()) return peer_.text();
  const auto process = state_ == State::Closed ? std::nullopt : process_behind(descriptor_);
  return process ? fmt::format("local, user {}, process {}", process->uid, process->pid) : "local";
}

PeerIdentity SocketTransport::identity() const {
  PeerIdentity identity;
  identity.address = peer_.host();
  identity.listener = point_->index;
  if (proxied_ != nullptr) identity.proxy = proxied_->proxy.host();
  identity.encrypted = point_->tls != nullptr;
  if (tls_ != nullptr) identity.certificate = tls_->certificate();
  if (!peer_.is_internet() && state_ != State::Closed) identity.process = process_behind(descriptor_);
  return identity;
}

}  // namespace ferrule::mqtt

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "bridge/settings.hpp"
#include "bridge/stream.hpp"

namespace ferrule::bridge {

namespace {

tl::unexpected<StreamEnd> ended(int error) {
  return tl::unexpected(StreamEnd{std::strerror(error), error == ECONNRESET || error == EPIPE});
}

bool only_later(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

class TcpStream final : public Stream {
 public:
  explicit TcpStream(int descriptor) : descriptor_(descriptor) {}
  ~TcpStream() override { ::close(descriptor_); }
  TcpStream(const TcpStream&) = delete;
  TcpStream& operator=(const TcpStream&) = delete;

  int descriptor() const override { return descriptor_; }
  short waits_for() const override { return full_ ? POLLOUT : 0; }

  Streamed<std::size_t> read(std::span<char> buffer) override {
    const auto size = ::recv(descriptor_, buffer.data(), buffer.size(), 0);
    if (size > 0) return static_cast<std::size_t>(size);
    if (size == 0) return tl::unexpected(StreamEnd{"the cloud closed the connection", true});
    if (only_later(errno)) return 0;
    return ended(errno);
  }

  Streamed<std::size_t> write(std::span<const iovec> pieces) override {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(pieces.data());
    message.msg_iovlen = pieces.size();
    const auto size = ::sendmsg(descriptor_, &message, MSG_NOSIGNAL);
    full_ = size < 0;
    if (size >= 0) return static_cast<std::size_t>(size);
    if (only_later(errno)) return 0;
    return ended(errno);
  }

 private:
  const int descriptor_;
  bool full_ = false;
};

}  // namespace

Streamed<std::unique_ptr<Stream>> open_tcp(const std::string& address, const Wait& wait) {
  const auto endpoint = parse_url("mqtt://" + address);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* target = nullptr;
  if (!endpoint || getaddrinfo(endpoint->host.c_str(), std::to_string(endpoint->port).c_str(), &hints, &target) != 0) {
    return tl::unexpected(StreamEnd{"not a numeric address"});
  }
  const int descriptor = ::socket(target->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) {
    freeaddrinfo(target);
    return ended(errno);
  }
  auto stream = std::make_unique<TcpStream>(descriptor);
  int error = ::connect(descriptor, target->ai_addr, target->ai_addrlen) == 0 ? 0 : errno;
  freeaddrinfo(target);
  if (error == EINPROGRESS) {
    if (!wait(descriptor, POLLOUT)) return tl::unexpected(StreamEnd{"no TCP connection in time"});
    socklen_t size = sizeof error;
    getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size);
  }
  if (error != 0) return ended(error);
  const int on = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return stream;
}

}  // namespace ferrule::bridge

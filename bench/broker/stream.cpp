#include "bench/broker/stream.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace ferrule::bench {

namespace {

constexpr int kWait = 10'000;  // ms

int connect_to(std::uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    close(fd);
    throw std::runtime_error(std::string("connect: ") + std::strerror(errno));
  }
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

SSL_CTX* context() {
  static SSL_CTX* const made = SSL_CTX_new(TLS_client_method());  // checks no certificate
  return made;
}

unsigned char byte(std::string_view bytes, std::size_t at) { return static_cast<unsigned char>(bytes[at]); }

/// A binary frame under the mask 0: what a client has to send, at the least cost for us.
std::string frame(std::string_view bytes) {
  std::string head("\x82", 1);
  if (bytes.size() < 126) {
    head += static_cast<char>(0x80 | bytes.size());
  } else {
    head += static_cast<char>(0x80 | 126);
    head += static_cast<char>(bytes.size() >> 8);
    head += static_cast<char>(bytes.size() & 0xff);
  }
  return head.append(4, '\0').append(bytes);
}

}  // namespace

class Stream::Tls {
 public:
  explicit Tls(int socket) : ssl_(SSL_new(context())) {
    SSL_set_fd(ssl_, socket);
    if (SSL_connect(ssl_) != 1) throw std::runtime_error("no TLS handshake");
  }
  ~Tls() { SSL_free(ssl_); }
  Tls(const Tls&) = delete;
  Tls& operator=(const Tls&) = delete;

  void write(std::string_view bytes) {
    if (SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())) <= 0) throw std::runtime_error("no TLS record");
  }
  /// All that is there. The socket blocks: it is asked before each record.
  std::size_t read(int socket, std::span<char> into) {
    std::size_t filled = 0;
    while (filled < into.size()) {
      pollfd ready{socket, POLLIN, 0};
      if (SSL_pending(ssl_) == 0 && poll(&ready, 1, 0) == 0) break;
      const int n = SSL_read(ssl_, into.data() + filled, static_cast<int>(into.size() - filled));
      if (n <= 0) throw std::runtime_error("the server closed the connection");
      filled += static_cast<std::size_t>(n);
    }
    return filled;
  }

 private:
  SSL* const ssl_;
};

Stream::Stream(std::uint16_t port, Way way) : way_(way), socket_(connect_to(port)) {
  if (way == Way::Tls) {
    tls_ = std::make_unique<Tls>(socket_);
    SSL_CTX_set_mode(context(), SSL_MODE_AUTO_RETRY);
  }
  if (way == Way::WebSocket) upgrade();
}

Stream::~Stream() { close(socket_); }

void Stream::upgrade() {
  send(
      "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: "
      "13\r\n"
      "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n");
  std::string answer;
  std::array<char, 4096> chunk;
  while (answer.find("\r\n\r\n") == std::string::npos) {
    wait();
    answer += receive(chunk);
  }
  if (answer.find(" 101 ") == std::string::npos) throw std::runtime_error("no WebSocket: " + answer);
}

void Stream::wait() const {
  pollfd ready{socket_, POLLIN, 0};
  if (poll(&ready, 1, kWait) <= 0) throw std::runtime_error("the server does not answer");
}

void Stream::write(std::string_view bytes) { way_ == Way::WebSocket ? send(frame(bytes)) : send(bytes); }

void Stream::send(std::string_view bytes) {
  if (tls_ != nullptr) return tls_->write(bytes);
  while (!bytes.empty()) {
    const auto sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      pollfd room{socket_, POLLOUT, 0};
      if (poll(&room, 1, kWait) <= 0) throw std::runtime_error("the server takes no more bytes");
    } else {
      throw std::runtime_error(std::string("send: ") + std::strerror(errno));
    }
  }
}

std::string_view Stream::receive(std::span<char> into) {
  if (tls_ != nullptr) return {into.data(), tls_->read(socket_, into)};
  const auto length = recv(socket_, into.data(), into.size(), MSG_DONTWAIT);
  if (length < 0 && errno == EAGAIN) return {};
  if (length <= 0) throw std::runtime_error("the server closed the connection");
  return {into.data(), static_cast<std::size_t>(length)};
}

std::string_view Stream::read() {
  static thread_local std::array<char, 256 * 1024> chunk;
  const auto arrived = receive(chunk);
  return way_ == Way::WebSocket ? unframe(arrived) : arrived;
}

std::string_view Stream::unframe(std::string_view arrived) {
  frames_ += arrived;
  payload_.clear();
  std::string_view rest = frames_;
  while (rest.size() >= 2) {
    std::size_t length = byte(rest, 1) & 0x7f, head = 2;
    if (length == 126) head = 4;
    if (length == 127) head = 10;
    if (rest.size() < head) break;
    if (head > 2) length = 0;
    for (std::size_t at = 2; at < head; ++at) length = length << 8 | byte(rest, at);
    if (rest.size() < head + length) break;
    payload_ += rest.substr(head, length);
    rest.remove_prefix(head + length);
  }
  frames_ = std::string(rest);
  return payload_;
}

}  // namespace ferrule::bench

#include "bench/broker/client.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace ferrule::bench {

namespace {

using namespace std::string_view_literals;

// The first byte of the packets [MQTT 5 section 2.1.2].
constexpr unsigned char kConnect = 0x10, kConnack = 0x20, kPublish = 0x30, kPuback = 0x40, kPubrec = 0x50,
                        kPubrel = 0x62, kPubcomp = 0x70, kSubscribe = 0x82, kSuback = 0x90;
constexpr int kWait = 10'000;  // ms

// Properties of an MQTT 5 publication: Content Type, Message Expiry Interval and one User Property.
constexpr auto kProperties =
    "\x03\x00\x10"
    "application/json\x02\x00\x00\x0e\x10\x26\x00\x04unit\x00\x01V"sv;

std::string number(std::size_t value) { return {static_cast<char>(value >> 8), static_cast<char>(value & 0xff)}; }

std::string text(std::string_view value) { return number(value.size()) + std::string(value); }

std::string packet(unsigned char first, std::string_view body) {
  std::string bytes(1, static_cast<char>(first));
  for (auto left = body.size();; left >>= 7) {
    bytes += static_cast<char>((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
    if (left <= 0x7f) break;
  }
  return bytes.append(body);
}

unsigned char byte(std::string_view bytes, std::size_t at) { return static_cast<unsigned char>(bytes[at]); }

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

}  // namespace

Client::Client(std::uint16_t port, const std::string& client_id, Level level)
    : level_(level), socket_(connect_to(port)) {
  std::string body = text("MQTT");
  body += static_cast<char>(level);
  body += "\x02\x00\x00"sv;  // clean session, no keep-alive
  if (level == Level::V5) body += '\0';
  write(packet(kConnect, body + text(client_id)));
  wait_for(connected_);
}

Client::~Client() { close(socket_); }

void Client::subscribe(const std::vector<std::string>& filters, int qos) {
  std::string body = number(1);
  if (level_ == Level::V5) body += '\0';
  for (const auto& filter : filters) body += text(filter) + static_cast<char>(qos);
  subscribed_ = false;
  write(packet(kSubscribe, body));
  wait_for(subscribed_);
}

void Client::publish(std::string_view topic, std::uint32_t publisher, int qos, int count, bool retain) {
  std::string bytes;
  for (int i = 0; i < count; ++i) {
    const Mark mark{publisher, ++published};
    std::array<char, kPayloadSize> payload{};
    std::memcpy(payload.data(), &mark, sizeof mark);
    std::string body = text(topic);
    if (qos > 0) {
      if (++last_id_ == 0) ++last_id_;
      body += number(last_id_);
    }
    if (level_ == Level::V5) body.append(1, static_cast<char>(kProperties.size())).append(kProperties);
    body.append(payload.data(), payload.size());
    bytes += packet(static_cast<unsigned char>(kPublish | qos << 1 | (retain ? 1 : 0)), body);
  }
  write(bytes);
}

void Client::write(std::string_view bytes) const {
  while (!bytes.empty()) {
    const auto sent = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
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

void Client::wait_for(bool& flag) {
  while (!flag) {
    pollfd ready{socket_, POLLIN, 0};
    if (poll(&ready, 1, kWait) <= 0) throw std::runtime_error("the server does not answer");
    read();
  }
}

void Client::read() {
  static thread_local std::array<char, 256 * 1024> chunk;
  const auto length = recv(socket_, chunk.data(), chunk.size(), MSG_DONTWAIT);
  if (length < 0 && errno == EAGAIN) return;
  if (length <= 0) throw std::runtime_error("the server closed the connection");
  const std::string_view arrived(chunk.data(), static_cast<std::size_t>(length));
  std::string_view rest = arrived;
  if (!input_.empty()) rest = input_.append(arrived);
  while (rest.size() >= 2) {
    std::size_t remaining = 0;
    std::size_t header = 1;
    bool whole = false;
    for (; header < rest.size() && header <= 4 && !whole; ++header) {
      remaining |= static_cast<std::size_t>(byte(rest, header) & 0x7f) << (7 * (header - 1));
      whole = byte(rest, header) < 0x80;
    }
    if (!whole || rest.size() < header + remaining) break;
    take(rest.substr(0, header + remaining), header);
    rest.remove_prefix(header + remaining);
  }
  input_ = std::string(rest);
  if (!answers_.empty()) write(answers_);
  answers_.clear();
}

void Client::take(std::string_view packet, std::size_t header) {
  const auto answer = [&](unsigned char first) {
    answers_ += static_cast<char>(first);
    answers_ += '\x02';
    answers_ += packet.substr(header, 2);
  };
  switch (byte(packet, 0) & 0xf0) {
    case kConnack:
      connected_ = true;
      break;
    case kSuback:
      subscribed_ = true;
      break;
    case kPuback:
    case kPubcomp:
      ++acknowledged;
      break;
    case kPubrec:
      answer(kPubrel);
      break;
    case kPubrel & 0xf0:
      answer(kPubcomp);
      break;
    case kPublish:
      take_publish(packet, header);
      break;
    default:
      throw std::runtime_error("the server sends what no client asked for");
  }
}

void Client::take_publish(std::string_view packet, std::size_t header) {
  const int qos = byte(packet, 0) >> 1 & 3;
  std::size_t at = header + 2 + (static_cast<std::size_t>(byte(packet, header)) << 8 | byte(packet, header + 1));
  if (qos > 0) {
    answers_ += static_cast<char>(qos == 1 ? kPuback : kPubrec);
    answers_ += '\x02';
    answers_ += packet.substr(at, 2);
    at += 2;
  }
  if (level_ == Level::V5) at += 1U + byte(packet, at);
  Mark mark;
  if (packet.size() < at + sizeof mark) throw std::runtime_error("the server sends a payload that nobody published");
  std::memcpy(&mark, packet.data() + at, sizeof mark);
  if (mark.publisher >= received_of.size()) received_of.resize(mark.publisher + 1);
  auto& last = received_of[mark.publisher];
  if (mark.number != last + 1) ++disordered;
  last = mark.number;
  ++received;
}

}  // namespace ferrule::bench

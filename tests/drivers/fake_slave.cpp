#include "fake_slave.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>
#include <utility>

#include "drivers/modbus/owed.hpp"

namespace ferrule::drivers {

namespace {

constexpr int kSliceMilliseconds = 5;

Asked asked_of(const std::uint8_t* pdu) {
  return {pdu[0], pdu[1], static_cast<std::uint16_t>(pdu[2] << 8 | pdu[3]),
          static_cast<std::uint16_t>(pdu[4] << 8 | pdu[5])};
}

}  // namespace

std::optional<Bytes> answer_addresses(const Asked& asked) {
  Bytes answer{asked.unit, asked.function, static_cast<std::uint8_t>(2 * asked.count)};
  for (int i = 0; i < asked.count; ++i) {
    answer.push_back(static_cast<std::uint8_t>((asked.address + i) >> 8));
    answer.push_back(static_cast<std::uint8_t>(asked.address + i));
  }
  return answer;
}

Bytes refuse(const Asked& asked, std::uint8_t exception) {
  return {asked.unit, static_cast<std::uint8_t>(asked.function | 0x80), exception};
}

TcpSlave::TcpSlave(Answering answering, std::uint16_t port) : answering_(std::move(answering)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), length) != 0 || ::listen(listener_, 8) != 0) {
    throw std::runtime_error("cannot listen");
  }
  ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { serve(); });
}

TcpSlave::~TcpSlave() {
  done_ = true;
  thread_.join();
  ::close(listener_);
}

void TcpSlave::serve() {
  while (!done_) {
    pollfd poll{listener_, POLLIN, 0};
    if (::poll(&poll, 1, kSliceMilliseconds) <= 0) continue;
    const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) continue;
    ++connections_;
    serve_connection(connection);
    ::close(connection);
  }
}

void TcpSlave::serve_connection(int connection) {
  Bytes request(12);
  while (!done_) {
    pollfd poll{connection, POLLIN, 0};
    if (::poll(&poll, 1, kSliceMilliseconds) <= 0) continue;
    if (::recv(connection, request.data(), request.size(), MSG_WAITALL) != static_cast<ssize_t>(request.size())) return;
    const auto answer = answering_(asked_of(request.data() + 6));
    if (!answer) continue;
    Bytes frame(request.begin(), request.begin() + 4);
    frame.push_back(static_cast<std::uint8_t>(answer->size() >> 8));
    frame.push_back(static_cast<std::uint8_t>(answer->size()));
    frame.insert(frame.end(), answer->begin(), answer->end());
    if (::send(connection, frame.data(), frame.size(), MSG_NOSIGNAL) < 0) return;
    if (drop_after_each_answer) return;
  }
}

PtySlave::PtySlave(Answering answering) : answering_(std::move(answering)) {
  master_ = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
  if (master_ < 0 || ::grantpt(master_) != 0 || ::unlockpt(master_) != 0)
    throw std::runtime_error("no pseudo-terminal");
  char name[64];
  if (::ptsname_r(master_, name, sizeof name) != 0) throw std::runtime_error("no pseudo-terminal");
  path_ = name;
  thread_ = std::thread([this] { serve(); });
}

PtySlave::~PtySlave() {
  done_ = true;
  thread_.join();
  ::close(master_);
}

void PtySlave::serve() {
  Bytes request;
  while (!done_) {
    pollfd poll{master_, POLLIN, 0};
    ::poll(&poll, 1, kSliceMilliseconds);
    std::uint8_t bytes[64];
    const auto got = ::read(master_, bytes, sizeof bytes);
    if (got <= 0) {  // EIO: nobody has it open
      if (got < 0 && (poll.revents & POLLHUP) != 0)
        std::this_thread::sleep_for(std::chrono::milliseconds(kSliceMilliseconds));
      continue;
    }
    request.insert(request.end(), bytes, bytes + got);
    if (request.size() < 8) continue;
    auto answer = answering_(asked_of(request.data()));
    request.erase(request.begin(), request.begin() + 8);
    if (!answer) continue;
    const auto crc = modbus::crc16(*answer);
    answer->push_back(static_cast<std::uint8_t>(crc));
    answer->push_back(static_cast<std::uint8_t>(crc >> 8));
    [[maybe_unused]] const auto written = ::write(master_, answer->data(), answer->size());
  }
}

}  // namespace ferrule::drivers

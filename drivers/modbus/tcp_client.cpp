#include "drivers/modbus/tcp_client.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace ferrule::drivers::modbus {

namespace {

using std::chrono::steady_clock;
using namespace std::chrono_literals;

// Frame (Modbus TCP guide V1.0b 3.1.3):
//   0..1 transaction id | 2..3 protocol id, 0 | 4..5 length of what follows | 6 unit | 7.. function code and data
constexpr std::size_t kLengthEnd = 6;
constexpr std::size_t kFunctionAt = 7;
constexpr std::size_t kLeastLength = 3;  // unit, function, exception code

// After which a connection is replaced: a peer that was switched off does not close its connections.
constexpr int kSilentRequests = 3;

}  // namespace

tl::expected<void, Fault> TcpClient::opened() {
  silent_ = 0;
  auto attached = framer_.attach(port_.descriptor());
  if (!attached) port_.close();
  return attached;
}

tl::expected<std::span<const std::uint8_t>, Fault> TcpClient::read(const Request& request) {
  const auto answer = exchange(request.unit, read_pdu(request));
  if (!answer) return answer;
  if ((*answer)[1] != data_bytes(request) || answer->size() < 2U + data_bytes(request)) {
    return failed(Failure::BadReply, fmt::format("{} bytes of data instead of {}", (*answer)[1], data_bytes(request)));
  }
  return answer->subspan(2, data_bytes(request));
}

tl::expected<void, Fault> TcpClient::write(std::uint8_t unit, std::span<const std::uint8_t> pdu) {
  const auto answer = exchange(unit, pdu);
  if (!answer) return tl::unexpected(answer.error());
  return check_echo(*answer, pdu);
}

/// The answer from its function code on; it has at least two bytes and is no refusal.
TcpClient::Answer TcpClient::exchange(std::uint8_t unit, std::span<const std::uint8_t> pdu) {
  if (timing_.gap > 0ns && stop_.sleep_until(steady_clock::now() + timing_.gap) == Woke::Stopped) return stopping();
  if (auto sent = send(unit, pdu); !sent) return tl::unexpected(std::move(sent.error()));
  auto answer = answer_to(unit, pdu[0]);
  if (!answer) answer.error().sent = true;
  return answer;
}

TcpClient::Answer TcpClient::answer_to(std::uint8_t unit, std::uint8_t function) {
  skipped_ = 0;
  const auto deadline = steady_clock::now() + timing_.timeout;
  for (;;) {
    auto received = receive(deadline);
    if (!received) return tl::unexpected(std::move(received.error()));
    silent_ = 0;
    if (*received) break;
    ++skipped_;  // ours may still follow before the deadline
  }
  const auto frame = std::span<const std::uint8_t>(framer_.frame).first(framer_.size);
  if (frame[6] != unit) return failed(Failure::BadReply, fmt::format("answer from unit {}", frame[6]));
  if (frame[7] == (function | kRefused)) return tl::unexpected(refusal(frame[8]));
  if (frame[7] != function) return failed(Failure::BadReply, fmt::format("answer to function {}", frame[7]));
  return frame.subspan(kFunctionAt);
}

tl::expected<void, Fault> TcpClient::send(std::uint8_t unit, std::span<const std::uint8_t> pdu) {
  ++transaction_;
  std::array<std::uint8_t, kMaxFrame> bytes{};
  const auto length = pdu.size() + 1;
  bytes = {static_cast<std::uint8_t>(transaction_ >> 8), static_cast<std::uint8_t>(transaction_), 0,   0,
           static_cast<std::uint8_t>(length >> 8),       static_cast<std::uint8_t>(length),       unit};
  std::ranges::copy(pdu, bytes.begin() + kFunctionAt);
  const auto size = kFunctionAt + pdu.size();
  const auto sent = ::send(port_.descriptor(), bytes.data(), size, MSG_NOSIGNAL);
  if (sent == static_cast<ssize_t>(size)) return {};
  auto fault = lost(sent < 0 && errno != EAGAIN ? std::strerror(errno) : "the peer takes no more requests");
  fault.value().sent = sent > 0;
  return fault;
}

/// Receives one answer by `deadline`: true when it carries the id of the present request, false when it is another's.
tl::expected<bool, Fault> TcpClient::receive(TimePoint deadline) {
  std::array<std::uint8_t, kLengthEnd> head{};
  std::size_t size = head.size();
  for (bool headed = false;; headed = true) {
    if (auto awaited = await(size, deadline); !awaited) return tl::unexpected(std::move(awaited.error()));
    if (headed) break;
    if (::recv(port_.descriptor(), head.data(), head.size(), MSG_PEEK) < 0) return lost(std::strerror(errno));
    const auto length = static_cast<std::size_t>(head[4] << 8 | head[5]);
    if (head[2] != 0 || head[3] != 0 || length < kLeastLength || kLengthEnd + length > kMaxFrame) {
      return desynchronised("not a Modbus header");
    }
    size = kLengthEnd + length;
  }
  switch (framer_.receive()) {
    case Framer::Received::Frame:
      break;
    case Framer::Received::Lost:
      return lost(framer_.error);
    default:
      return desynchronised(framer_.error);
  }
  if (framer_.size != size) return desynchronised("the header's length is wrong");
  return (framer_.frame[0] << 8 | framer_.frame[1]) == transaction_;
}

tl::unexpected<Fault> TcpClient::unanswered() {
  if (skipped_ > 0) {
    return failed(Failure::Timeout, fmt::format("no answer ({} with another transaction id skipped)", skipped_));
  }
  if (++silent_ >= kSilentRequests) port_.close();
  return failed(Failure::Timeout, "no answer");
}

/// Where the next answer begins is unknown.
tl::unexpected<Fault> TcpClient::desynchronised(std::string why) {
  port_.close();
  return failed(Failure::BadReply, std::move(why));
}

/// Until so many bytes can be read.
tl::expected<void, Fault> TcpClient::await(std::size_t bytes, TimePoint deadline) {
  for (auto there = buffered(); there < bytes;) {
    // A part of an answer keeps the descriptor readable, so the rest of it is looked for every millisecond.
    const auto until = there == 0 ? deadline : std::min<TimePoint>(deadline, steady_clock::now() + 1ms);
    const auto woke = stop_.wait(port_.descriptor(), there == 0 ? POLLIN : POLLRDHUP, until);
    if (woke == Woke::Stopped) return stopping();
    const auto before = std::exchange(there, buffered());
    if (there >= bytes) break;
    if (woke == Woke::Ready && there == before) return lost("connection closed by the peer");
    if (steady_clock::now() >= deadline) return unanswered();
  }
  return {};
}

}  // namespace ferrule::drivers::modbus

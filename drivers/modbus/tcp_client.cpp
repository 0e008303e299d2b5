#include "drivers/modbus/tcp_client.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <array>
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
  ahead_.clear();
  filled_ = 0;
  size_ = 0;
  return {};
}

TcpClient::Answer TcpClient::read(const Request& request) {
  const auto function = function_of(request.table);
  auto ahead = take_ahead(request);
  if (!ahead) return data_of(request, exchange(request.unit, read_pdu(request)));
  if (ahead->frame.empty()) {
    awaited_ = ahead->id;
    return data_of(request, answer_to(request.unit, function));
  }
  early_ = std::move(ahead->frame);
  return data_of(request, check(early_, request.unit, function));
}

TcpClient::Answer TcpClient::data_of(const Request& request, const Answer& answer) {
  if (!answer) return answer;
  if ((*answer)[1] != data_bytes(request) || answer->size() < 2U + data_bytes(request)) {
    return not_ours(fmt::format("{} bytes of data instead of {}", (*answer)[1], data_bytes(request)));
  }
  return answer->subspan(2, data_bytes(request));
}

bool TcpClient::ask_ahead(const Request& request) {
  const auto now = steady_clock::now();
  std::erase_if(ahead_, [&](const Ahead& ahead) { return ahead.forget_at <= now; });
  if (std::ranges::find(ahead_, request, &Ahead::request) != ahead_.end()) return true;
  if (ahead_.size() >= pipeline_ || !port_.is_open() || !send(request.unit, read_pdu(request))) return false;
  // Those before it may each take their time.
  ahead_.push_back({request, transaction_, now + static_cast<int>(pipeline_ + 1) * timing_.timeout});
  return true;
}

/// What was sent ahead for this; nothing when it was not, or was too long ago.
std::optional<TcpClient::Ahead> TcpClient::take_ahead(const Request& request) {
  const auto found = std::ranges::find(ahead_, request, &Ahead::request);
  if (found == ahead_.end()) return std::nullopt;
  auto ahead = std::move(*found);
  ahead_.erase(found);
  if (ahead.forget_at <= steady_clock::now()) return std::nullopt;
  return ahead;
}

std::vector<TcpClient::Ahead>::iterator TcpClient::ahead_with(std::uint16_t id) {
  return std::ranges::find_if(ahead_, [&](const Ahead& ahead) { return ahead.id == id && ahead.frame.empty(); });
}

/// Puts the answer that was received by until its request's turn; false when it belongs to none.
bool TcpClient::keep_ahead() {
  const auto ahead = ahead_with(id_received());
  if (ahead == ahead_.end()) return false;
  ahead->frame.assign(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(size_));
  ahead->forget_at = steady_clock::now() + 2 * timing_.timeout;  // the one before it may miss its own
  return true;
}

tl::expected<void, Fault> TcpClient::write(std::uint8_t unit, std::span<const std::uint8_t> pdu) {
  ahead_.clear();  // what was asked before the write may be answered with what was before it
  const auto answer = exchange(unit, pdu);
  if (!answer) return tl::unexpected(answer.error());
  auto confirmed = check_echo(*answer, pdu);
  if (!confirmed && ids_ == Ids::Ignored) port_.close();
  return confirmed;
}

/// The answer from its function code on; it has at least two bytes and is no refusal.
TcpClient::Answer TcpClient::exchange(std::uint8_t unit, std::span<const std::uint8_t> pdu) {
  if (timing_.gap > 0ns && stop_.sleep_until(steady_clock::now() + timing_.gap) == Woke::Stopped) return stopping();
  if (auto sent = send(unit, pdu); !sent) return tl::unexpected(std::move(sent.error()));
  awaited_ = transaction_;
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
    if (!keep_ahead()) ++skipped_;  // ours may still follow before the deadline
  }
  return check(std::span<const std::uint8_t>(input_).first(size_), unit, function);
}

TcpClient::Answer TcpClient::check(std::span<const std::uint8_t> frame, std::uint8_t unit, std::uint8_t function) {
  if (frame[6] != unit) return not_ours(fmt::format("answer from unit {}", frame[6]));
  if (frame[7] == (function | kRefused)) return tl::unexpected(refusal(frame[8]));
  if (frame[7] != function) return not_ours(fmt::format("answer to function {}", frame[7]));
  return frame.subspan(kFunctionAt);
}

tl::expected<void, Fault> TcpClient::send(std::uint8_t unit, std::span<const std::uint8_t> pdu) {
  if (ids_ == Ids::Ignored) discard_input();
  ++transaction_;
  std::array<std::uint8_t, kMaxTcpFrame> bytes{};
  const auto length = pdu.size() + 1;
  bytes = {static_cast<std::uint8_t>(transaction_ >> 8), static_cast<std::uint8_t>(transaction_), 0,   0,
           static_cast<std::uint8_t>(length >> 8),       static_cast<std::uint8_t>(length),       unit};
  std::ranges::copy(pdu, bytes.begin() + kFunctionAt);
  auto sent = port_.write(std::span(bytes).first(kFunctionAt + pdu.size()));
  if (!sent) port_.close();
  return sent;
}

/// What nobody has asked for yet is no answer.
void TcpClient::discard_input() {
  do {
    filled_ = 0;
    size_ = 0;
    filled_ = port_.read(input_).value_or(std::size_t{0});  // that it is lost shows when it is used
  } while (filled_ > 0);
}

/// Receives one answer by `deadline`: true when it belongs to the present request, false when it is another's.
tl::expected<bool, Fault> TcpClient::receive(TimePoint deadline) {
  filled_ -= size_;  // the answer before
  std::copy_n(input_.begin() + static_cast<std::ptrdiff_t>(size_), filled_, input_.begin());
  size_ = 0;
  if (auto head = fill(kLengthEnd, deadline); !head) return tl::unexpected(std::move(head.error()));
  const auto length = static_cast<std::size_t>(input_[4] << 8 | input_[5]);
  if (input_[2] != 0 || input_[3] != 0 || length < kLeastLength || kLengthEnd + length > input_.size()) {
    return nonsense("not a Modbus header");
  }
  if (port_.has_datagrams() && filled_ != kLengthEnd + length) return nonsense("the header's length is wrong");
  if (auto rest = fill(kLengthEnd + length, deadline); !rest) return tl::unexpected(std::move(rest.error()));
  size_ = kLengthEnd + length;
  const bool ours = is_ours();
  // Reads say twice how long they are: when they do not agree, where the next answer begins is unknown.
  const bool expected = ours || ahead_with(id_received()) != ahead_.end();
  if (expected && (input_[kFunctionAt] & kRefused) == 0 && input_[kFunctionAt] <= 4 && length != 3U + input_[8]) {
    return nonsense("the header's length is wrong");
  }
  return ours;
}

std::uint16_t TcpClient::id_received() const { return static_cast<std::uint16_t>(input_[0] << 8 | input_[1]); }

bool TcpClient::is_ours() const { return ids_ == Ids::Ignored || id_received() == awaited_; }

tl::unexpected<Fault> TcpClient::unanswered() {
  if (skipped_ > 0) {
    return failed(Failure::Timeout, fmt::format("no answer ({} with another transaction id skipped)", skipped_));
  }
  const bool silent = ++silent_ >= kSilentRequests;
  if (silent) port_.distrust();
  // What answers without ids is silenced: the answer must not come to the next request.
  if (silent || ids_ == Ids::Ignored) port_.close();
  return failed(Failure::Timeout, "no answer");
}

/// Ours may still follow: its id will tell, or else the connection has to go.
tl::unexpected<Fault> TcpClient::not_ours(std::string why) {
  if (ids_ == Ids::Ignored) port_.close();
  return failed(Failure::BadReply, std::move(why));
}

/// Of a stream it is not known where the next answer begins; a datagram is just not ours.
tl::expected<bool, Fault> TcpClient::nonsense(std::string why) {
  if (!port_.has_datagrams()) return desynchronised(std::move(why));
  size_ = filled_;
  return false;
}

tl::unexpected<Fault> TcpClient::desynchronised(std::string why) {
  port_.close();
  return failed(Failure::BadReply, std::move(why));
}

/// Until so many bytes of the answer are here.
tl::expected<void, Fault> TcpClient::fill(std::size_t bytes, TimePoint deadline) {
  while (filled_ < bytes) {
    const auto got = port_.read(std::span(input_).subspan(filled_));
    if (!got) return lost(got.error());
    filled_ += *got;
    if (port_.has_datagrams() && *got > 0 && filled_ < bytes) filled_ = 0;  // too short to be an answer
    if (*got > 0 && steady_clock::now() < deadline) continue;
    switch (stop_.wait(port_.descriptor(), POLLIN, deadline)) {
      case Woke::Stopped:
        return stopping();
      case Woke::Deadline:
        return unanswered();
      case Woke::Ready:
      case Woke::Rung:
        break;
    }
  }
  return {};
}

}  // namespace ferrule::drivers::modbus

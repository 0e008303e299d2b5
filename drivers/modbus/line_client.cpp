#include "drivers/modbus/line_client.hpp"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "drivers/modbus/decode.hpp"
#include "drivers/modbus/planner.hpp"
#include "drivers/modbus/write.hpp"

namespace ferrule::drivers::modbus {

namespace {

using std::chrono::steady_clock;
using namespace std::chrono_literals;

// Frame (Modbus over serial line V1.02 2.5.1): 0 unit | 1 function | 2 byte count | 3.. data | CRC, low byte first
// An exception answer:                         0 unit | 1 function + 0x80 | 2 exception code | 3..4 CRC
// A write's answer: see write_echo; size_of knows how long each is.
constexpr std::size_t kPduOverhead = 3;  // unit and CRC

// A pause that ends a frame. The specification's 1.5 characters do not survive a USB adapter, which hands over what it
// has every 16 ms.
constexpr std::chrono::nanoseconds kFrameBreak = 60ms;

// Nanoseconds by which the kernel may end a wait too late, instead of 50,000: at 115,200 baud a byte takes 95,000.
constexpr unsigned long kTimerSlack = 5'000;

AnswerShape shape_of(const Request& request) { return {request.unit, function_of(request.table), data_bytes(request)}; }

AnswerShape shape_of(std::uint8_t unit, std::span<const std::uint8_t> write) {
  return {unit, write[0], write[0] == kReadWriteRegisters ? write[9] : std::uint8_t{0}};
}

TimePoint after(TimePoint moment, std::chrono::nanoseconds time) {
  return moment + std::chrono::duration_cast<TimePoint::duration>(time);
}

}  // namespace

/// Listens for one timeout: what a predecessor on this wire asked for must not be taken for an answer to us.
tl::expected<void, Fault> LineClient::opened() {
  if (auto attached = framer_->attach(port_.descriptor()); !attached) {
    port_.close();
    return attached;
  }
  if (port_.drain(timing_.timeout, steady_clock::now() + 2 * timing_.timeout, {}).lost) return lost("the line hung up");
  last_byte_ = steady_clock::now();
  ::prctl(PR_SET_TIMERSLACK, kTimerSlack);
  return {};
}

LineClient::Answer LineClient::read(const Request& request) {
  const auto shape = shape_of(request);
  if (auto settled = settle(shape, request); !settled) return tl::unexpected(std::move(settled.error()));
  const auto answer = exchange(shape, read_pdu(request));
  if (!answer) return answer;
  return answer->subspan(2, shape.bytes);
}

tl::expected<void, Fault> LineClient::write(std::uint8_t unit, std::span<const std::uint8_t> pdu) {
  if (unit == 0) return broadcast(pdu);
  const auto shape = shape_of(unit, pdu);
  const bool coils = pdu[0] == kWriteSingleCoil || pdu[0] == kWriteMultipleCoils;
  const Request like{unit, coils ? Table::Coil : Table::Holding, static_cast<std::uint16_t>(pdu[1] << 8 | pdu[2]), 1};
  if (auto settled = settle(shape, like); !settled) return settled;
  const auto answer = exchange(shape, pdu);
  if (!answer) return tl::unexpected(answer.error());
  return check_echo(*answer, pdu);
}

/// Its length is not known: the silence after it ends it.
LineClient::Answer LineClient::ask(std::uint8_t unit, std::span<const std::uint8_t> pdu) {
  if (auto quiet = hush(); !quiet) return tl::unexpected(std::move(quiet.error()));
  if (auto sent = send(unit, pdu); !sent) return tl::unexpected(std::move(sent.error()));
  const auto deadline = after(steady_clock::now(), (timing_.echo ? 0ns : on_the_line(pdu)) + timing_.timeout);
  const auto woke = stop_.wait(port_.descriptor(), POLLIN, deadline);
  if (woke == Woke::Stopped) return stopping();
  if (woke == Woke::Deadline) {
    owed_.add({unit, pdu[0], 0});
    return failed(Failure::Timeout, "no answer");
  }
  std::array<std::uint8_t, 2 * kMaxFrame> head;
  const auto longest = static_cast<std::int64_t>(head.size()) * timing_.character + kFrameBreak;
  const auto drained = port_.drain(kFrameBreak, after(steady_clock::now(), longest + kFrameBreak), head);
  last_byte_ = steady_clock::now();
  if (drained.lost) return lost("the line hung up");
  asked_ = framer_->frames_in(std::span(head).first(std::min(head.size(), drained.bytes)));
  if (asked_.size() < kRefusalSize || crc16(asked_) != 0 || asked_[0] != unit) {
    return failed(Failure::BadReply, "no answer to this request");
  }
  if (asked_[1] == (pdu[0] | kRefused)) return tl::unexpected(refusal(asked_[2]));
  if (asked_[1] != pdu[0]) return failed(Failure::BadReply, "answer to another request");
  return std::span<const std::uint8_t>(asked_).subspan(1, asked_.size() - kPduOverhead);
}

/// The answer that is still owed would pass for the new one. Asks something else first (a request `like` that, of
/// another length), and throws that answer away.
tl::expected<void, Fault> LineClient::settle(const AnswerShape& shape, const Request& like) {
  if (!owed_.holds(shape)) return {};
  const auto other = distinct(like);
  if (!other) return failed(Failure::Timeout, "too many answers are outstanding");
  auto answer = exchange(shape_of(*other), read_pdu(*other));
  if (!answer) answer.error().sent = false;  // it was another request that went out
  if (!answer && !port_.is_open()) return tl::unexpected(std::move(answer.error()));
  if (!owed_.holds(shape)) return {};
  // Nobody asked for the other request, so nobody is told that it was refused.
  if (!answer && answer.error().failure != Failure::PointRejected) return tl::unexpected(std::move(answer.error()));
  return failed(Failure::DeviceBusy, "an answer is still outstanding");
}

/// A request to the same unit and table whose answer cannot be mistaken for one that is owed: for less if possible.
std::optional<Request> LineClient::distinct(const Request& request) const {
  const int step = is_bits(request.table) ? 8 : 1;
  const int most = is_bits(request.table) ? kMaxBits : kMaxRegisters;
  Request other = request;
  const auto usable = [&](int count) {
    if (request.address + count > 0x10000) return false;
    other.count = static_cast<std::uint16_t>(count);
    return !owed_.holds(shape_of(other));
  };
  for (int count = request.count; count > 0; count -= step) {
    if (usable(count)) return other;
  }
  for (int count = request.count + step; count <= most; count += step) {
    if (usable(count)) return other;
  }
  return std::nullopt;
}

/// The answer from its function code on, without the CRC; it has the shape asked for.
LineClient::Answer LineClient::exchange(const AnswerShape& shape, std::span<const std::uint8_t> pdu) {
  if (auto quiet = hush(); !quiet) return tl::unexpected(std::move(quiet.error()));
  if (auto sent = send(shape.unit, pdu); !sent) {
    if (port_.is_open() && sent.error().sent) owed_.add(shape);
    return tl::unexpected(std::move(sent.error()));
  }
  auto answer = listen(shape, after(steady_clock::now(), (timing_.echo ? 0ns : on_the_line(pdu)) + timing_.timeout));
  if (!answer) answer.error().sent = true;
  return answer;
}

LineClient::Answer LineClient::listen(const AnswerShape& shape, TimePoint deadline) {
  std::optional<Fault> refused;  // perhaps by this request, perhaps by an older one
  for (;;) {
    const auto woke = await(framer_->wire_size(size_of(shape)), deadline);
    if (woke == Woke::Stopped) return stopping();
    if (woke == Woke::Deadline) {
      hold(shape);
      return refused ? doubt(shape.unit, std::move(*refused)) : failed(Failure::Timeout, "no answer");
    }
    switch (receive(shape)) {
      case Verdict::Answer:
        owed_.settle_unit(shape.unit);
        doubted_.reset();
        return std::span<const std::uint8_t>(framer_->frame).subspan(1, size_of(shape) - kPduOverhead);
      case Verdict::Refusal:
        refused = refusal(framer_->frame[2]);
        if (!owed_.holds(shape.unit, shape.function)) {
          owed_.settle_unit(shape.unit);
          return tl::unexpected(std::move(*refused));
        }
        // It may refuse an older request: ours may still be answered.
        owed_.settle_oldest(shape.unit, shape.function);
        break;
      case Verdict::Late:
        break;
      case Verdict::Garbage:
        return discard(shape);
      case Verdict::Lost:
        return lost(framer_->error);
    }
  }
}

/// A refusal that may have been meant for an older request is believed the second time in a row. Believed wrongly, it
/// costs a value its turn, but it never makes a wrong one.
tl::unexpected<Fault> LineClient::doubt(std::uint8_t unit, Fault refused) {
  if (std::exchange(doubted_, unit) == unit) return tl::unexpected(std::move(refused));
  return failed(Failure::DeviceBusy, refused.detail + ", perhaps to an earlier request");
}

/// Waits for the silence that must precede a request; what arrives meanwhile is nobody's answer.
tl::expected<void, Fault> LineClient::hush() {
  switch (stop_.wait(port_.descriptor(), POLLIN, after(last_byte_, timing_.gap))) {
    case Woke::Stopped:
      return stopping();
    case Woke::Deadline:
      return {};
    case Woke::Ready:
    case Woke::Rung:
      break;
  }
  std::array<std::uint8_t, 512> head;
  const auto drained = port_.drain(timing_.gap, steady_clock::now() + timing_.timeout / 2, head);
  last_byte_ = steady_clock::now();
  if (drained.lost) return lost("the line hung up");
  if (stop_.requested()) return stopping();
  if (!drained.silent) return failed(Failure::BadReply, "the line does not fall silent");
  settle_drained(head, drained);
  return {};
}

void LineClient::settle_drained(std::span<const std::uint8_t> head, const Drained& drained) {
  owed_.settle_frames(framer_->frames_in(head.first(std::min(head.size(), drained.bytes))));
}

tl::expected<void, Fault> LineClient::send(std::uint8_t unit, std::span<const std::uint8_t> pdu) {
  std::array<std::uint8_t, kMaxFrame> bytes{unit};
  std::ranges::copy(pdu, bytes.begin() + 1);
  const auto request = std::span(bytes).first(pdu.size() + 1);
  port_.begin_send();
  const int error = framer_->send(request);
  if (error == 0 && port_.traced()) port_.note(WireEvent::Kind::Sent, framer_->image(request));
  port_.end_send();
  if (error == 0) {
    return timing_.echo ? hear_echo(request) : tl::expected<void, Fault>{};
  }
  auto fault = lost(error == EAGAIN ? "the line takes no more bytes" : std::strerror(error));
  fault.value().sent = error == EAGAIN;
  return fault;
}

/// Takes what was sent off the wire again. Something else instead of it is a late answer or a second master: then it is
/// not known what is still to come.
tl::expected<void, Fault> LineClient::hear_echo(std::span<const std::uint8_t> request) {
  const auto wanted = framer_->image(request);
  const auto deadline = after(steady_clock::now(), on_the_line(request.subspan(1)) + timing_.timeout);
  std::vector<std::uint8_t> heard(wanted.size());
  for (std::size_t size = 0; size < heard.size();) {
    const auto woke = stop_.wait(port_.descriptor(), POLLIN, deadline);
    if (woke == Woke::Stopped) return stopping();
    if (woke == Woke::Deadline) break;
    const auto got = port_.read(std::span(heard).subspan(size));
    if (!got) return lost(got.error());
    size += *got;
  }
  last_byte_ = steady_clock::now();
  if (heard == wanted) return {};
  quieten(timing_.timeout / 2);
  auto fault = failed(Failure::BadReply, "the line does not echo what was sent");
  fault.value().sent = true;
  return fault;
}

std::chrono::nanoseconds LineClient::on_the_line(std::span<const std::uint8_t> pdu) const {
  return static_cast<std::int64_t>(framer_->wire_size(pdu.size() + kPduOverhead)) * timing_.character;
}

std::size_t LineClient::buffered() const {
  int count = 0;
  return ::ioctl(port_.descriptor(), FIONREAD, &count) == 0 && count > 0 ? static_cast<std::size_t>(count) : 0;
}

/// Everybody executes it and nobody answers (Modbus over serial line V1.02 2.1): the wire is held until they have.
tl::expected<void, Fault> LineClient::broadcast(std::span<const std::uint8_t> pdu) {
  if (auto quiet = hush(); !quiet) return quiet;
  if (auto sent = send(0, pdu); !sent) return sent;
  last_byte_ = after(steady_clock::now(), (timing_.echo ? 0ns : on_the_line(pdu)) + timing_.turnaround);
  if (stop_.sleep_until(last_byte_) == Woke::Stopped) return stopping();
  return tl::unexpected(Fault{Failure::Timeout, "a broadcast: no unit confirms it", 0, true});
}

/// Until the first byte, by `deadline`, and then until `bytes` are there or a pause has ended the frame.
Woke LineClient::await(std::size_t bytes, TimePoint deadline) const {
  const auto first = stop_.wait(port_.descriptor(), POLLIN, deadline);
  if (first != Woke::Ready) return first;
  auto last_growth = steady_clock::now();
  for (std::size_t before = 0;;) {
    const auto now = steady_clock::now();
    const auto there = buffered();
    if (there >= bytes || there == 0) return Woke::Ready;  // 0: a hang-up, which receiving tells apart
    if (there != before) last_growth = now;
    before = there;
    // Five bytes may be a whole exception answer, for which a longer wait would be lost time.
    const auto pause =
        there == framer_->wire_size(kRefusalSize) ? std::max<std::chrono::nanoseconds>(timing_.gap, 3ms) : kFrameBreak;
    if (now - last_growth >= pause) return Woke::Ready;
    const auto missing = static_cast<int>(bytes - there) * timing_.character;
    const auto nap = std::clamp<std::chrono::nanoseconds>(missing, 100us, pause);
    if (stop_.sleep_until(after(now, nap)) == Woke::Stopped) return Woke::Stopped;
  }
}

LineClient::Verdict LineClient::receive(const AnswerShape& shape) {
  const auto received = framer_->receive();
  if (port_.traced()) port_.note(WireEvent::Kind::Received, framer_->taken());
  last_byte_ = steady_clock::now();
  if (received == Framer::Received::Lost) return Verdict::Lost;
  if (received == Framer::Received::Nonsense) return Verdict::Garbage;
  const auto& frame = framer_->frame;
  framer_->error = "answer to another request";
  if (received == Framer::Received::OtherUnit) return judge_other_unit();
  if (frame[0] != shape.unit) return Verdict::Garbage;  // the broadcast address
  if (frame[1] == (shape.function | kRefused)) return Verdict::Refusal;
  const auto found = shape_of(frame);
  if (found == shape) return Verdict::Answer;
  if (owed_.settle(found)) return Verdict::Late;
  const auto refused = static_cast<std::uint8_t>(frame[1] & ~kRefused);
  if (refused == frame[1] || !owed_.holds(shape.unit, refused)) return Verdict::Garbage;
  owed_.settle_oldest(shape.unit, refused);
  return Verdict::Late;
}

/// Another unit's frame is late when that unit owes one; libmodbus has not looked at its CRC.
LineClient::Verdict LineClient::judge_other_unit() {
  const std::span<const std::uint8_t> frame(framer_->frame);
  const auto size = std::min(size_of(shape_of(frame)), frame.size());
  if (crc16(frame.first(size)) != 0 || !owed_.holds(frame[0])) return Verdict::Garbage;
  owed_.settle_frames(frame.first(size));
  return Verdict::Late;
}

/// Something came that is no answer to us; ours may be a part of it, or still follow.
tl::unexpected<Fault> LineClient::discard(const AnswerShape& shape) {
  const std::string why = framer_->error;
  owed_.add(shape);
  quieten(timing_.timeout / 2);
  return failed(Failure::BadReply, why);
}

/// No answer came. Gives it a little longer before the wire is used again, so that it does not run into the next
/// request; not for a unit that owes one already: it is probably dead, and must cost the others one timeout and no
/// more.
void LineClient::hold(const AnswerShape& shape) {
  const bool first_miss = !owed_.holds(shape.unit);
  owed_.add(shape);
  if (!first_miss) return;
  if (stop_.wait(port_.descriptor(), POLLIN, steady_clock::now() + timing_.timeout / 4) == Woke::Ready) {
    quieten(timing_.timeout / 2);
  }
}

/// Drains to silence, for less than a timeout. A port that is lost meanwhile shows at the next request.
void LineClient::quieten(std::chrono::milliseconds longest) {
  std::array<std::uint8_t, 512> head;
  const auto silence =
      std::max<std::chrono::nanoseconds>(timing_.gap, std::min<std::chrono::milliseconds>(20ms, longest));
  const auto drained = port_.drain(silence, steady_clock::now() + longest, head);
  settle_drained(head, drained);
  last_byte_ = steady_clock::now();
}

}  // namespace ferrule::drivers::modbus

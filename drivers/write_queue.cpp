#include "drivers/write_queue.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <system_error>
#include <utility>

namespace ferrule::drivers {

namespace {

using std::chrono::milliseconds;

constexpr int kReadbacks = 4;  // within the time that the device is given
constexpr milliseconds kLeastPause{50};

void finish(const WriteRequest& request, const WriteResult& result) {
  if (request.done) request.done(result);
}

}  // namespace

std::string_view name(Outcome outcome) {
  switch (outcome) {
    case Outcome::Ok:
      return "ok";
    case Outcome::Rejected:
      return "rejected";
    case Outcome::Timeout:
      return "timeout";
    case Outcome::Uncertain:
      return "uncertain";
  }
  return "uncertain";
}

// Modbus AP v1.1b3 7 says of which refusals that nothing was done: of 04 (failed while performing it), 05 (still
// performing it) and 0B (the target did not answer the gateway) it does not.
WriteResult result_of(const Fault& fault) {
  const auto outcome = [&] {
    switch (fault.exception) {
      case 0x00:
        if (fault.failure == Failure::PointRejected) return Outcome::Rejected;
        return fault.sent ? Outcome::Uncertain : Outcome::Timeout;
      case 0x01:
      case 0x02:
      case 0x03:
      case 0x06:
        return Outcome::Rejected;
      case 0x0A:
        return Outcome::Timeout;
      default:
        return Outcome::Uncertain;
    }
  }();
  return {outcome, fault.detail};
}

WriteQueue::WriteQueue(Driver& driver, const Clock& clock)
    : driver_(driver), clock_(clock), doorbell_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (doorbell_ < 0) throw std::system_error(errno, std::system_category(), "eventfd");
  // Low numbers are for the ports, see StopSignal.
  const int high = ::fcntl(doorbell_, F_DUPFD_CLOEXEC, FD_SETSIZE);
  if (high < 0) return;
  ::close(doorbell_);
  doorbell_ = high;
}

WriteQueue::~WriteQueue() { ::close(doorbell_); }

bool WriteQueue::push(WriteRequest&& request) {
  const std::lock_guard lock(mutex_);
  if (closed_ || pushed_.size() >= kMost) return false;
  pushed_.push_back(std::move(request));
  ring();
  return true;
}

void WriteQueue::ring() const {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(doorbell_, &one, sizeof one);  // fails only when it is ringing already
}

void WriteQueue::take_in() {
  std::uint64_t rings = 0;
  [[maybe_unused]] const auto got = ::read(doorbell_, &rings, sizeof rings);
  const std::lock_guard lock(mutex_);
  // What waits here counts too: a port that is closed for long must not let the queue grow.
  while (!pushed_.empty() && waiting_.size() + readbacks_.size() < kMost) {
    waiting_.push_back(std::move(pushed_.front()));
    pushed_.pop_front();
  }
}

/// Of several writes to one point the last one is meant.
void WriteQueue::drop_superseded() {
  for (auto request = waiting_.begin(); request != waiting_.end();) {
    const auto same_point = [&](const WriteRequest& later) { return later.point == request->point; };
    if (std::none_of(std::next(request), waiting_.end(), same_point)) {
      ++request;
    } else {
      finish(*request, {Outcome::Rejected, "superseded by a later command"});
      request = waiting_.erase(request);
    }
  }
}

std::optional<Fault> WriteQueue::serve(std::vector<PointIndex>& written) {
  take_in();
  drop_superseded();
  lost_.reset();
  const auto now = clock_.now();
  std::erase_if(waiting_, [&](const WriteRequest& request) {
    if (request.deadline > now) return false;
    finish(request, {Outcome::Timeout, driver_.is_open() ? "the bus was busy until the deadline"
                                                         : "the port was not open until the deadline"});
    return true;
  });
  while (driver_.is_open() && !waiting_.empty()) {
    auto request = std::move(waiting_.front());
    waiting_.pop_front();
    send(std::move(request), written);
  }
  std::erase_if(readbacks_, [&](Readback& readback) { return readback.next <= clock_.now() && read_back(readback); });
  return std::exchange(lost_, std::nullopt);
}

void WriteQueue::send(WriteRequest&& request, std::vector<PointIndex>& written) {
  const auto result = driver_.write(request.point, request.value);
  if (!result) {
    if (!driver_.is_open()) lost_ = result.error();
    finish(request, result_of(result.error()));
    return;
  }
  written.push_back(request.point);
  if (request.readback.count() == 0) {
    finish(request, {});
    return;
  }
  const auto now = clock_.now();
  readbacks_.push_back({std::move(request), now, now});
  readbacks_.back().until += readbacks_.back().request.readback;
}

/// Whether it is over.
bool WriteQueue::read_back(Readback& readback) {
  std::string why = "the port was lost before it could be read back";
  std::optional<Value> value;
  if (driver_.is_open()) {
    auto held = driver_.read_back(readback.request.point, readback.request.value);
    if (held) value = std::move(held->value);
    if (held && held->as_written) {
      finish(readback.request, {Outcome::Ok, {}, std::move(value)});
      return true;
    }
    if (!held && !driver_.is_open()) lost_ = held.error();
    why = held ? "the device confirmed it, but it reads back otherwise" : "not read back: " + held.error().detail;
  }
  const auto now = clock_.now();
  if (now >= readback.until) {
    finish(readback.request, {Outcome::Uncertain, why, std::move(value)});
    return true;
  }
  readback.next = std::min(readback.until, now + std::max(kLeastPause, readback.request.readback / kReadbacks));
  return false;
}

TimePoint WriteQueue::next() const {
  auto next = TimePoint::max();
  for (const auto& request : waiting_) next = std::min(next, request.deadline);
  for (const auto& readback : readbacks_) next = std::min(next, readback.next);
  return next;
}

void WriteQueue::close() {
  take_in();
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    for (auto& request : pushed_) waiting_.push_back(std::move(request));
    pushed_.clear();
  }
  for (const auto& request : std::exchange(waiting_, {})) finish(request, {Outcome::Timeout, "the gateway stops"});
  for (const auto& readback : std::exchange(readbacks_, {})) {
    finish(readback.request, {Outcome::Uncertain, "the gateway stops before it was read back"});
  }
}

}  // namespace ferrule::drivers

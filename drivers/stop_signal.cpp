#include "drivers/stop_signal.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

namespace ferrule::drivers {

namespace {

timespec time_left(TimePoint deadline) {
  using namespace std::chrono;
  const auto left = std::max(deadline - steady_clock::now(), steady_clock::duration::zero());
  const auto whole = duration_cast<seconds>(left);
  return {static_cast<time_t>(whole.count()), static_cast<long>(duration_cast<nanoseconds>(left - whole).count())};
}

}  // namespace

StopSignal::StopSignal() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (event_ < 0) throw std::system_error(errno, std::system_category(), "eventfd");
  // Low numbers are for the ports: libmodbus waits with select(), which ends at FD_SETSIZE.
  const int high = ::fcntl(event_, F_DUPFD_CLOEXEC, FD_SETSIZE);
  if (high < 0) return;  // the process's limit is lower: stay where we are
  ::close(event_);
  event_ = high;
}

StopSignal::~StopSignal() { ::close(event_); }

void StopSignal::request() {
  requested_ = true;
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(event_, &one, sizeof one);  // fails only when it is already signalled
}

Woke StopSignal::wait(int descriptor, short events, TimePoint deadline, int doorbell) const {
  moves(std::max(deadline, std::chrono::steady_clock::now()));
  const auto woke = sleep(descriptor, events, deadline, doorbell);
  moves();
  return woke;
}

Woke StopSignal::sleep(int descriptor, short events, TimePoint deadline, int doorbell) const {
  // A negative descriptor is one that ppoll ignores.
  std::array<pollfd, 3> polls{pollfd{event_, POLLIN, 0}, pollfd{descriptor, events, 0}, pollfd{doorbell, POLLIN, 0}};
  for (;;) {
    const timespec left = time_left(deadline);
    const int ready = ::ppoll(polls.data(), polls.size(), &left, nullptr);
    if (ready < 0) continue;  // EINTR: nothing else can go wrong with valid descriptors
    if (polls[0].revents != 0) return Woke::Stopped;
    if (polls[1].revents != 0) return Woke::Ready;
    if (ready > 0) return Woke::Rung;
    return Woke::Deadline;
  }
}

}  // namespace ferrule::drivers

#include "drivers/port.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace ferrule::drivers {

tl::expected<std::size_t, std::string> Port::read(std::span<std::uint8_t> bytes) {
  auto got = receive(bytes);
  if (got) note(WireEvent::Kind::Received, bytes.first(*got));
  return got;
}

tl::expected<void, Fault> Port::write(std::span<const std::uint8_t> bytes) {
  auto sent = transmit(bytes);
  if (sent) note(WireEvent::Kind::Sent, bytes);
  return sent;
}

tl::expected<std::size_t, std::string> Port::receive(std::span<std::uint8_t> bytes) {
  const auto got = ::read(descriptor_, bytes.data(), bytes.size());
  if (got > 0) return static_cast<std::size_t>(got);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  return tl::unexpected<std::string>(got == 0 ? "connection closed by the peer" : std::strerror(errno));
}

tl::expected<void, Fault> Port::transmit(std::span<const std::uint8_t> bytes) {
  const auto sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (sent == static_cast<ssize_t>(bytes.size())) return {};
  const bool full = sent >= 0 || errno == EAGAIN;
  return tl::unexpected(
      Fault{Failure::PortLost, full ? "the peer takes no more requests" : std::strerror(errno), 0, sent > 0});
}

Drained Port::drain(std::chrono::nanoseconds silence, TimePoint deadline, std::span<std::uint8_t> head) const {
  Drained drained;
  std::array<std::uint8_t, 256> bytes;
  for (;;) {
    const auto now = std::chrono::steady_clock::now();
    const auto quiet_at = now + std::chrono::duration_cast<TimePoint::duration>(silence);
    const auto woke = stop_.wait(descriptor_, POLLIN, std::min(quiet_at, std::max(deadline, now)));
    if (woke == Woke::Stopped) return drained;
    if (woke == Woke::Deadline) {
      drained.silent = quiet_at <= deadline;
      return drained;
    }
    const auto got = ::read(descriptor_, bytes.data(), bytes.size());
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (got <= 0) {
      drained.lost = true;
      return drained;
    }
    const auto taken = static_cast<std::size_t>(got);
    note(WireEvent::Kind::Received, std::span(bytes).first(taken));
    if (drained.bytes < head.size()) {
      const auto kept = std::min(taken, head.size() - drained.bytes);
      std::copy_n(bytes.begin(), kept, head.begin() + static_cast<std::ptrdiff_t>(drained.bytes));
    }
    drained.bytes += taken;
    if (std::chrono::steady_clock::now() >= deadline) return drained;  // a babbling line must not hold us
  }
}

}  // namespace ferrule::drivers

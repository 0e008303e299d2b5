#include "gateway/service_manager.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string_view>

namespace ferrule::gateway {

namespace {

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view{} : value;
}

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || result.ec != std::errc{} || result.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

/// When the manager does not read: what is told again soon must not hold up the loop.
enum class May : std::uint8_t { Wait, BeLost };

/// One datagram of assignments to the socket that NOTIFY_SOCKET names: a path, or `@` and an abstract name
/// (sd_notify(3)).
void notify(std::string_view assignments, May may) {
  const auto name = variable("NOTIFY_SOCKET");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (name.size() < 2 || name.size() >= sizeof address.sun_path || (name[0] != '/' && name[0] != '@')) return;
  name.copy(address.sun_path, name.size());
  if (name[0] == '@') address.sun_path[0] = '\0';
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  const int descriptor = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return;
  ::sendto(descriptor, assignments.data(), assignments.size(), MSG_NOSIGNAL | (may == May::BeLost ? MSG_DONTWAIT : 0),
           reinterpret_cast<const sockaddr*>(&address), length);
  ::close(descriptor);
}

}  // namespace

void ServiceManager::ready(const std::string& status) const {
  notify(fmt::format("READY=1\nSTATUS={}", status), May::Wait);
}

void ServiceManager::status(const std::string& status) const { notify(fmt::format("STATUS={}", status), May::BeLost); }

void ServiceManager::stopping() const { notify("STOPPING=1\nSTATUS=stopping", May::Wait); }

void ServiceManager::alive() const { notify("WATCHDOG=1", May::BeLost); }

std::chrono::milliseconds ServiceManager::watchdog_period() const {
  const auto process = number(variable("WATCHDOG_PID"));  // sd_watchdog_enabled(3): meant for that process only
  if (process && *process != ::getpid()) return {};
  const auto microseconds = number(variable("WATCHDOG_USEC"));
  return std::chrono::milliseconds{microseconds && *microseconds > 0 ? *microseconds / 2000 : 0};
}

}  // namespace ferrule::gateway

#include "mqtt/listening_socket.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace ferrule::mqtt {

namespace {

constexpr int kBacklog = 4096;  // the kernel lowers it to net.core.somaxconn

[[noreturn]] void refuse(const ListenSettings& settings, const std::string& message) {
  throw config::Error(settings.where, settings.setting, message, EX_UNAVAILABLE);
}

[[noreturn]] void refuse_bind(const ListenSettings& settings, int error) {
  const auto name = place(settings);
  switch (error) {
    case EADDRINUSE:
      refuse(settings, fmt::format("{} is in use by another program", name));
    case EADDRNOTAVAIL:
      refuse(settings, fmt::format("{}: this machine has no address {}", name, settings.bind));
    case EACCES:
      refuse(settings, settings.unix_path.empty()
                           ? fmt::format("{}: permission denied; ports below 1024 need CAP_NET_BIND_SERVICE", name)
                           : fmt::format("{}: permission denied", name));
    default:
      refuse(settings, fmt::format("cannot listen on {}: {}", name, std::strerror(error)));
  }
}

/// Owns a descriptor until something else takes it over.
class Descriptor {
 public:
  explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
  ~Descriptor() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return descriptor_; }
  int release() { return std::exchange(descriptor_, -1); }

 private:
  int descriptor_;
};

struct Resolved {
  sockaddr_storage address{};
  socklen_t size = 0;
};

Resolved resolve(const ListenSettings& settings) {
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(settings.bind.c_str(), std::to_string(settings.port).c_str(), &hints, &found);
  if (error != 0) refuse(settings, fmt::format("cannot listen on {}: {}", place(settings), ::gai_strerror(error)));
  Resolved resolved;
  resolved.size = found->ai_addrlen;
  std::memcpy(&resolved.address, found->ai_addr, found->ai_addrlen);
  ::freeaddrinfo(found);
  return resolved;
}

int open_tcp(const ListenSettings& settings) {
  Resolved resolved = resolve(settings);
  Descriptor descriptor(::socket(resolved.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (descriptor.get() < 0) refuse_bind(settings, errno);
  const int on = 1;
  ::setsockopt(descriptor.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  // Without `dual_stack`, "::" means IPv6 only: whoever lists both gets a port in use reported for each.
  const int only_v6 = settings.dual_stack ? 0 : 1;
  if (resolved.address.ss_family == AF_INET6) {
    ::setsockopt(descriptor.get(), IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, sizeof only_v6);
  }
  if (::bind(descriptor.get(), reinterpret_cast<sockaddr*>(&resolved.address), resolved.size) != 0) {
    refuse_bind(settings, errno);
  }
  if (::listen(descriptor.get(), kBacklog) != 0) refuse_bind(settings, errno);
  return descriptor.release();
}

sockaddr_un unix_address(const ListenSettings& settings) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (settings.unix_path.size() >= sizeof address.sun_path) refuse_bind(settings, ENAMETOOLONG);
  std::memcpy(address.sun_path, settings.unix_path.data(), settings.unix_path.size());
  return address;
}

/// What a program that was killed leaves at the path would be in the way for ever.
void remove_stale(const ListenSettings& settings, const sockaddr_un& address) {
  struct stat status {};
  if (::lstat(address.sun_path, &status) != 0) return;
  if (!S_ISSOCK(status.st_mode)) refuse(settings, fmt::format("{} exists and is no socket", settings.unix_path));
  const Descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int status_of_connect =
      ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? 0 : errno;
  if (status_of_connect != ECONNREFUSED) refuse_bind(settings, EADDRINUSE);
  ::unlink(address.sun_path);
}

int open_unix(const ListenSettings& settings) {
  const sockaddr_un address = unix_address(settings);
  remove_stale(settings, address);
  Descriptor descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (descriptor.get() < 0 ||
      ::bind(descriptor.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    refuse_bind(settings, errno);
  }
  // Nobody can connect before `listen`.
  if (::chmod(address.sun_path, settings.mode) != 0 || ::listen(descriptor.get(), kBacklog) != 0) {
    const int error = errno;
    ::unlink(address.sun_path);
    refuse_bind(settings, error);
  }
  return descriptor.release();
}

/// The only descriptor with that name that systemd passed, or -1; -2 when there are several (sd_listen_fds(3)).
int find_inherited(const std::string& name) {
  constexpr int kFirst = 3;
  const auto variable = [](const char* key) {
    const char* value = std::getenv(key);
    return std::string(value == nullptr ? "" : value);
  };
  if (variable("LISTEN_PID") != std::to_string(::getpid())) return -1;  // meant for another process
  const int count = std::atoi(variable("LISTEN_FDS").c_str());
  const auto names = variable("LISTEN_FDNAMES") + ":";
  int found = -1;
  std::size_t begin = 0;
  for (int i = 0; i < count && begin < names.size(); ++i) {
    const auto end = names.find(':', begin);
    if (name == names.substr(begin, end - begin)) found = found == -1 ? kFirst + i : -2;
    begin = end + 1;
  }
  return found;
}

bool is_listening_stream(int descriptor) {
  int type = 0, accepts = 0;
  socklen_t size = sizeof type;
  return ::getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM &&
         ::getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &size) == 0 && accepts != 0;
}

int take_from_systemd(const ListenSettings& settings) {
  const int descriptor = find_inherited(settings.systemd);
  if (descriptor == -1) {
    refuse(settings,
           fmt::format("systemd passed no socket \"{}\": is its .socket unit, with FileDescriptorName={}, started?",
                       settings.systemd, settings.systemd));
  }
  if (descriptor == -2) {
    refuse(settings, fmt::format("systemd passed several sockets \"{}\": give each a FileDescriptorName of its own",
                                 settings.systemd));
  }
  if (!is_listening_stream(descriptor)) {
    refuse(settings, fmt::format("the socket \"{}\" from systemd is no ListenStream= socket", settings.systemd));
  }
  ::fcntl(descriptor, F_SETFL, ::fcntl(descriptor, F_GETFL) | O_NONBLOCK);
  return ::fcntl(descriptor, F_DUPFD_CLOEXEC, 0);  // the listener closes its own; systemd's stays for another start
}

}  // namespace

int open_listening(const ListenSettings& settings) {
  if (!settings.systemd.empty()) return take_from_systemd(settings);
  return settings.unix_path.empty() ? open_tcp(settings) : open_unix(settings);
}

}  // namespace ferrule::mqtt

#include "tests/bridge/cable.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <stdexcept>
#include <utility>
#include <vector>

namespace ferrule::bridge::testing {

namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int listen_on(std::uint16_t& port) {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int yes = 1;
  setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  auto address = loopback(port);
  socklen_t size = sizeof address;
  if (bind(descriptor, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(descriptor, 16) != 0) {
    throw std::runtime_error("the cable's port is taken");
  }
  getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size);
  port = ntohs(address.sin_port);
  return descriptor;
}

/// What is there, in one piece; false at the end.
bool pass_on(int from, int to) {
  std::array<char, 65536> buffer;
  const auto size = recv(from, buffer.data(), buffer.size(), 0);
  return size > 0 && send(to, buffer.data(), static_cast<std::size_t>(size), MSG_NOSIGNAL) == size;
}

[[noreturn]] void relay(int listening, std::uint16_t target) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::vector<std::pair<int, int>> pairs;
  for (;;) {
    std::vector<pollfd> ready{{listening, POLLIN, 0}};
    for (const auto& [a, b] : pairs) {
      ready.push_back({a, POLLIN, 0});
      ready.push_back({b, POLLIN, 0});
    }
    poll(ready.data(), ready.size(), -1);
    for (std::size_t i = pairs.size(); i-- > 0;) {
      const auto [a, b] = pairs[i];
      const bool open =
          (ready[1 + 2 * i].revents == 0 || pass_on(a, b)) && (ready[2 + 2 * i].revents == 0 || pass_on(b, a));
      if (open) continue;
      ::close(a);
      ::close(b);
      pairs.erase(pairs.begin() + static_cast<std::ptrdiff_t>(i));
    }
    if (ready[0].revents == 0) continue;
    const int one = accept(listening, nullptr, nullptr);
    const int other = socket(AF_INET, SOCK_STREAM, 0);
    const auto address = loopback(target);
    if (connect(other, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
      pairs.emplace_back(one, other);
    } else {
      ::close(one);
      ::close(other);
    }
  }
}

}  // namespace

Cable::Cable(std::uint16_t port) : target_(port) { mend(); }

Cable::~Cable() { cut(); }

void Cable::mend() {
  if (process_ > 0) return;
  const int listening = listen_on(port_);
  process_ = fork();
  if (process_ == 0) relay(listening, target_);
  ::close(listening);
}

void Cable::cut() {
  if (process_ <= 0) return;
  kill(process_, SIGKILL);
  waitpid(process_, nullptr, 0);
  process_ = -1;
}

}  // namespace ferrule::bridge::testing

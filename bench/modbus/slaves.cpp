#include "bench/modbus/slaves.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <map>
#include <span>
#include <stdexcept>
#include <system_error>

#include "drivers/modbus/owed.hpp"

namespace ferrule::bench {

namespace {

using std::chrono::nanoseconds;
using std::chrono::steady_clock;

constexpr int kBitsPerByte = 11;
constexpr std::size_t kFifo = 8;  // bytes that an adapter hands over together
constexpr std::size_t kReadRequest = 8;

std::system_error failed(const char* what) { return {errno, std::generic_category(), what}; }

nanoseconds character(int baud) { return nanoseconds(std::chrono::seconds(1)) * kBitsPerByte / baud; }

nanoseconds silence(int baud) {
  return baud > 19200 ? nanoseconds(std::chrono::microseconds(1750)) : character(baud) * 7 / 2;
}

void die_with_parent() {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_TIMERSLACK, 1);
}

/// Unit, function, byte count and registers.
std::vector<std::uint8_t> answer_to(std::span<const std::uint8_t> request, std::uint16_t number) {
  const std::size_t registers = request[5];
  std::vector<std::uint8_t> answer{request[0], request[1], static_cast<std::uint8_t>(2 * registers)};
  for (std::size_t i = 0; i < registers; ++i) {
    answer.push_back(static_cast<std::uint8_t>(number >> 8));
    answer.push_back(static_cast<std::uint8_t>(number));
  }
  return answer;
}

// --- TCP

struct Connection {
  std::vector<std::uint8_t> input;
};

void serve_connection(int descriptor, Connection& connection, std::uint16_t& number) {
  std::array<std::uint8_t, 4096> bytes;
  const auto got = recv(descriptor, bytes.data(), bytes.size(), 0);
  if (got <= 0) {
    close(descriptor);
    return;
  }
  auto& input = connection.input;
  input.insert(input.end(), bytes.begin(), bytes.begin() + got);
  std::vector<std::uint8_t> output;
  std::size_t taken = 0;
  for (; input.size() - taken >= 12; taken += 12) {
    const std::span<const std::uint8_t> request(input.data() + taken, 12);
    const auto answer = answer_to(request.subspan(6), ++number);
    output.insert(output.end(), request.begin(), request.begin() + 4);
    output.push_back(static_cast<std::uint8_t>(answer.size() >> 8));
    output.push_back(static_cast<std::uint8_t>(answer.size()));
    output.insert(output.end(), answer.begin(), answer.end());
  }
  input.erase(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(taken));
  [[maybe_unused]] const auto sent = send(descriptor, output.data(), output.size(), MSG_NOSIGNAL);
}

[[noreturn]] void serve_tcp(std::size_t count, int output) {
  die_with_parent();
  const rlimit descriptors{8192, 8192};
  setrlimit(RLIMIT_NOFILE, &descriptors);
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  std::map<int, bool> listeners;
  const auto watch = [epoll](int descriptor) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = descriptor;
    return epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) == 0;
  };
  for (std::size_t i = 0; i < count; ++i) {
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (bind(listener, generic, size) != 0 || listen(listener, 4) != 0 || getsockname(listener, generic, &size) != 0 ||
        !watch(listener)) {
      _exit(1);
    }
    listeners[listener] = true;
    const auto port = ntohs(address.sin_port);
    if (write(output, &port, sizeof port) != sizeof port) _exit(1);
  }
  std::map<int, Connection> connections;
  std::uint16_t number = 0;
  std::array<epoll_event, 64> events;
  for (;;) {
    const int ready = epoll_wait(epoll, events.data(), events.size(), -1);
    for (const auto& event : std::span(events).first(static_cast<std::size_t>(std::max(ready, 0)))) {
      const int descriptor = event.data.fd;
      if (!listeners.contains(descriptor)) {
        serve_connection(descriptor, connections[descriptor], number);
        continue;
      }
      const int peer = accept4(descriptor, nullptr, nullptr, SOCK_CLOEXEC);
      const int on = 1;
      setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      connections[peer] = {};
      watch(peer);
    }
  }
}

// --- serial line

void sleep_until(steady_clock::time_point moment) {
  const auto since = moment.time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
  const timespec when{seconds.count(), (since - seconds).count()};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, nullptr) == EINTR) continue;
}

/// Hands over the bytes as they would have come in, the line's rate being what it is.
void write_paced(int master, std::span<const std::uint8_t> bytes, steady_clock::time_point begin, nanoseconds byte) {
  for (std::size_t sent = 0; sent < bytes.size();) {
    const auto chunk = std::min(kFifo, bytes.size() - sent);
    sleep_until(begin + static_cast<std::int64_t>(sent + chunk) * byte);
    const auto written = write(master, bytes.data() + sent, chunk);
    if (written <= 0) return;
    sent += static_cast<std::size_t>(written);
  }
}

std::size_t size_of_request(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < 7) return kReadRequest;
  return bytes[1] == 16 ? 9U + bytes[6] : kReadRequest;
}

[[noreturn]] void serve_line(int master, int baud, int units, int dead) {
  die_with_parent();
  const auto byte = character(baud);
  std::vector<std::uint8_t> input;
  std::array<std::uint8_t, 256> bytes;
  std::uint16_t number = 0;
  for (;;) {
    const auto got = read(master, bytes.data(), bytes.size());
    if (got <= 0) {
      usleep(10'000);  // nobody has the line open
      continue;
    }
    const auto began =
        steady_clock::now();  // a pseudo-terminal hands over at once what the line would take its time for
    input.insert(input.end(), bytes.begin(), bytes.begin() + got);
    const auto size = size_of_request(input);
    if (input.size() < size) continue;
    std::vector<std::uint8_t> answer;
    if (input[1] == 3 || input[1] == 4) answer = answer_to(input, ++number);
    if (input[1] == 6 || input[1] == 16) answer.assign(input.begin(), input.begin() + 6);
    const bool silent = answer.empty() || input[0] == 0 || input[0] > units - dead;
    input.clear();
    if (silent) continue;
    const auto crc = drivers::modbus::crc16(answer);
    answer.push_back(static_cast<std::uint8_t>(crc));
    answer.push_back(static_cast<std::uint8_t>(crc >> 8));
    write_paced(master, answer, began + static_cast<std::int64_t>(size) * byte + silence(baud), byte);
  }
}

}  // namespace

Child::~Child() {
  kill(process_, SIGKILL);
  waitpid(process_, nullptr, 0);
}

TcpSlaves::TcpSlaves(std::size_t count) : started_(start(count)), child_(started_.process) {
  if (started_.ports.size() < count) throw std::runtime_error("the devices do not start");
}

TcpSlaves::Started TcpSlaves::start(std::size_t count) {
  int ends[2];
  if (pipe(ends) != 0) throw failed("pipe");
  Started started{fork(), {}};
  if (started.process == 0) serve_tcp(count, ends[1]);
  close(ends[1]);
  for (std::uint16_t port = 0; started.ports.size() < count && read(ends[0], &port, sizeof port) == sizeof port;) {
    started.ports.push_back(port);
  }
  close(ends[0]);
  return started;
}

LineSlaves::LineSlaves(int baud, int units, int dead) : started_(start(baud, units, dead)), child_(started_.process) {}

LineSlaves::Started LineSlaves::start(int baud, int units, int dead) {
  const int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  std::array<char, 128> path{};
  if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0 || ptsname_r(master, path.data(), path.size()) != 0) {
    throw failed("pseudo-terminal");
  }
  const int other = open(path.data(), O_RDWR | O_NOCTTY | O_CLOEXEC);  // the child keeps it open
  termios mode{};
  if (other < 0 || tcgetattr(other, &mode) != 0) throw failed(path.data());
  cfmakeraw(&mode);
  if (tcsetattr(other, TCSANOW, &mode) != 0) throw failed(path.data());
  Started started{fork(), path.data()};
  if (started.process == 0) serve_line(master, baud, units, dead);
  close(master);
  close(other);
  return started;
}

double ideal_transaction(int baud, int registers) {
  const auto frames = static_cast<std::int64_t>(kReadRequest) + 5 + 2 * registers;
  return std::chrono::duration<double>(frames * character(baud) + 2 * silence(baud)).count();
}

}  // namespace ferrule::bench

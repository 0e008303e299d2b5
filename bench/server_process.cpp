#include "bench/server_process.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <ctime>
#include <fstream>
#include <stdexcept>
#include <thread>

namespace ferrule::bench {

namespace {

using namespace std::chrono_literals;

bool listens(std::uint16_t port) {
  const int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool connected = connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  close(probe);
  return connected;
}

}  // namespace

ServerProcess::ServerProcess(const std::vector<std::string>& command, const std::string& log, std::uint16_t port)
    : began_(std::chrono::steady_clock::now()), process_(fork()) {
  if (process_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    const int output = open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    std::vector<char*> arguments;
    for (const auto& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
    arguments.push_back(nullptr);
    execvp(arguments.front(), arguments.data());
    _exit(127);
  }
  for (; !listens(port); std::this_thread::sleep_for(200us)) {
    if (waitpid(process_, nullptr, WNOHANG) != 0 || std::chrono::steady_clock::now() > began_ + 20s) {
      throw std::runtime_error(fmt::format("{} does not listen on port {}; see {}", command.front(), port, log));
    }
  }
}

ServerProcess::~ServerProcess() {
  kill(process_, SIGTERM);
  waitpid(process_, nullptr, 0);
}

std::chrono::nanoseconds ServerProcess::processor_time() const {
  clockid_t clock{};
  timespec used{};
  if (clock_getcpuclockid(process_, &clock) != 0 || clock_gettime(clock, &used) != 0) {
    throw std::runtime_error("the server under measurement has ended");
  }
  return std::chrono::seconds{used.tv_sec} + std::chrono::nanoseconds{used.tv_nsec};
}

std::int64_t ServerProcess::status(const std::string& key) const {
  std::ifstream file(fmt::format("/proc/{}/status", process_));
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(key + ':')) return std::stoll(line.substr(key.size() + 1));
  }
  return 0;
}

double ServerProcess::resident_megabytes() const { return static_cast<double>(status("VmRSS")) * 1024 / 1e6; }

int ServerProcess::threads() const { return static_cast<int>(status("Threads")); }

}  // namespace ferrule::bench

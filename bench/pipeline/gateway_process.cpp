#include "bench/pipeline/gateway_process.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <limits>
#include <sstream>
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

GatewayProcess::GatewayProcess(const std::string& binary, const std::string& file, const std::string& log,
                               std::uint16_t port)
    : process_(fork()) {
  if (process_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    const int output = open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    dup2(output, STDERR_FILENO);
    execl(binary.c_str(), binary.c_str(), "run", file.c_str(), nullptr);
    _exit(127);
  }
  for (const auto end = std::chrono::steady_clock::now() + 20s; !listens(port); std::this_thread::sleep_for(20ms)) {
    if (waitpid(process_, nullptr, WNOHANG) != 0 || std::chrono::steady_clock::now() > end) {
      throw std::runtime_error(fmt::format("{} does not listen on port {}; see {}", binary, port, log));
    }
  }
}

GatewayProcess::~GatewayProcess() {
  kill(process_, SIGTERM);
  waitpid(process_, nullptr, 0);
}

std::chrono::microseconds GatewayProcess::processor_time() const {
  std::ifstream file(fmt::format("/proc/{}/stat", process_));
  // proc(5): the program's name, in parentheses, is the second field; user and system time are the 14th and 15th.
  file.ignore(std::numeric_limits<std::streamsize>::max(), ')');
  std::string skipped;
  for (int field = 3; field < 14; ++field) file >> skipped;
  std::int64_t user = 0;
  std::int64_t system = 0;
  file >> user >> system;
  return std::chrono::microseconds{(user + system) * (1'000'000 / sysconf(_SC_CLK_TCK))};
}

std::int64_t GatewayProcess::status(const std::string& key) const {
  std::ifstream file(fmt::format("/proc/{}/status", process_));
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(key + ':')) return std::stoll(line.substr(key.size() + 1));
  }
  return 0;
}

double GatewayProcess::resident_megabytes() const { return static_cast<double>(status("VmRSS")) * 1024 / 1e6; }

int GatewayProcess::threads() const { return static_cast<int>(status("Threads")); }

}  // namespace ferrule::bench

// A server under measurement in a process of its own, and what the kernel says it uses.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace ferrule::bench {

class ServerProcess {
 public:
  /// Runs `command`; its output goes to the file `log`. Throws std::runtime_error when nothing listens on
  /// 127.0.0.1:`port` within 20 s.
  ServerProcess(const std::vector<std::string>& command, const std::string& log, std::uint16_t port);
  ~ServerProcess();  ///< SIGTERM, and waits
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  std::chrono::nanoseconds processor_time() const;  ///< user and system, of all threads so far
  double resident_megabytes() const;                ///< VmRSS, in MB of 1,000,000 bytes
  int threads() const;
  std::chrono::steady_clock::time_point began() const { return began_; }

 private:
  std::int64_t status(const std::string& key) const;  // a number of /proc/PID/status

  std::chrono::steady_clock::time_point began_;
  pid_t process_ = -1;
};

}  // namespace ferrule::bench

// The gateway under measurement, and what the kernel says it uses.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>

namespace ferrule::bench {

class GatewayProcess {
 public:
  /// Runs `binary run file`; its log goes to `log`. Throws std::runtime_error when it does not listen on `port` within
  /// 20 s.
  GatewayProcess(const std::string& binary, const std::string& file, const std::string& log, std::uint16_t port);
  ~GatewayProcess();  ///< SIGTERM, and waits
  GatewayProcess(const GatewayProcess&) = delete;
  GatewayProcess& operator=(const GatewayProcess&) = delete;

  std::chrono::microseconds processor_time() const;  ///< user and system, of all threads so far
  double resident_megabytes() const;                 ///< VmRSS, in MB of 1,000,000 bytes
  int threads() const;

 private:
  std::int64_t status(const std::string& key) const;  // a number of /proc/PID/status

  pid_t process_ = -1;
};

}  // namespace ferrule::bench

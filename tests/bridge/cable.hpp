// The cable between a gateway and its cloud: a TCP relay in a process of its own, which the test can cut.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace ferrule::bridge::testing {

class Cable {
 public:
  /// To `port` of 127.0.0.1. Must be made while the process has one thread, as `mend` must be called.
  explicit Cable(std::uint16_t port);
  ~Cable();
  Cable(const Cable&) = delete;
  Cable& operator=(const Cable&) = delete;

  void cut();  ///< connections break with what is under way on them, and new ones are refused
  void mend();
  std::string url() const { return "mqtt://127.0.0.1:" + std::to_string(port_); }

 private:
  const std::uint16_t target_;
  std::uint16_t port_ = 0;
  pid_t process_ = -1;
};

}  // namespace ferrule::bridge::testing

// A TCP relay that the demo can cut: the cable between the gateway and its cloud.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

namespace ferrule::gateway {

/// Listens on a free loopback port and relays each connection to `host:port` on a thread of its own, until destroyed.
/// While cut, it drops what is under way, closes its connections and refuses new ones.
class DemoLink {
 public:
  /// Throws std::runtime_error when no port can be had.
  DemoLink(std::string host, std::uint16_t port);
  ~DemoLink();
  DemoLink(const DemoLink&) = delete;
  DemoLink& operator=(const DemoLink&) = delete;

  std::uint16_t port() const { return port_; }
  void cut(bool cut) { cut_ = cut; }  ///< Any thread.

 private:
  void relay();

  const std::string host_;
  const std::uint16_t target_port_;
  std::uint16_t port_ = 0;
  int listening_ = -1;
  std::atomic<bool> cut_ = false;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace ferrule::gateway

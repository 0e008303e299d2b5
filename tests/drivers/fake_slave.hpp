// Modbus slaves for tests of a whole bus: on TCP and on a pseudo-terminal, with a function for a memory.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "scripted_peer.hpp"

namespace ferrule::drivers {

/// What a slave was asked: a read.
struct Asked {
  std::uint8_t unit = 0;
  std::uint8_t function = 0;
  std::uint16_t address = 0;
  std::uint16_t count = 0;
};

/// The answer from the unit id on, without transaction id or CRC; nothing for silence. Called on the slave's thread.
using Answering = std::function<std::optional<Bytes>(const Asked&)>;

/// Each register holds its own address.
std::optional<Bytes> answer_addresses(const Asked& asked);
Bytes refuse(const Asked& asked, std::uint8_t exception);

/// Listens on a free port of 127.0.0.1 and serves one connection after the other.
class TcpSlave {
 public:
  explicit TcpSlave(Answering answering, std::uint16_t port = 0);
  ~TcpSlave();

  std::uint16_t port() const { return port_; }
  int connections() const { return connections_; }
  bool drop_after_each_answer = false;  ///< to be set before the first connection

 private:
  void serve();
  void serve_connection(int connection);

  const Answering answering_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<int> connections_ = 0;
  std::atomic<bool> done_ = false;
  std::thread thread_;
};

/// Serves the master side of a pseudo-terminal.
class PtySlave {
 public:
  explicit PtySlave(Answering answering);
  ~PtySlave();

  const std::string& path() const { return path_; }

 private:
  void serve();

  const Answering answering_;
  int master_ = -1;
  std::string path_;
  std::atomic<bool> done_ = false;
  std::thread thread_;
};

}  // namespace ferrule::drivers

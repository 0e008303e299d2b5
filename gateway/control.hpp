// The control socket: what `ferrule status` and its kin ask the running gateway, one JSON object per line.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>

#include "config/error.hpp"
#include "gateway/control_commands.hpp"
#include "mqtt/listener.hpp"
#include "mqtt/loop.hpp"

namespace ferrule::gateway {

struct ControlCounters {
  std::uint64_t requests = 0;
  std::uint64_t bad_requests = 0;   ///< lines that are no request, or for a command that is not there
  std::uint64_t items_dropped = 0;  ///< of streams, because the client did not read
};

/// Listens on a Unix socket and hands each request to the handler of its command. Lines are up to 64 KiB, clients up to
/// 16, each with up to 16 requests under way; a client that does not read is not read from. docs/control.md has the
/// protocol. Broker thread; ends before whatever its handlers use.
class Control {
 public:
  /// Makes the socket's directory when it is missing. The socket belongs to the group of its directory, and nobody
  /// else may use it. Throws config::Error when it cannot be opened. `commands` outlives it.
  Control(mqtt::Loop& loop, const ControlCommands& commands, const std::string& path,
          const config::Location& where = {});
  ~Control();
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

  const std::string& path() const { return path_; }
  const ControlCounters& counters() const { return counters_; }

  class Connection;
  class Reply;

 private:
  void accept(std::unique_ptr<mqtt::Transport> transport);
  void serve(Connection& connection, std::string_view line);
  void forget(const Connection& connection);

  // Constant after construction.
  mqtt::Loop& loop_;
  const ControlCommands& commands_;
  const std::string path_;
  // Thread: broker.
  ControlCounters counters_;
  std::list<std::shared_ptr<Connection>> connections_;
  std::unique_ptr<mqtt::Listener> listener_;
};

}  // namespace ferrule::gateway

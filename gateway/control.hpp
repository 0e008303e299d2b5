// The control socket: what `ferrule status` and its kin ask the running gateway, one JSON object per line.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "config/error.hpp"
#include "mqtt/listener.hpp"
#include "mqtt/loop.hpp"

namespace ferrule::gateway {

struct ControlCounters {
  std::uint64_t requests = 0;
  std::uint64_t bad_requests = 0;   ///< lines that are no request, or for a command that is not there
  std::uint64_t items_dropped = 0;  ///< of streams, because the client did not read
};

/// One request to a command.
struct ControlRequest {
  const nlohmann::json& body;  ///< the whole object; its members are hostile until checked
  std::string who;             ///< for the audit: "uid 1000, process 4711"
};

/// Where the answers to one request go: any number of items, then one result or error. Copies are the same request's.
/// Lives as long as a handler keeps it; one that all let go of unanswered is answered with an error. Broker thread.
class ControlReply {
 public:
  class State;
  explicit ControlReply(std::shared_ptr<State> state);

  /// `{"id":..,"item":..}`. Dropped, and counted, while more than 1 MiB waits for the client to read. Sent from the
  /// loop, so that it may be called from anywhere in the broker.
  void item(const nlohmann::json& item);
  void result(const nlohmann::json& result);  ///< `{"id":..,"result":..}`
  /// `{"id":..,"error":{"code":..,"message":..}}`; the code is a word for programs, the message a sentence for people.
  void error(std::string_view code, std::string_view message);
  /// Called once when the client is gone before the answer was complete, so that a stream ends.
  void on_gone(std::function<void()> task);

 private:
  friend class Control;
  std::shared_ptr<State> state_;
};

/// Listens on a Unix socket and hands each request to the handler of its command. Lines are up to 64 KiB, clients up to
/// 16, each with up to 16 requests under way; a client that does not read is not read from. docs/control.md has the
/// protocol. Broker thread; ends before whatever its handlers use.
class Control {
 public:
  /// May answer at once or later, on the broker thread.
  using Handler = std::function<void(const ControlRequest&, ControlReply)>;

  /// Makes the socket's directory when it is missing. The socket belongs to the group `ferrule`, if there is one, and
  /// nobody else may use it. Throws config::Error when it cannot be opened.
  Control(mqtt::Loop& loop, const std::string& path, const config::Location& where = {});
  ~Control();
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

  void on(std::string command, Handler handler);
  const std::string& path() const { return path_; }
  const ControlCounters& counters() const { return counters_; }

  class Connection;

 private:
  void accept(std::unique_ptr<mqtt::Transport> transport);
  void serve(Connection& connection, std::string_view line);
  void forget(const Connection& connection);

  // Constant after construction.
  mqtt::Loop& loop_;
  const std::string path_;
  // Thread: broker.
  std::unordered_map<std::string, Handler> handlers_;
  ControlCounters counters_;
  std::list<std::shared_ptr<Connection>> connections_;
  std::unique_ptr<mqtt::Listener> listener_;
};

}  // namespace ferrule::gateway

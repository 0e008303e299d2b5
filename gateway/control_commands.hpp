// What an operator may ask of the running gateway, whatever carries the question: the control socket or HTTP.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <unordered_map>

namespace ferrule::gateway {

/// One request to a command.
struct ControlRequest {
  const nlohmann::json& body;  ///< the whole object; its members are hostile until checked
  std::string who;             ///< for the audit: "uid 1000, process 4711", "user anna (10.0.0.7)"
};

/// Where the answers to one request go: any number of items, then one result or error. Copies are the same request's.
/// Lives as long as a handler keeps it; one that all let go of unanswered is answered with an error. Broker thread.
class ControlReply {
 public:
  /// What carries the answers. Its destructor answers for a handler that did not.
  class State {
   public:
    State() = default;
    virtual ~State() = default;
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    virtual bool takes() { return true; }
    virtual void item(const nlohmann::json& item) = 0;
    virtual void result(const nlohmann::json& result) = 0;
    virtual void error(std::string_view code, std::string_view message) = 0;
    virtual void on_gone(std::function<void()> task) = 0;
  };
  explicit ControlReply(std::shared_ptr<State> state) : state_(std::move(state)) {}

  /// False: an item would be dropped now, and counts as one that was. So nobody needs to put it together.
  bool takes() { return state_->takes(); }
  /// Dropped, and counted, while too much waits for the client to read. Sent from the loop, so that it may be called
  /// from anywhere in the broker.
  void item(const nlohmann::json& item) { state_->item(item); }
  void result(const nlohmann::json& result) { state_->result(result); }
  /// The code is a word for programs, the message a sentence for people.
  void error(std::string_view code, std::string_view message) { state_->error(code, message); }
  /// Called once when the client is gone before the answer was complete, so that a stream ends.
  void on_gone(std::function<void()> task) { state_->on_gone(std::move(task)); }

 private:
  std::shared_ptr<State> state_;
};

/// The commands by name. Filled before anybody asks; handlers outlive whoever asks.
class ControlCommands {
 public:
  /// May answer at once or later, on the broker thread.
  using Handler = std::function<void(const ControlRequest&, ControlReply)>;

  void on(std::string command, Handler handler) { handlers_[std::move(command)] = std::move(handler); }
  /// Null: there is no such command.
  const Handler* find(const std::string& command) const {
    const auto found = handlers_.find(command);
    return found == handlers_.end() ? nullptr : &found->second;
  }

 private:
  std::unordered_map<std::string, Handler> handlers_;
};

}  // namespace ferrule::gateway

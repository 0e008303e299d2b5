// The command line's side of the control socket.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <tl/expected.hpp>

namespace ferrule::gateway {

/// Why there is no answer, and what to exit with.
struct ControlFailure {
  std::string code;  ///< the gateway's, or "unreachable", "not-permitted", "lost"
  std::string message;
  int exit_code = 0;  ///< of <sysexits.h>
};

/// Where the gateway's socket is when nobody says: $FERRULE_CONTROL, else the service's, else that in the state
/// directory of a gateway started by hand.
std::filesystem::path default_control_socket();

/// One connection; blocks. One request at a time.
class ControlClient {
 public:
  static constexpr std::chrono::seconds kPatience{10};

  /// EX_UNAVAILABLE when nobody listens there, EX_NOPERM when this user may not.
  static tl::expected<ControlClient, ControlFailure> connect(const std::filesystem::path& path);
  ~ControlClient();
  ControlClient(ControlClient&& other) noexcept;
  ControlClient& operator=(ControlClient&&) = delete;

  /// Sends a request, which needs no id, and waits for its result, at most ten seconds.
  tl::expected<nlohmann::json, ControlFailure> call(nlohmann::json request);
  /// The same for a stream: each item goes to `on_item`, which ends the stream by returning false; then the result is
  /// null. Waits for items as long as it takes.
  tl::expected<nlohmann::json, ControlFailure> stream(nlohmann::json request,
                                                      const std::function<bool(const nlohmann::json&)>& on_item);

 private:
  explicit ControlClient(int descriptor) : descriptor_(descriptor) {}
  tl::expected<nlohmann::json, ControlFailure> next_answer(std::chrono::milliseconds patience);
  bool send(const nlohmann::json& request);

  int descriptor_;
  std::string input_;
  int id_ = 0;
};

}  // namespace ferrule::gateway

// What an operator meets of a running gateway: the control socket, /metrics and /healthz, the API and the page.
#pragma once

#include <memory>
#include <optional>

#include "gateway/control.hpp"
#include "gateway/control_commands.hpp"
#include "gateway/event.hpp"
#include "gateway/gateway.hpp"
#include "gateway/http_access.hpp"
#include "gateway/http_api.hpp"
#include "gateway/http_server.hpp"
#include "gateway/live.hpp"
#include "gateway/metrics.hpp"
#include "gateway/tap.hpp"
#include "gateway/trace.hpp"

namespace ferrule::gateway {

/// Belongs to the broker thread; ends before the gateway.
class Operation {
 public:
  /// Opens what the settings ask for; throws config::Error when that cannot be.
  Operation(mqtt::Loop& loop, Gateway& gateway);
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;

  void reload_by(Reload& reload);  ///< when an operator asks for it; it outlives the loop's run
  void reloaded(const ReloadResult& result);

 private:
  void add_commands();
  void open_control(mqtt::Loop& loop);
  void open_http(mqtt::Loop& loop, const HttpSettings& settings);

  Gateway& gateway_;
  OperationCounters counters_;
  std::optional<ReloadResult> last_reload_;
  std::optional<Event::Time> last_reload_at_;
  ControlCommands commands_;
  Taps taps_;
  Traces traces_;
  std::unique_ptr<Control> control_;  // absent: it could not be opened, and nobody had asked for it
  // Absent: not asked for.
  std::unique_ptr<HttpAccess> access_;
  std::unique_ptr<Live> live_;
  std::unique_ptr<HttpApi> api_;
  std::unique_ptr<HttpServer> http_;
};

}  // namespace ferrule::gateway

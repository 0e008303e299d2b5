// What an operator meets of a running gateway: the control socket, /metrics and /healthz.
#pragma once

#include <memory>

#include "gateway/control.hpp"
#include "gateway/gateway.hpp"
#include "gateway/http_server.hpp"
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
  void open_control(mqtt::Loop& loop);
  void open_http(mqtt::Loop& loop);

  Gateway& gateway_;
  OperationCounters counters_;
  Taps taps_;
  Traces traces_;
  std::unique_ptr<Control> control_;  // absent: it could not be opened, and nobody had asked for it
  std::unique_ptr<HttpServer> http_;  // absent: not asked for
};

}  // namespace ferrule::gateway

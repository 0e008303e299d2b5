#include "gateway/operation.hpp"

#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "gateway/queue.hpp"
#include "gateway/status.hpp"

namespace ferrule::gateway {

Operation::Operation(mqtt::Loop& loop, Gateway& gateway)
    : gateway_(gateway),
      taps_(loop, gateway.broker()),
      traces_(loop, [&gateway](const std::string& name) { return gateway.field().bus(name); }) {
  gateway.field().on_end([this](const drivers::Bus& bus) { traces_.forget(bus); });
  open_control(loop);
  if (gateway.settings().http) open_http(loop);
}

void Operation::reload_by(Reload& reload) {
  if (!control_) return;
  control_->on("reload", [&reload](const ControlRequest& request, ControlReply reply) {
    spdlog::info("reload: asked for by {}", request.who);
    reload.request([reply = std::move(reply)](const ReloadResult& result) mutable {
      if (result.ok) {
        reply.result({{"changes", result.text}});
      } else {
        reply.error("not-taken-over", result.text);
      }
    });
  });
}

void Operation::reloaded(const ReloadResult& result) {
  ++(result.ok ? counters_.reloads : counters_.failed_reloads);
  gateway_.events().note(result.ok ? "reload" : "reload-failed", "gateway",
                         result.ok ? result.text : "all stays as it was");
}

/// Unless the configuration names its place, a gateway that cannot have a control socket runs without.
void Operation::open_control(mqtt::Loop& loop) {
  const auto& settings = gateway_.settings();
  try {
    control_ = std::make_unique<Control>(loop, settings.control.string(), settings.control_where);
  } catch (const config::Error& error) {
    if (settings.control_named) throw;
    spdlog::warn("{}; ferrule status and its kin cannot ask this gateway: name gateway.control",
                 error.mistakes().front().message);
    return;
  }
  add_status_commands(*control_, gateway_);
  add_queue_commands(*control_, gateway_.bridges());
  control_->on("tap",
               [this](const ControlRequest& request, ControlReply reply) { taps_.open(request, std::move(reply)); });
  control_->on("trace",
               [this](const ControlRequest& request, ControlReply reply) { traces_.open(request, std::move(reply)); });
}

void Operation::open_http(mqtt::Loop& loop) {
  http_ = std::make_unique<HttpServer>(loop, *gateway_.settings().http);
  http_->on("/metrics", [this] {
    return HttpResponse{200, "text/plain; version=0.0.4; charset=utf-8", metrics_of(gateway_, counters_)};
  });
  // That there is an answer says that the loop runs, and it runs once the broker listens.
  http_->on("/healthz", [] { return HttpResponse{200, "text/plain; charset=utf-8", "ok\n"}; });
  http_->on("/readyz", [this] {
    return gateway_.stopping() ? HttpResponse{503, "text/plain; charset=utf-8", "stopping\n"}
                               : HttpResponse{200, "text/plain; charset=utf-8", "ok\n"};
  });
  spdlog::info("http: listening on {}", http_->name());
}

}  // namespace ferrule::gateway

#include "gateway/operation.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "gateway/page.hpp"
#include "gateway/queue.hpp"
#include "gateway/status.hpp"
#include "gateway/withheld.hpp"
#include "gateway/write_command.hpp"

namespace ferrule::gateway {

namespace {

using nlohmann::json;

/// What is to be mended in the configuration: as `ferrule check` says it.
json configuration_of(const Settings& settings, const std::optional<ReloadResult>& reload,
                      const std::optional<Event::Time>& at) {
  json warnings = json::array();
  for (const auto& warning : settings.warnings) warnings.push_back(warning.text());
  json last;
  if (reload) last = {{"ok", reload->ok}, {"text", reload->text}, {"at", at->time_since_epoch().count()}};
  return {{"warnings", std::move(warnings)}, {"reload", std::move(last)}};
}

}  // namespace

Operation::Operation(mqtt::Loop& loop, Gateway& gateway)
    : gateway_(gateway),
      taps_(loop, gateway.broker(), withheld_topic(gateway.settings())),
      traces_(loop, [&gateway](const std::string& name) { return gateway.field().bus(name); }) {
  gateway.field().on_end([this](const drivers::Bus& bus) { traces_.forget(bus); });
  add_commands();
  open_control(loop);
  if (gateway.settings().http) open_http(loop, *gateway.settings().http);
}

void Operation::add_commands() {
  add_status_commands(commands_, gateway_);
  add_write_commands(commands_, gateway_.field());
  add_queue_commands(
      commands_, gateway_.bridges(),
      [this](const std::string& uplink) { return Withheld(gateway_.settings(), uplink); },
      [this](std::string_view who, std::string_view what) { gateway_.events().note_and_tell("queue", who, what); });
  commands_.on("tap",
               [this](const ControlRequest& request, ControlReply reply) { taps_.open(request, std::move(reply)); });
  commands_.on("trace",
               [this](const ControlRequest& request, ControlReply reply) { traces_.open(request, std::move(reply)); });
  commands_.on("configuration", [this](const ControlRequest&, ControlReply reply) {
    reply.result(configuration_of(gateway_.settings(), last_reload_, last_reload_at_));
  });
}

void Operation::reload_by(Reload& reload) {
  commands_.on("reload", [&reload](const ControlRequest& request, ControlReply reply) {
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
  last_reload_ = result;
  last_reload_at_ = std::chrono::floor<std::chrono::milliseconds>(gateway_.clock().utc());
  gateway_.events().note(result.ok ? "reload" : "reload-failed", "gateway",
                         result.ok ? result.text : "all stays as it was");
}

/// Unless the configuration names its place, a gateway that cannot have a control socket runs without.
void Operation::open_control(mqtt::Loop& loop) {
  const auto& settings = gateway_.settings();
  try {
    control_ = std::make_unique<Control>(loop, commands_, settings.control.string(), settings.control_where);
  } catch (const config::Error& error) {
    if (settings.control_named) throw;
    spdlog::warn("{}; ferrule status and its kin cannot ask this gateway: name gateway.control",
                 error.mistakes().front().message);
  }
}

void Operation::open_http(mqtt::Loop& loop, const HttpSettings& settings) {
  http_ = std::make_unique<HttpServer>(loop, settings.listen);
  const auto answer = [this](const std::string& path, std::function<HttpResponse()> response) {
    http_->on("GET", path,
              [response = std::move(response)](const HttpRequest&, HttpReply reply) { reply.respond(response()); });
  };
  http_->on("GET", "/metrics", [this](const HttpRequest& request, HttpReply reply) {
    if (const auto why = access_->too_fast(request.address)) return reply.respond(denied(*why));
    counters_.http = http_->counters();
    reply.respond({200, "text/plain; version=0.0.4; charset=utf-8", metrics_of(gateway_, counters_)});
  });
  const auto verdict = [](const std::string& trouble) {
    return HttpResponse{trouble.empty() ? 200 : 503, "text/plain; charset=utf-8",
                        trouble.empty() ? "ok\n" : trouble + '\n'};
  };
  // That there is an answer says that the loop runs, and it runs once the broker listens.
  answer("/healthz", [this, verdict] { return verdict(gateway_.threads_verdict()); });
  answer("/readyz", [this, verdict] { return verdict(gateway_.stopping() ? "stopping" : gateway_.threads_verdict()); });
  for (const auto& file : page_files()) {
    answer(std::string(file.path), [file] {
      return HttpResponse{200, std::string(file.type), std::string(file.text), {}, std::string(kPagePolicy)};
    });
  }
  access_ = std::make_unique<HttpAccess>(
      settings, gateway_.password_checks(), gateway_.clock(), [this](bool ok, std::string_view user, auto what) {
        const auto who = user.empty() ? std::string("somebody") : fmt::format("user {}", user);
        gateway_.events().note_and_tell(ok ? "login" : "login-failed", who, what);
      });
  live_ = std::make_unique<Live>(loop, gateway_, commands_,
                                 [this](const HttpGrant& grant) { return access_->holds(grant); });
  api_ = std::make_unique<HttpApi>(*http_, commands_, *access_, *live_);
  spdlog::info("http: listening on {}", http_->name());
}

}  // namespace ferrule::gateway

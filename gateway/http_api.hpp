// The HTTP API: the commands of the control socket, for programs and for the page.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "gateway/control_commands.hpp"
#include "gateway/http_access.hpp"
#include "gateway/http_server.hpp"
#include "gateway/live.hpp"

namespace ferrule::gateway {

/// As an answer: a denied login says how to log in, one that came too fast when to come again.
HttpResponse denied(const HttpDenial& denial);

/// Adds `/api/v1/...` to the server; docs/api.md and docs/openapi.json say what. Whoever may read may ask; what changes
/// something is for the role `operate`, as JSON, and with the session's X-CSRF-Token if it came by a login. Broker
/// thread; outlives the server, and ends before all else that it is given.
class HttpApi {
 public:
  HttpApi(HttpServer& server, const ControlCommands& commands, HttpAccess& access, Live& live);
  HttpApi(const HttpApi&) = delete;
  HttpApi& operator=(const HttpApi&) = delete;

 private:
  /// Adds what the query says to the command; false: it says nonsense.
  using Fill = std::function<bool(const HttpRequest& request, nlohmann::json& command)>;

  void serve_reading();
  void serve_changes();
  void serve_sessions();
  void serve_streams();
  void read(const std::string& path, const std::string& command, Fill fill);
  void change(const std::string& path, const std::string& command, const std::string& action);
  /// Nothing: the request was answered.
  std::optional<HttpGrant> enter(const HttpRequest& request, HttpReply& reply);
  std::optional<HttpGrant> enter_to_change(const HttpRequest& request, HttpReply& reply);
  void ask(const HttpGrant& grant, const nlohmann::json& request, HttpReply reply);
  void tell_session(const HttpRequest& request, HttpReply reply);
  void log_in(const HttpRequest& request, HttpReply reply);
  void log_out(const HttpRequest& request, HttpReply reply);

  // Constant after construction.
  HttpServer& server_;
  const ControlCommands& commands_;
  HttpAccess& access_;
  Live& live_;
};

}  // namespace ferrule::gateway

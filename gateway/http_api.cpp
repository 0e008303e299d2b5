#include "gateway/http_api.hpp"

#include <charconv>
#include <nlohmann/json.hpp>
#include <utility>

#include "gateway/http_json.hpp"
#include "mqtt/crypto.hpp"

namespace ferrule::gateway {

namespace {

using nlohmann::json;

constexpr std::uint64_t kMostValues = 10'000;  // in one answer

/// The one answer of a command.
class Answer final : public ControlReply::State {
 public:
  explicit Answer(HttpReply reply) : reply_(std::move(reply)) {}
  void item(const json& /*item*/) override {}
  void result(const json& result) override { reply_.respond(json_response(result)); }
  void error(std::string_view code, std::string_view message) override {
    reply_.respond(error_response(code, message));
  }
  void on_gone(std::function<void()> /*task*/) override {}

 private:
  HttpReply reply_;
};

/// False when it is there and is no number.
bool add_number(const HttpRequest& request, const char* name, json& command) {
  const auto text = request.parameter(name);
  if (!text) return true;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  command[name] = number;
  return error == std::errc{} && end == text->data() + text->size();
}

void add_text(const HttpRequest& request, const char* name, json& command) {
  if (auto text = request.parameter(name)) command[name] = std::move(*text);
}

/// A page of another origin cannot send this type without being asked first whether it may, and we never say yes.
bool is_json(const HttpRequest& request) {
  const auto type = request.field("content-type");
  return type.substr(0, type.find(';')) == "application/json";
}

/// The body as an object; else it is answered why not.
std::optional<json> body_of(const HttpRequest& request, HttpReply& reply) {
  if (!is_json(request)) {
    reply.respond(error_response(415, "not-json", "send Content-Type: application/json"));
    return std::nullopt;
  }
  auto body = json::parse(request.body, nullptr, false);
  if (body.is_object()) return body;
  reply.respond(error_response(400, "bad-request", "the body has to be one JSON object"));
  return std::nullopt;
}

json session_json(const HttpGrant& grant, bool has_users) {
  return {{"user", grant.user.empty() ? json() : json(grant.user)},
          {"role", grant.role == HttpRole::Operate ? "operate" : "read"},
          {"csrf", grant.csrf.empty() ? json() : json(grant.csrf)},
          {"login", has_users}};
}

}  // namespace

HttpResponse denied(const HttpDenial& denial) {
  auto response = error_response(denial.status, denial.code, denial.message);
  if (denial.status == 401) response.fields.emplace_back("WWW-Authenticate", "Bearer");
  if (denial.status == 429) response.fields.emplace_back("Retry-After", "1");
  return response;
}

HttpApi::HttpApi(HttpServer& server, const ControlCommands& commands, HttpAccess& access, Live& live)
    : server_(server), commands_(commands), access_(access), live_(live) {
  serve_reading();
  serve_changes();
  serve_sessions();
  serve_streams();
}

void HttpApi::serve_reading() {
  const auto nothing = [](const HttpRequest&, json&) { return true; };
  read("/api/v1/status", "status", nothing);
  read("/api/v1/devices", "devices", nothing);
  read("/api/v1/writable", "writable", nothing);
  read("/api/v1/configuration", "configuration", nothing);
  read("/api/v1/events", "events",
       [](const HttpRequest& request, json& command) { return add_number(request, "limit", command); });
  read("/api/v1/values", "points", [](const HttpRequest& request, json& command) {
    add_text(request, "device", command);
    command["limit"] = kMostValues;
    return add_number(request, "after", command) && add_number(request, "limit", command) &&
           command["limit"] <= kMostValues;
  });
  read("/api/v1/queue", "queue", [](const HttpRequest& request, json& command) {
    add_text(request, "uplink", command);
    command["action"] = command.contains("uplink") ? "page" : "uplinks";
    command["queued"] = request.parameter("queued") == "true";
    return add_number(request, "after", command);
  });
}

void HttpApi::serve_changes() {
  change("/api/v1/write", "write", {});
  change("/api/v1/queue/retry", "queue", "retry");
  change("/api/v1/queue/drop", "queue", "drop");
}

void HttpApi::read(const std::string& path, const std::string& command, Fill fill) {
  server_.on("GET", path, [this, command, fill = std::move(fill)](const HttpRequest& request, HttpReply reply) {
    const auto grant = enter(request, reply);
    if (!grant) return;
    json body{{"command", command}};
    if (!fill(request, body)) {
      return reply.respond(error_response(400, "bad-request", "a number of the query is none, or too large"));
    }
    ask(*grant, body, std::move(reply));
  });
}

void HttpApi::change(const std::string& path, const std::string& command, const std::string& action) {
  server_.on("POST", path, [this, command, action](const HttpRequest& request, HttpReply reply) {
    const auto grant = enter_to_change(request, reply);
    if (!grant) return;
    auto body = body_of(request, reply);
    if (!body) return;
    (*body)["command"] = command;
    if (!action.empty()) (*body)["action"] = action;
    ask(*grant, *body, std::move(reply));
  });
}

std::optional<HttpGrant> HttpApi::enter(const HttpRequest& request, HttpReply& reply) {
  auto grant = access_.admit(request);
  if (grant) return std::move(*grant);
  reply.respond(denied(grant.error()));
  return std::nullopt;
}

std::optional<HttpGrant> HttpApi::enter_to_change(const HttpRequest& request, HttpReply& reply) {
  auto grant = enter(request, reply);
  if (!grant) return std::nullopt;
  if (grant->role != HttpRole::Operate) {
    reply.respond(error_response(
        403, "read-only",
        grant->user.empty() ? "writing needs a user with the role operate" : "this user or token may only read"));
    return std::nullopt;
  }
  if (!grant->csrf.empty() && !mqtt::same_bytes(request.field("x-csrf-token"), grant->csrf)) {
    reply.respond(error_response(403, "csrf", "the session's token is missing in X-CSRF-Token"));
    return std::nullopt;
  }
  return grant;
}

void HttpApi::ask(const HttpGrant& grant, const json& request, HttpReply reply) {
  const auto* handler = commands_.find(request["command"].get_ref<const std::string&>());
  if (handler == nullptr)
    return reply.respond(error_response(404, "unknown-command", "this gateway has no such command"));
  (*handler)({request, grant.who}, ControlReply(std::make_shared<Answer>(std::move(reply))));
}

// Sessions

void HttpApi::serve_sessions() {
  server_.on("GET", "/api/v1/session",
             [this](const HttpRequest& request, HttpReply reply) { tell_session(request, std::move(reply)); });
  server_.on("POST", "/api/v1/login",
             [this](const HttpRequest& request, HttpReply reply) { log_in(request, std::move(reply)); });
  server_.on("POST", "/api/v1/logout",
             [this](const HttpRequest& request, HttpReply reply) { log_out(request, std::move(reply)); });
}

/// Not being logged in yet is no error here.
void HttpApi::tell_session(const HttpRequest& request, HttpReply reply) {
  const auto grant = access_.admit(request);
  if (grant) return reply.respond(json_response(session_json(*grant, access_.has_users())));
  if (grant.error().status != 401) return reply.respond(denied(grant.error()));
  reply.respond(json_response({{"user", nullptr}, {"role", nullptr}, {"csrf", nullptr}, {"login", true}}));
}

void HttpApi::log_in(const HttpRequest& request, HttpReply reply) {
  auto body = body_of(request, reply);
  if (!body) return;
  const auto user = body->find("user"), password = body->find("password");
  if (user == body->end() || password == body->end() || !user->is_string() || !password->is_string()) {
    return reply.respond(error_response(400, "bad-request", "a login has a \"user\" and a \"password\""));
  }
  access_.log_in(request, user->get<std::string>(), password->get<std::string>(),
                 [reply](tl::expected<HttpAccess::LoggedIn, HttpDenial> result) mutable {
                   if (!result) return reply.respond(denied(result.error()));
                   auto response = json_response(session_json(result->grant, true));
                   response.fields.emplace_back("Set-Cookie", result->cookie);
                   reply.respond(response);
                 });
}

void HttpApi::log_out(const HttpRequest& request, HttpReply reply) {
  const auto grant = enter(request, reply);
  if (!grant) return;
  if (!is_json(request)) return reply.respond(error_response(415, "not-json", "send Content-Type: application/json"));
  HttpResponse response;
  response.status = 204;
  response.fields.emplace_back("Set-Cookie", access_.log_out(*grant));
  reply.respond(response);
}

// Streams

void HttpApi::serve_streams() {
  server_.on("GET", "/api/v1/live", [this](const HttpRequest& request, HttpReply reply) {
    if (const auto grant = enter(request, reply)) {
      live_.watch(request.parameter("device").value_or(""), std::move(reply), *grant);
    }
  });
  server_.on("GET", "/api/v1/tap", [this](const HttpRequest& request, HttpReply reply) {
    if (const auto grant = enter(request, reply)) {
      live_.tap(request.parameter("filter").value_or("#"), std::move(reply), *grant);
    }
  });
}

}  // namespace ferrule::gateway

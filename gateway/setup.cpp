#include "gateway/setup.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <csignal>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "config/error.hpp"
#include "config/schema.hpp"
#include "drivers/serial_list.hpp"
#include "gateway/host_port.hpp"
#include "gateway/http_access.hpp"
#include "gateway/http_json.hpp"
#include "gateway/http_server.hpp"
#include "gateway/init.hpp"
#include "gateway/page.hpp"
#include "gateway/settings.hpp"
#include "mqtt/clock.hpp"
#include "mqtt/loop.hpp"
#include "mqtt/password_checks.hpp"

namespace ferrule::gateway {

namespace {

using nlohmann::json;

/// What is wrong with it; nothing when it can be run.
std::optional<std::string> trouble_with(const std::filesystem::path& file) {
  try {
    load_settings(file);
    return std::nullopt;
  } catch (const config::Error& error) {
    return error.what();
  }
}

/// Of other files than the one in question only the place: who names them may be one who may not read them.
std::vector<std::string> texts_of(const std::vector<config::Mistake>& mistakes, const std::string& file) {
  std::vector<std::string> texts;
  for (auto mistake : mistakes) {
    if (mistake.where.file != file) {
      mistake.message = "`ferrule check` says what is wrong in this file";
      mistake.source_line.clear();
    }
    texts.push_back(mistake.text());
  }
  return texts;
}

HttpSettings settings_at(const std::string& place) {
  const auto document = config::Document::parse(fmt::format("--setup: \"{}\"", place), "command line");
  auto settings = read_http(document.root()["--setup"]);
  document.finish();
  settings->listen.setting = "--setup";
  if (!is_loopback(settings->listen.bind)) {
    throw config::Error({}, "--setup", "is for this machine only, such as 127.0.0.1:8080: whoever reaches it decides",
                        64);
  }
  return *settings;
}

/// Nobody logs in here.
class NoPasswords final : public mqtt::PasswordChecker {
 public:
  bool submit(Check, Done) override { return false; }
};

class SetUp {
 public:
  SetUp(const std::filesystem::path& file, const HttpSettings& settings)
      : file_(file), access_(settings, passwords_, clock_, [](bool, auto, auto) {}), server_(loop_, settings.listen) {
    for (const auto& page : page_files()) {
      if (page.path != "/") serve(page);
    }
    for (const auto& page : setup_files()) serve(page);
    on("GET", "/api/v1/setup", [this](const json&) { return tell(); });
    on("GET", "/api/v1/schema", [](const json&) {
      return HttpResponse{200, "application/schema+json", config::json_schema()};
    });
    on("POST", "/api/v1/setup", [this](const json& body) { return take(body); });
    loop_.on_signal({SIGTERM, SIGINT}, [this](int) { loop_.stop(); });
  }

  /// True: the file can be run.
  bool wait() {
    spdlog::info("setup: open http://{}/ on this machine", server_.name());
    loop_.run();
    return ready_;
  }

 private:
  void serve(const PageFile& page) {
    server_.on("GET", std::string(page.path), [page](const HttpRequest&, HttpReply reply) {
      reply.respond({200, std::string(page.type), std::string(page.text), {}, std::string(kPagePolicy)});
    });
  }

  /// A page of another origin gets neither in (by its Host) nor an answer (it cannot send JSON unasked).
  void on(const char* method, const char* path, std::function<HttpResponse(const json&)> handler) {
    server_.on(method, path, [this, handler = std::move(handler)](const HttpRequest& request, HttpReply reply) {
      if (const auto grant = access_.admit(request); !grant) {
        return reply.respond(error_response(grant.error().status, grant.error().code, grant.error().message));
      }
      const bool changes = request.method == "POST";
      if (changes && request.field("content-type") != "application/json") {
        return reply.respond(error_response(415, "not-json", "send Content-Type: application/json"));
      }
      reply.respond(handler(changes ? json::parse(request.body, nullptr, false) : json()));
    });
  }

  /// Looks at the file anew: once it can be run, the gateway begins.
  HttpResponse tell() {
    const auto trouble = trouble_with(file_);
    if (!trouble) begin();
    std::error_code unknown;  // who may not look finds nothing
    json ports = json::array();
    for (const auto& port : drivers::list_serial_ports()) {
      ports.push_back({{"name", port.by_id.empty() ? port.device : port.by_id}, {"adapter", port.adapter}});
    }
    return json_response({{"file", file_.string()},
                          {"ready", !trouble},
                          {"there", std::filesystem::exists(file_, unknown)},
                          {"trouble", trouble ? json(*trouble) : json()},
                          {"id", default_id()},
                          {"place", server_.name()},
                          {"ports", std::move(ports)}});
  }

  /// `text` as a configuration: what is wrong with it, or that nothing is; with `write` the file is made of it.
  HttpResponse take(const json& body) {
    if (!body.is_object() || !body.contains("text") || !body["text"].is_string()) {
      return error_response(400, "bad-request", "text is the whole of the file");
    }
    const auto& text = body["text"].get_ref<const std::string&>();
    std::vector<std::string> warnings;
    try {
      warnings = texts_of(parse_settings(text, file_.string()).warnings, file_.string());
    } catch (const config::Error& error) {
      return error_response(400, "mistakes",
                            fmt::format("{}", fmt::join(texts_of(error.mistakes(), file_.string()), "\n")));
    }
    if (const auto write = body.find("write"); write == body.end() || *write != true) {
      return json_response({{"warnings", std::move(warnings)}});
    }
    if (const auto why = write_configuration(file_, text)) return error_response(409, "not-written", *why);
    return tell();
  }

  /// Behind the answer.
  void begin() {
    ready_ = true;
    loop_.once(std::chrono::milliseconds(300), [this] { loop_.stop(); });
  }

  const std::filesystem::path file_;
  mqtt::Loop loop_;
  mqtt::SystemClock clock_;
  NoPasswords passwords_;
  HttpAccess access_;
  HttpServer server_;
  bool ready_ = false;
};

}  // namespace

bool set_up(const std::filesystem::path& file, const std::string& place) {
  const auto trouble = trouble_with(file);
  if (!trouble) return true;
  spdlog::warn("setup: {}", *trouble);
  return SetUp(file, settings_at(place)).wait();
}

}  // namespace ferrule::gateway

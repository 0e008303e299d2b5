#include "gateway/http_json.hpp"

#include <nlohmann/json.hpp>

namespace ferrule::gateway {

using nlohmann::json;

std::string json_text(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

HttpResponse json_response(const json& value) { return {200, "application/json", json_text(value) + '\n'}; }

HttpResponse error_response(int status, std::string_view code, std::string_view message) {
  auto response = json_response({{"error", {{"code", code}, {"message", message}}}});
  response.status = status;
  return response;
}

HttpResponse error_response(std::string_view code, std::string_view message) {
  const int status = code == "bad-request" ? 400 : code == "not-taken-over" ? 409 : code == "busy" ? 503 : 500;
  return error_response(status, code, message);
}

}  // namespace ferrule::gateway

// JSON as an answer of HTTP, and what errors of commands are called there.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "gateway/http_server.hpp"

namespace ferrule::gateway {

/// One line. Text that is not UTF-8, of clients and devices, has U+FFFD in place of what is wrong.
std::string json_text(const nlohmann::json& value);
HttpResponse json_response(const nlohmann::json& value);
/// `{"error":{"code":..,"message":..}}`
HttpResponse error_response(int status, std::string_view code, std::string_view message);
/// The same with the status that a command's error code stands for.
HttpResponse error_response(std::string_view code, std::string_view message);

}  // namespace ferrule::gateway

#include "gateway/http_request.hpp"

#include <algorithm>
#include <charconv>

#include "config/text.hpp"

namespace ferrule::gateway {

namespace {

constexpr std::string_view kLine = "\r\n";

bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (config::lower(c) >= 'a' && config::lower(c) <= 'z') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

/// What stands before the next `separator`, which is taken away with it.
std::string_view take_until(std::string_view& text, std::string_view separator) {
  const auto end = std::min(text.find(separator), text.size());
  const auto part = text.substr(0, end);
  text.remove_prefix(std::min(end + separator.size(), text.size()));
  return part;
}

std::optional<std::string> decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i] == '+' ? ' ' : text[i];
      continue;
    }
    unsigned value = 0;
    const auto digits = text.substr(i + 1, 2);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (digits.size() != 2 || error != std::errc{} || end != digits.data() + 2) return std::nullopt;
    out += static_cast<char>(value);
    i += 2;
  }
  return out;
}

}  // namespace

std::string_view HttpRequest::field(std::string_view name) const {
  const auto found = std::ranges::find(fields, name, &std::pair<std::string, std::string>::first);
  return found == fields.end() ? std::string_view() : std::string_view(found->second);
}

std::optional<std::string> HttpRequest::parameter(std::string_view name) const {
  std::string_view rest = query;
  while (!rest.empty()) {
    auto value = take_until(rest, "&");
    if (decoded(take_until(value, "=")) == name) return decoded(value);
  }
  return std::nullopt;
}

std::string_view HttpRequest::cookie(std::string_view name) const {
  std::string_view rest = field("cookie");
  while (!rest.empty()) {
    auto value = config::trimmed(take_until(rest, ";"));
    if (take_until(value, "=") == name) return value;
  }
  return {};
}

tl::expected<HttpRequest, int> parse_http_head(std::string_view head) {
  auto line = take_until(head, kLine);
  if (!config::is_plain(line)) return tl::unexpected(400);
  HttpRequest request;
  request.method = take_until(line, " ");
  auto target = take_until(line, " ");
  if (!is_token(request.method) || !target.starts_with('/') || !line.starts_with("HTTP/")) return tl::unexpected(400);
  if (line != "HTTP/1.1" && line != "HTTP/1.0") return tl::unexpected(505);
  request.path = take_until(target, "?");
  request.query = target;
  while (!head.empty()) {
    auto value = take_until(head, kLine);
    const auto name = take_until(value, ":");
    if (!is_token(name) || !config::is_plain(value)) return tl::unexpected(400);  // also a folded line
    request.fields.emplace_back(config::lower(name), config::trimmed(value));
  }
  return request;
}

tl::expected<std::size_t, int> http_body_size(const HttpRequest& request) {
  const auto count = [&](std::string_view name) {
    return std::ranges::count(request.fields, name, &std::pair<std::string, std::string>::first);
  };
  if (count("transfer-encoding") > 0) return tl::unexpected(411);
  const auto lengths = count("content-length");
  if (lengths == 0) return 0;
  const auto text = request.field("content-length");
  std::size_t size = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
  if (error == std::errc::result_out_of_range) return tl::unexpected(413);
  if (lengths > 1 || text.empty() || error != std::errc{} || end != text.data() + text.size()) {
    return tl::unexpected(400);
  }
  if (size > HttpRequest::kLongestBody) return tl::unexpected(413);
  return size;
}

}  // namespace ferrule::gateway

#include "gateway/http_request.hpp"

#include <algorithm>
#include <charconv>

namespace ferrule::gateway {

namespace {

constexpr std::string_view kLine = "\r\n";

char small(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (small(c) >= 'a' && small(c) <= 'z') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

bool is_plain(std::string_view text) {
  return std::ranges::none_of(text,
                              [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F; });
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
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
    auto value = trimmed(take_until(rest, ";"));
    if (take_until(value, "=") == name) return value;
  }
  return {};
}

tl::expected<HttpRequest, int> parse_http_head(std::string_view head) {
  auto line = take_until(head, kLine);
  if (!is_plain(line)) return tl::unexpected(400);
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
    if (!is_token(name) || !is_plain(value)) return tl::unexpected(400);  // also a folded line
    std::string key(name);
    std::ranges::transform(key, key.begin(), small);
    request.fields.emplace_back(std::move(key), trimmed(value));
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

#include "bridge/endpoint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace ferrule::bridge {

namespace {

struct Scheme {
  std::string_view prefix;
  std::uint16_t port;
  bool tls = false, websocket = false, socks = false;
};

constexpr Scheme kBrokers[] = {
    {"mqtt://", 1883}, {"mqtts://", 8883, true}, {"ws://", 80, false, true}, {"wss://", 443, true, true}};
constexpr Scheme kProxies[] = {{"http://", 3128}, {"socks5://", 1080, false, false, true}};
constexpr std::string_view kPath = "/mqtt";

bool is_host(std::string_view host) {
  constexpr std::string_view kForbidden = " \t@/?#[]%\\\"<>";
  const auto printable = [](char c) { return static_cast<unsigned char>(c) > 0x20 && c != 0x7F; };
  return !host.empty() && host.find_first_of(kForbidden) == host.npos && std::ranges::all_of(host, printable);
}

bool is_path(std::string_view path) {
  return std::ranges::all_of(path, [](char c) { return c > 0x20 && c < 0x7F && c != '#'; });
}

/// `host[:port]`
bool read_authority(std::string_view text, Endpoint& endpoint) {
  std::string_view port;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == text.npos) return false;
    endpoint.host = text.substr(1, end - 1);
    port = text.substr(end + 1);
  } else {
    const auto end = std::min(text.find(':'), text.size());
    endpoint.host = text.substr(0, end);
    port = text.substr(end);
  }
  if (!is_host(endpoint.host)) return false;
  if (port.empty()) return true;
  if (port.front() != ':') return false;
  const auto [end, error] = std::from_chars(port.data() + 1, port.data() + port.size(), endpoint.port);
  return error == std::errc{} && end == port.data() + port.size() && endpoint.port != 0;
}

std::optional<Endpoint> parse(std::string_view url, const Scheme& scheme) {
  url.remove_prefix(scheme.prefix.size());
  const auto slash = std::min(url.find('/'), url.size());
  const auto path = url.substr(slash);
  Endpoint endpoint;
  endpoint.port = scheme.port;
  endpoint.tls = scheme.tls;
  endpoint.is_socks = scheme.socks;
  if (scheme.websocket) endpoint.path = path.empty() ? kPath : path;
  const bool right = scheme.websocket ? is_path(path) : path.empty() || path == "/";
  if (!right || !read_authority(url.substr(0, slash), endpoint)) return {};
  return endpoint;
}

template <std::size_t size>
std::optional<Endpoint> parse_one_of(std::string_view url, const Scheme (&schemes)[size]) {
  const auto* scheme = std::ranges::find_if(schemes, [&](const Scheme& one) { return url.starts_with(one.prefix); });
  return scheme == std::end(schemes) ? std::nullopt : parse(url, *scheme);
}

}  // namespace

std::string Endpoint::text() const {
  return host.find(':') == host.npos ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port);
}

std::optional<Endpoint> parse_url(std::string_view url) { return parse_one_of(url, kBrokers); }

std::optional<Endpoint> parse_proxy_url(std::string_view url) { return parse_one_of(url, kProxies); }

}  // namespace ferrule::bridge

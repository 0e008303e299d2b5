#include "mqtt/websocket_upgrade.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "config/text.hpp"
#include "mqtt/crypto.hpp"

namespace ferrule::mqtt {

namespace {

using config::is_plain;
using config::same_word;
using config::trimmed;

constexpr std::string_view kEnd = "\r\n\r\n", kLine = "\r\n";
constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455 4.2.2

/// Whether a list such as "keep-alive, Upgrade" has the word.
bool lists(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const auto comma = list.find(',');
    if (same_word(trimmed(list.substr(0, comma)), word)) return true;
    if (comma == std::string_view::npos) break;
    list.remove_prefix(comma + 1);
  }
  return false;
}

}  // namespace

std::string websocket_accept(std::string_view key) {
  const std::string text = std::string(key) + std::string(kGuid);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr);
  return to_base64({reinterpret_cast<const char*>(digest.data()), size});
}

/// Views into the request's text.
struct WebSocketUpgrade::Request {
  std::string_view method, target, version;
  std::string_view upgrade, key, ws_version, origin;
  std::string connection, protocols;  // several lines of these are one list
  unsigned keys = 0;

  bool parse(std::string_view text) {
    auto line = take_line(text);
    const auto first = line.find(' '), last = line.rfind(' ');
    if (first == std::string_view::npos || first == last || !is_plain(line)) return false;
    method = line.substr(0, first);
    target = line.substr(first + 1, last - first - 1);
    version = line.substr(last + 1);
    while (!text.empty()) {
      line = take_line(text);
      const auto colon = line.find(':');
      if (colon == 0 || colon == std::string_view::npos || !is_plain(line)) return false;
      const auto name = line.substr(0, colon);
      if (name.find_first_of(" \t") != std::string_view::npos) return false;  // also a folded line
      note(name, trimmed(line.substr(colon + 1)));
    }
    return true;
  }

 private:
  static std::string_view take_line(std::string_view& text) {
    const auto end = std::min(text.find(kLine), text.size());
    const auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + kLine.size(), text.size()));
    return line;
  }

  void note(std::string_view name, std::string_view value) {
    const auto add = [&](std::string& list) { list += (list.empty() ? "" : ",") + std::string(value); };
    if (same_word(name, "Upgrade")) upgrade = value;
    if (same_word(name, "Connection")) add(connection);
    if (same_word(name, "Sec-WebSocket-Version")) ws_version = value;
    if (same_word(name, "Sec-WebSocket-Protocol")) add(protocols);
    if (same_word(name, "Origin")) origin = value;
    if (same_word(name, "Sec-WebSocket-Key")) {
      key = value;
      ++keys;
    }
  }
};

WebSocketUpgrade::Outcome WebSocketUpgrade::feed(std::string_view& bytes) {
  const auto before = request_.size();
  const auto n = std::min(bytes.size(), kMost - before);
  request_ += bytes.substr(0, n);
  const auto end = request_.find(kEnd, before < kEnd.size() ? 0 : before - kEnd.size() + 1);
  if (end == std::string::npos) {
    bytes.remove_prefix(n);
    if (request_.size() < kMost) return Outcome::Incomplete;
    return refuse("431 Request Header Fields Too Large", fmt::format("HTTP request of more than {} bytes", kMost));
  }
  bytes.remove_prefix(end + kEnd.size() - before);
  request_.resize(end);
  const auto outcome = judge(request_);
  request_ = {};
  return outcome;
}

WebSocketUpgrade::Outcome WebSocketUpgrade::judge(std::string_view text) {
  Request request;
  if (!request.parse(text) || !request.version.starts_with("HTTP/1."))
    return refuse("400 Bad Request", "no HTTP/1.1 request");
  if (request.method != "GET") return refuse("405 Method Not Allowed", "HTTP method other than GET", "Allow: GET\r\n");
  const auto path = request.target.substr(0, request.target.find('?'));
  if (!path_.empty() && path != path_)
    return refuse("404 Not Found", fmt::format("path {} instead of {}", path, path_));
  if (request.version != "HTTP/1.1" || !lists(request.upgrade, "websocket") || !lists(request.connection, "upgrade")) {
    return refuse("426 Upgrade Required", "HTTP request that asks for no WebSocket",
                  "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
  }
  if (request.ws_version != "13") {
    return refuse("426 Upgrade Required", fmt::format("WebSocket version {}", request.ws_version),
                  "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
  }
  if (request.keys != 1 || request.key.size() != 24 || !request.key.ends_with("==")) {
    return refuse("400 Bad Request", "Sec-WebSocket-Key that is not 16 bytes in base64");
  }
  if (!request.origin.empty() && !may_come_from(request.origin)) {
    return refuse("403 Forbidden", fmt::format("page of origin {}", request.origin));
  }
  return accept(request);
}

WebSocketUpgrade::Outcome WebSocketUpgrade::accept(const Request& request) {
  // [MQTT-6.0.0-3] [MQTT-6.0.0-4]; clients of MQTT 3.1 know the older name.
  std::string_view protocol;
  if (lists(request.protocols, "mqtt")) {
    protocol = "mqtt";
  } else if (lists(request.protocols, "mqttv3.1")) {
    protocol = "mqttv3.1";
  } else {
    return refuse("400 Bad Request", "WebSocket without the subprotocol mqtt [MQTT-6.0.0-3]");
  }
  answer_ = fmt::format(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n"
      "Sec-WebSocket-Protocol: {}\r\n\r\n",
      websocket_accept(request.key), protocol);
  return Outcome::Accepted;
}

WebSocketUpgrade::Outcome WebSocketUpgrade::refuse(std::string_view status, std::string mistake,
                                                   std::string_view header) {
  mistake_ = std::move(mistake);
  answer_ = fmt::format("HTTP/1.1 {}\r\n{}Connection: close\r\nContent-Length: 0\r\n\r\n", status, header);
  return Outcome::Refused;
}

bool WebSocketUpgrade::may_come_from(std::string_view origin) const {
  return origins_.empty() || std::ranges::any_of(origins_, [&](const auto& one) { return same_word(one, origin); });
}

}  // namespace ferrule::mqtt

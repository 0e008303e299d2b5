#include "gateway/http_server.hpp"

#include <fmt/format.h>

#include <chrono>
#include <utility>

namespace ferrule::gateway {

namespace {

constexpr std::size_t kMostConnections = 32;
constexpr std::size_t kLongestHead = 8 * 1024;  // bytes of a request line and its fields
constexpr std::chrono::seconds kPatience{10};

std::string_view phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Error";
  }
}

HttpResponse refusal(int status) { return {status, "text/plain; charset=utf-8", fmt::format("{}\n", phrase(status))}; }

/// One connection serves one request, which keeps both sides simple (RFC 9112 section 9.6).
std::string message(const HttpResponse& response, bool head_only) {
  return fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\nCache-Control: no-store\r\n"
      "X-Content-Type-Options: nosniff\r\nContent-Security-Policy: default-src 'none'\r\n{}\r\n{}",
      response.status, phrase(response.status), response.type, response.body.size(),
      response.status == 405 ? "Allow: GET, HEAD\r\n" : "", head_only ? "" : response.body);
}

/// What stands before the next space, which is taken away with it.
std::string_view take_word(std::string_view& line) {
  const auto end = std::min(line.find(' '), line.size());
  const auto word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

}  // namespace

class HttpServer::Connection final : public mqtt::Sink, public std::enable_shared_from_this<Connection> {
 public:
  Connection(HttpServer& server, std::unique_ptr<mqtt::Transport> transport)
      : server_(server), transport_(std::move(transport)), since_(std::chrono::steady_clock::now()) {}

  void start() { transport_->start(*this); }
  void abandon() { transport_.reset(); }
  bool overdue(std::chrono::steady_clock::time_point now) const { return now - since_ > kPatience; }

 private:
  void on_data(std::string_view bytes) override;
  void on_writable() override { write(); }
  void on_closed(std::string_view cause) override;
  void write();

  HttpServer& server_;
  std::unique_ptr<mqtt::Transport> transport_;
  const std::chrono::steady_clock::time_point since_;
  std::string head_;
  std::string output_;
  bool answered_ = false;
};

void HttpServer::Connection::on_data(std::string_view bytes) {
  if (answered_) return;  // a body, or another request: the connection closes behind our answer
  head_ += bytes;
  const auto end = head_.find("\r\n\r\n");
  if (end == std::string::npos && head_.size() <= kLongestHead) return;
  answered_ = true;
  bool head_only = false;
  const bool whole = end != std::string::npos && end <= kLongestHead;
  ++server_.counters_.requests;
  const auto response = whole ? server_.respond(std::string_view(head_).substr(0, end), head_only) : refusal(431);
  if (response.status >= 400 && response.status < 500) ++server_.counters_.bad_requests;
  head_ = {};
  output_ = message(response, head_only);
  write();
}

void HttpServer::Connection::write() {
  const iovec buffer{output_.data(), output_.size()};
  output_.erase(0, transport_->write({&buffer, 1}));
  if (answered_ && output_.empty()) transport_->close();
}

void HttpServer::Connection::on_closed(std::string_view /*cause*/) {
  const auto alive = shared_from_this();
  server_.forget(*this);
  server_.loop_.post([alive] {});  // the transport, which calls us, outlives the call
}

HttpServer::HttpServer(mqtt::Loop& loop, mqtt::ListenSettings place)
    : loop_(loop), self_(std::make_shared<HttpServer*>(this)) {
  place.max_connections = kMostConnections;
  listener_ = std::make_unique<mqtt::Listener>(loop, place, 0, [this](std::unique_ptr<mqtt::Transport> transport) {
    connections_.push_back(std::make_shared<Connection>(*this, std::move(transport)));
    connections_.back()->start();
  });
  loop_.every(std::chrono::seconds(1), [weak = std::weak_ptr(self_)] {
    if (const auto self = weak.lock()) (*self)->tick();
  });
}

HttpServer::~HttpServer() {
  listener_.reset();
  for (const auto& connection : std::exchange(connections_, {})) connection->abandon();
}

void HttpServer::on(std::string path, Handler handler) { handlers_[std::move(path)] = std::move(handler); }

/// `head`: the request line and the fields, which none of what is served depends on (RFC 9112 section 3).
HttpResponse HttpServer::respond(std::string_view head, bool& head_only) {
  auto line = head.substr(0, head.find("\r\n"));
  const auto method = take_word(line);
  const auto target = take_word(line);
  const auto version = line;
  if (target.empty() || target.front() != '/' || !version.starts_with("HTTP/")) return refusal(400);
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return refusal(505);
  head_only = method == "HEAD";
  if (method != "GET" && !head_only) return refusal(405);
  const auto found = handlers_.find(std::string(target.substr(0, target.find('?'))));
  return found == handlers_.end() ? refusal(404) : found->second();
}

void HttpServer::forget(const Connection& connection) {
  connections_.remove_if([&](const auto& held) { return held.get() == &connection; });
}

void HttpServer::tick() {
  const auto now = std::chrono::steady_clock::now();
  std::erase_if(connections_, [&](const auto& connection) {
    if (!connection->overdue(now)) return false;
    ++counters_.timeouts;
    connection->abandon();
    return true;
  });
}

}  // namespace ferrule::gateway

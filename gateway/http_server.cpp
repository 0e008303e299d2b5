#include "gateway/http_server.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "mqtt/address_key.hpp"
#include "mqtt/bans.hpp"

namespace ferrule::gateway {

namespace {

constexpr std::size_t kMostConnections = 64;
constexpr std::ptrdiff_t kMostOfAddress = 16;
constexpr std::uint64_t kMostStreams = 16;
constexpr std::size_t kMostOutput = 1 << 20;    // bytes of a stream that wait
constexpr std::uint32_t kMostEvents = 500;      // of a stream, in a second
constexpr std::chrono::seconds kPatience{10};   // for the client's side
constexpr std::chrono::seconds kHandling{60};   // for ours, such as a write to a slow device
constexpr std::chrono::seconds kStalled{30};    // a stream whose client reads nothing
constexpr std::chrono::seconds kHeartbeat{10};  // on a stream without events: so a client that is gone is noticed

std::string_view phrase(int status) {
  static const std::map<int, std::string_view> kPhrases{{200, "OK"},
                                                        {204, "No Content"},
                                                        {400, "Bad Request"},
                                                        {401, "Unauthorized"},
                                                        {403, "Forbidden"},
                                                        {404, "Not Found"},
                                                        {405, "Method Not Allowed"},
                                                        {409, "Conflict"},
                                                        {411, "Length Required"},
                                                        {413, "Content Too Large"},
                                                        {415, "Unsupported Media Type"},
                                                        {429, "Too Many Requests"},
                                                        {431, "Request Header Fields Too Large"},
                                                        {500, "Internal Server Error"},
                                                        {503, "Service Unavailable"},
                                                        {505, "HTTP Version Not Supported"}};
  const auto found = kPhrases.find(status);
  return found == kPhrases.end() ? "Error" : found->second;
}

HttpResponse refusal(int status) { return {status, "text/plain; charset=utf-8", fmt::format("{}\n", phrase(status))}; }

std::uint64_t& result_of(int status, HttpCounters& counters) {
  if (status < 400) return counters.served;
  if (status >= 500) return counters.failed;
  if (status == 401 || status == 403) return counters.denied;
  return status == 429 ? counters.too_fast : counters.bad_requests;
}

/// The status line and the fields, with the empty line behind them.
std::string head_of(const HttpResponse& response, const std::string& length) {
  auto text = fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: {}\r\n{}Connection: close\r\nCache-Control: no-store\r\n"
      "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\nCross-Origin-Resource-Policy: same-origin\r\n"
      "Content-Security-Policy: {}\r\n",
      response.status, phrase(response.status), response.type, length, response.content_policy);
  for (const auto& [name, value] : response.fields) text += fmt::format("{}: {}\r\n", name, value);
  return text + "\r\n";
}

}  // namespace

/// One connection serves one request, which keeps both sides simple (RFC 9112 section 9.6).
class HttpServer::Connection final : public mqtt::Sink, public std::enable_shared_from_this<Connection> {
 public:
  using Time = std::chrono::steady_clock::time_point;

  Connection(HttpServer& server, std::unique_ptr<mqtt::Transport> transport, std::string address)
      : address_(std::move(address)),
        server_(server),
        transport_(std::move(transport)),
        deadline_(std::chrono::steady_clock::now() + kPatience) {}

  void start() { transport_->start(*this); }
  /// Nothing is sent any more.
  void abandon();
  bool open() const { return open_; }
  bool has_asked() const { return stage_ > Stage::Body; }
  bool overdue(Time now) const;
  void beat(Time now);

  void respond(const HttpResponse& response);
  bool stream();
  bool takes(std::size_t bytes = 0);
  void event(std::string_view name, std::string_view data);
  void end();
  std::function<void()> gone;  // of a stream
  const std::string address_;

 private:
  enum class Stage : std::uint8_t { Head, Body, Asked, Streaming, Over };

  void on_data(std::string_view bytes) override;
  void on_writable() override { write(); }
  void on_closed(std::string_view cause) override;
  void take_head(std::size_t end);
  void ask();
  void flush_soon();
  void write();
  void leave_stream();

  HttpServer& server_;  // not once it is closed
  std::unique_ptr<mqtt::Transport> transport_;
  Time deadline_;
  Stage stage_ = Stage::Head;
  bool open_ = true;
  std::string input_;
  HttpRequest request_;
  std::size_t body_size_ = 0;
  const Handler* handler_ = nullptr;
  std::string output_;
  bool flush_posted_ = false;
  // Of a stream.
  Time progress_{}, second_{};   // when it took something last; the second that is counted
  std::uint32_t in_second_ = 0;  // events
  std::uint64_t dropped_ = 0;    // since the client was told last
};

class HttpReply::State {
 public:
  explicit State(std::weak_ptr<HttpServer::Connection> to) : connection(std::move(to)) {}
  ~State() {
    if (const auto held = connection.lock()) {
      if (!answered) held->respond(refusal(500));
      held->end();
    }
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  const std::weak_ptr<HttpServer::Connection> connection;
  bool answered = false;
};

void HttpReply::respond(const HttpResponse& response) {
  if (std::exchange(state_->answered, true)) return;
  if (const auto connection = state_->connection.lock()) connection->respond(response);
}

bool HttpReply::stream() {
  const auto connection = state_->connection.lock();
  if (std::exchange(state_->answered, true) || connection == nullptr) return false;
  return connection->stream();
}

void HttpReply::event(std::string_view name, std::string_view data) {
  if (const auto connection = state_->connection.lock()) connection->event(name, data);
}

bool HttpReply::takes() {
  const auto connection = state_->connection.lock();
  return connection != nullptr && connection->takes();
}

void HttpReply::end() {
  if (const auto connection = state_->connection.lock()) connection->end();
}

void HttpReply::on_gone(std::function<void()> task) {
  if (const auto connection = state_->connection.lock()) connection->gone = std::move(task);
}

// Connection

void HttpServer::Connection::on_data(std::string_view bytes) {
  if (stage_ > Stage::Body) return;  // another request: the connection closes behind our answer
  const auto alive = shared_from_this();
  input_ += bytes;
  if (stage_ == Stage::Head) {
    const auto end = input_.find("\r\n\r\n");
    if (end == std::string::npos && input_.size() <= HttpRequest::kLongestHead) return;
    if (end == std::string::npos || end > HttpRequest::kLongestHead) return respond(refusal(431));
    take_head(end);
  }
  if (stage_ == Stage::Body && input_.size() >= body_size_) ask();
}

/// Judges all that can be judged before the body is there.
void HttpServer::Connection::take_head(std::size_t end) {
  auto parsed = parse_http_head(std::string_view(input_).substr(0, end));
  if (!parsed) return respond(refusal(parsed.error()));
  request_ = std::move(*parsed);
  auto answer = refusal(404);
  handler_ = server_.find(request_, answer);
  if (handler_ == nullptr) return respond(answer);
  const auto size = http_body_size(request_);
  if (!size) return respond(refusal(size.error()));
  body_size_ = *size;
  input_.erase(0, end + 4);
  stage_ = Stage::Body;
}

void HttpServer::Connection::ask() {
  stage_ = Stage::Asked;
  deadline_ = std::chrono::steady_clock::now() + kHandling;
  request_.body = input_.substr(0, body_size_);
  input_ = {};
  const auto peer = transport_->identity();
  request_.address = peer.address;
  request_.encrypted = peer.encrypted;
  (*handler_)(request_, HttpReply(std::make_shared<HttpReply::State>(weak_from_this())));
}

void HttpServer::Connection::respond(const HttpResponse& response) {
  if (!open_ || stage_ >= Stage::Streaming) return;
  stage_ = Stage::Over;
  if (handler_ != nullptr) deadline_ = std::chrono::steady_clock::now() + kPatience;
  input_ = {};
  ++result_of(response.status, server_.counters_);
  const bool silent = response.status == 204;
  output_ = head_of(response, silent ? "" : fmt::format("Content-Length: {}\r\n", response.body.size()));
  if (request_.method != "HEAD" && !silent) output_ += response.body;
  write();
}

bool HttpServer::Connection::stream() {
  if (!open_ || stage_ != Stage::Asked) return false;
  if (server_.counters_.streams >= kMostStreams) {
    ++server_.counters_.streams_refused;
    respond(refusal(503));
    return false;
  }
  HttpResponse response;
  response.type = "text/event-stream";
  output_ = head_of(response, "");
  if (request_.method == "HEAD") {
    stage_ = Stage::Over;
    write();
    return false;
  }
  stage_ = Stage::Streaming;
  ++server_.counters_.served;
  ++server_.counters_.streams;
  progress_ = std::chrono::steady_clock::now();
  output_ += "retry: 1000\n\n";  // milliseconds until a client that lost it tries again
  flush_soon();
  return true;
}

/// An event of so many bytes.
bool HttpServer::Connection::takes(std::size_t bytes) {
  if (!open_ || stage_ != Stage::Streaming) return false;
  const auto now = std::chrono::steady_clock::now();
  if (now - second_ >= std::chrono::seconds(1)) {
    second_ = now;
    in_second_ = 0;
  }
  if (in_second_ < kMostEvents && (output_.empty() || output_.size() + bytes <= kMostOutput)) return true;
  ++dropped_;
  ++server_.counters_.events_dropped;
  return false;
}

void HttpServer::Connection::event(std::string_view name, std::string_view data) {
  if (!takes(data.size())) return;
  ++in_second_;
  if (dropped_ > 0) output_ += fmt::format("event: dropped\ndata: {}\n\n", std::exchange(dropped_, 0));
  output_ += fmt::format("event: {}\ndata: {}\n\n", name, data);
  flush_soon();
}

void HttpServer::Connection::end() {
  if (!open_ || stage_ != Stage::Streaming) return;
  leave_stream();
  flush_soon();
}

/// No more events; what waits is sent.
void HttpServer::Connection::leave_stream() {
  stage_ = Stage::Over;
  deadline_ = std::chrono::steady_clock::now() + kPatience;
  --server_.counters_.streams;
  if (const auto task = std::exchange(gone, nullptr)) task();
}

void HttpServer::Connection::flush_soon() {
  if (std::exchange(flush_posted_, true)) return;
  server_.loop_.post([weak = weak_from_this()] {
    if (const auto connection = weak.lock()) connection->write();
  });
}

void HttpServer::Connection::write() {
  flush_posted_ = false;
  if (!open_) return;
  if (!output_.empty()) {
    const iovec buffer{output_.data(), output_.size()};
    const auto taken = transport_->write({&buffer, 1});
    output_.erase(0, taken);
    if (taken > 0) progress_ = std::chrono::steady_clock::now();
  }
  if (!output_.empty()) return;
  output_.shrink_to_fit();
  if (stage_ == Stage::Over) transport_->close();
}

bool HttpServer::Connection::overdue(Time now) const {
  if (stage_ == Stage::Streaming) return !output_.empty() && now - progress_ > kStalled;
  return now > deadline_;
}

void HttpServer::Connection::beat(Time now) {
  if (stage_ != Stage::Streaming || !output_.empty() || now - progress_ < kHeartbeat) return;
  output_ += ":\n\n";
  write();
}

void HttpServer::Connection::on_closed(std::string_view /*cause*/) {
  const auto alive = shared_from_this();
  server_.forget(*this);
  server_.loop_.post([alive] {});  // the transport, which calls us, outlives the call
  if (stage_ == Stage::Streaming) leave_stream();
  open_ = false;
}

void HttpServer::Connection::abandon() {
  if (stage_ == Stage::Streaming) leave_stream();
  open_ = false;
  transport_.reset();
}

// HttpServer

HttpServer::HttpServer(mqtt::Loop& loop, mqtt::ListenSettings place)
    : loop_(loop), self_(std::make_shared<HttpServer*>(this)) {
  place.max_connections = 0;  // we choose who gives way
  listener_ = std::make_unique<mqtt::Listener>(
      loop, place, 0, [this](std::unique_ptr<mqtt::Transport> transport) { take(std::move(transport)); });
  loop_.every(std::chrono::seconds(1), [weak = std::weak_ptr(self_)] {
    if (const auto self = weak.lock()) (*self)->tick();
  });
}

HttpServer::~HttpServer() {
  listener_.reset();
  for (const auto& connection : std::exchange(connections_, {})) connection->abandon();
}

void HttpServer::on(std::string_view method, const std::string& path, Handler handler) {
  handlers_[path].insert_or_assign(std::string(method), std::move(handler));
}

/// Null, and `refusal` says why: it is a 404 before.
const HttpServer::Handler* HttpServer::find(const HttpRequest& request, HttpResponse& answer) const {
  const auto methods = handlers_.find(request.path);
  if (methods == handlers_.end()) return nullptr;
  const auto found = methods->second.find(request.method == "HEAD" ? "GET" : std::string_view(request.method));
  if (found != methods->second.end()) return &found->second;
  answer = refusal(405);
  std::string allowed;
  for (const auto& [method, ignored] : methods->second) {
    allowed += (allowed.empty() ? "" : ", ") + method + (method == "GET" ? ", HEAD" : "");
  }
  answer.fields.emplace_back("Allow", allowed);
  return nullptr;
}

HttpCounters HttpServer::counters() const { return counters_; }

void HttpServer::take(std::unique_ptr<mqtt::Transport> transport) {
  auto address = transport->identity().address;
  if (!make_room(address)) return;
  connections_.push_back(std::make_shared<Connection>(*this, std::move(transport), std::move(address)));
  connections_.back()->start();
}

/// For one more from there. False: all that are in its way have asked, and wait for their answer.
bool HttpServer::make_room(const std::string& address) {
  const auto key = mqtt::address_key(address);
  const auto is_neighbour = [&](const auto& one) { return mqtt::address_key(one->address_) == key; };
  const bool crowded =
      !mqtt::is_loopback_address(address) && std::ranges::count_if(connections_, is_neighbour) >= kMostOfAddress;
  if (!crowded && connections_.size() < kMostConnections) return true;
  ++counters_.connections_refused;
  const auto oldest = std::ranges::find_if(
      connections_, [&](const auto& one) { return !one->has_asked() && (!crowded || is_neighbour(one)); });
  if (oldest == connections_.end()) return false;
  const auto connection = *oldest;
  connections_.erase(oldest);
  connection->abandon();
  return true;
}

void HttpServer::forget(const Connection& connection) {
  connections_.remove_if([&](const auto& held) { return held.get() == &connection; });
}

void HttpServer::tick() {
  const auto now = std::chrono::steady_clock::now();
  std::vector<std::shared_ptr<Connection>> overdue;
  for (const auto& connection : connections_) {
    connection->beat(now);
    if (connection->overdue(now)) overdue.push_back(connection);
  }
  for (const auto& connection : overdue) {
    ++counters_.timeouts;
    forget(*connection);
    connection->abandon();
  }
}

}  // namespace ferrule::gateway

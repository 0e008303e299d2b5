// A small HTTP/1.1 server on the broker's loop, for pages that programs and people read.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/http_request.hpp"
#include "mqtt/listener.hpp"
#include "mqtt/loop.hpp"

namespace ferrule::gateway {

struct HttpResponse {
  int status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::string body;
  std::vector<std::pair<std::string, std::string>> fields{};  ///< besides those that every answer has
  /// What a page may load; other answers are no pages.
  std::string content_policy = "default-src 'none'; frame-ancestors 'none'";
};

struct HttpCounters {
  // Requests by their answer.
  std::uint64_t served = 0;
  std::uint64_t denied = 0;               ///< 401 and 403
  std::uint64_t too_fast = 0;             ///< 429
  std::uint64_t bad_requests = 0;         ///< every other 4xx
  std::uint64_t failed = 0;               ///< 5xx
  std::uint64_t connections_refused = 0;  ///< or closed for another, because as many were open as may be
  std::uint64_t timeouts = 0;             ///< connections that took too long, streams that were not read
  std::uint64_t streams = 0;              ///< open now
  std::uint64_t streams_refused = 0;      ///< because as many were open as may be
  std::uint64_t events_dropped = 0;       ///< of streams that were not read fast enough
};

/// Where the answer to one request goes. Copies are the same request's. Lives as long as a handler keeps it; one that
/// all let go of unanswered is answered with 500, and a stream ends then. Broker thread.
class HttpReply {
 public:
  class State;
  explicit HttpReply(std::shared_ptr<State> state) : state_(std::move(state)) {}

  void respond(const HttpResponse& response);
  /// Server-sent events from now on, instead of a response. False, and the request is answered, when as many streams
  /// are open as may be.
  bool stream();
  /// `data` without line feeds, such as JSON. Sent from the loop, so that it may be called from anywhere in the broker.
  /// Dropped, counted, and told the client in an event `dropped` with their number, while 1 MiB waits for the client to
  /// read, and beyond 500 in a second.
  void event(std::string_view name, std::string_view data);
  /// False: an event would be dropped now, and counts as one that was.
  bool takes();
  void end();  ///< of a stream
  /// Called once when the client of a stream is gone.
  void on_gone(std::function<void()> task);

 private:
  std::shared_ptr<State> state_;
};

/// Serves one request a connection: heads of up to 8 KiB, bodies of up to 64 KiB, ten seconds for each from its first
/// byte to our last. Up to 64 connections, 16 of an address that is not this machine's: for one more the oldest that
/// has not asked yet gives way, and when there is none, the new one is closed. Up to 16 may be streams: these last as
/// long as their client reads. Broker thread.
class HttpServer {
 public:
  using Handler = std::function<void(const HttpRequest&, HttpReply)>;

  /// `place` says where to listen. Throws config::Error when it cannot.
  HttpServer(mqtt::Loop& loop, mqtt::ListenSettings place);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// What is served at exactly this path; for GET, HEAD is too. `handler` is called on the broker thread.
  void on(std::string_view method, const std::string& path, Handler handler);
  const std::string& name() const { return listener_->name(); }  ///< "127.0.0.1:8080"
  HttpCounters counters() const;

 private:
  friend class HttpReply;
  class Connection;

  const Handler* find(const HttpRequest& request, HttpResponse& refusal) const;
  void take(std::unique_ptr<mqtt::Transport> transport);
  bool make_room(const std::string& address);
  void forget(const Connection& connection);
  void tick();

  // Constant after construction.
  mqtt::Loop& loop_;
  // Thread: broker.
  std::map<std::string, std::map<std::string, Handler, std::less<>>> handlers_;  // by path and method
  HttpCounters counters_;
  std::list<std::shared_ptr<Connection>> connections_;
  std::shared_ptr<HttpServer*> self_;  // empties for the loop's timer when this ends
  std::unique_ptr<mqtt::Listener> listener_;
};

}  // namespace ferrule::gateway

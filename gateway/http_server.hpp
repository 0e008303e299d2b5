// A small HTTP/1.1 server on the broker's loop, for pages that programs and people read.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "mqtt/listener.hpp"
#include "mqtt/loop.hpp"

namespace ferrule::gateway {

struct HttpResponse {
  int status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::string body;
};

struct HttpCounters {
  std::uint64_t requests = 0;
  std::uint64_t bad_requests = 0;  ///< answered with 4xx
  std::uint64_t timeouts = 0;      ///< connections that took longer than ten seconds
};

/// Serves GET and HEAD, one request a connection: request heads of up to 8 KiB, up to 32 connections (one more is
/// closed at once), ten seconds for each from its first byte to our last. Broker thread.
class HttpServer {
 public:
  using Handler = std::function<HttpResponse()>;

  /// `place` says where to listen. Throws config::Error when it cannot.
  HttpServer(mqtt::Loop& loop, mqtt::ListenSettings place);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// What is served at exactly this path. `handler` is called on the broker thread.
  void on(std::string path, Handler handler);
  const std::string& name() const { return listener_->name(); }  ///< "127.0.0.1:8080"
  const HttpCounters& counters() const { return counters_; }

 private:
  class Connection;

  HttpResponse respond(std::string_view head, bool& head_only);
  void forget(const Connection& connection);
  void tick();

  // Constant after construction.
  mqtt::Loop& loop_;
  // Thread: broker.
  std::unordered_map<std::string, Handler> handlers_;
  HttpCounters counters_;
  std::list<std::shared_ptr<Connection>> connections_;
  std::shared_ptr<HttpServer*> self_;  // empties for the loop's timer when this ends
  std::unique_ptr<mqtt::Listener> listener_;
};

}  // namespace ferrule::gateway

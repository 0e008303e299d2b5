#include "gateway/http_server.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <thread>

#include "tests/gateway/loop_fixture.hpp"

namespace ferrule::gateway {
namespace {

using namespace std::chrono_literals;

mqtt::ListenSettings any_port() {
  mqtt::ListenSettings settings;
  settings.port = 0;
  return settings;
}

/// A server on a loop that runs on a thread of its own.
class HttpServerTest : public LoopFixture {
 protected:
  HttpServerTest() {
    server_ = std::make_unique<HttpServer>(loop_, any_port());
    server_->on("GET", "/hello", [](const HttpRequest& request, HttpReply reply) {
      reply.respond({200, "text/plain", "hello " + request.address});
    });
    server_->on("POST", "/echo", [](const HttpRequest& request, HttpReply reply) {
      reply.respond({200, "text/plain", request.body});
    });
    server_->on("GET", "/forgetful", [](const HttpRequest&, const HttpReply&) {});
    server_->on("GET", "/stream", [this](const HttpRequest&, HttpReply reply) {
      if (!reply.stream()) return;
      reply.on_gone([this] { ++gone_; });
      reply.event("begun", "1");
      streams_.push_back(std::move(reply));
    });
    run_loop();
  }
  ~HttpServerTest() override {
    on_loop([this] {
      server_.reset();
      streams_.clear();
    });
    end_loop();
  }

  HttpCounters counters() {
    HttpCounters counters;
    on_loop([&] { counters = server_->counters(); });
    return counters;
  }

  static bool until(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + 30s;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }

  std::uint16_t port() const {
    const auto& name = server_->name();
    return static_cast<std::uint16_t>(std::stoi(name.substr(name.rfind(':') + 1)));
  }

  std::vector<HttpReply> streams_;
  int gone_ = 0;
  std::unique_ptr<HttpServer> server_;
};

/// A client that sends what it likes.
class Client {
 public:
  explicit Client(std::uint16_t port) : descriptor_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      throw std::runtime_error("connect");
    }
  }
  ~Client() { ::close(descriptor_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  Client& send(std::string_view text) {
    EXPECT_EQ(::send(descriptor_, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
    return *this;
  }
  /// What has come once it has `words`, or all when the server has closed.
  std::string receive(std::string_view words = "\x01") {
    while (input_.find(words) == std::string::npos) {
      std::array<char, 65536> buffer{};
      const ssize_t n = ::recv(descriptor_, buffer.data(), buffer.size(), 0);
      if (n <= 0) break;
      input_.append(buffer.data(), static_cast<std::size_t>(n));
    }
    return input_;
  }

 private:
  int descriptor_;
  std::string input_;
};

TEST_F(HttpServerTest, AnswersAGetAndCloses) {
  const auto answer = Client(port()).send("GET /hello?x HTTP/1.1\r\nHost: a\r\n\r\n").receive();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 15\r\n"));
  EXPECT_TRUE(answer.ends_with("\r\n\r\nhello 127.0.0.1"));
}

TEST_F(HttpServerTest, TakesABodyThatComesByteByByte) {
  Client client(port());
  for (const char c : std::string_view("POST /echo HTTP/1.1\r\nContent-Length: 5\r\n\r\nabcde")) client.send({&c, 1});
  EXPECT_TRUE(client.receive().ends_with("\r\n\r\nabcde"));
}

TEST_F(HttpServerTest, TakesNoMoreThanTheBodyThatWasSaid) {
  EXPECT_TRUE(
      Client(port()).send("POST /echo HTTP/1.1\r\nContent-Length: 2\r\n\r\nabcde").receive().ends_with("\r\n\r\nab"));
}

TEST_F(HttpServerTest, RefusesWhatItDoesNotServe) {
  const std::pair<const char*, const char*> cases[] = {
      {"GET /nothing HTTP/1.1\r\n\r\n", "HTTP/1.1 404 "},
      {"POST /hello HTTP/1.1\r\n\r\n", "HTTP/1.1 405 "},
      {"POST /echo HTTP/1.1\r\nContent-Length: 65537\r\n\r\n", "HTTP/1.1 413 "},
      {"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 411 "},
      {"GET /forgetful HTTP/1.1\r\n\r\n", "HTTP/1.1 500 "},
      {"\r\n\r\n", "HTTP/1.1 400 "}};
  for (const auto& [request, status] : cases) {
    EXPECT_TRUE(Client(port()).send(request).receive().starts_with(status)) << request;
  }
  EXPECT_EQ(counters().bad_requests, 5U);
}

TEST_F(HttpServerTest, StreamsEventsUntilItEnds) {
  Client client(port());
  client.send("GET /stream HTTP/1.1\r\n\r\n").receive("event: begun\ndata: 1\n\n");
  EXPECT_EQ(counters().streams, 1U);
  on_loop([this] {
    streams_.front().event("next", "{}");
    streams_.front().end();
    streams_.front().event("late", "{}");
  });
  const auto all = client.receive();
  EXPECT_TRUE(all.ends_with("event: next\ndata: {}\n\n")) << all;
  EXPECT_EQ(counters().streams, 0U);
  EXPECT_EQ(gone_, 1);
}

TEST_F(HttpServerTest, TellsAStreamThatItsClientHasGone) {
  { Client(port()).send("GET /stream HTTP/1.1\r\n\r\n").receive("begun"); }
  ASSERT_TRUE(until([this] { return counters().streams == 0; }));
  on_loop([this] {
    EXPECT_EQ(gone_, 1);
    streams_.front().event("into the void", "{}");
    EXPECT_FALSE(streams_.front().takes());
  });
}

TEST_F(HttpServerTest, LeavesOutEventsThatAreTooManyAndSaysHowMany) {
  Client client(port());
  client.send("GET /stream HTTP/1.1\r\n\r\n").receive("begun");
  on_loop([this] {
    // Whenever a second begins meanwhile, as many again are taken.
    for (int i = 0; i < 5000; ++i) streams_.front().event("many", "1");
  });
  const auto dropped = counters().events_dropped;
  EXPECT_GE(dropped, 3000U);
  ASSERT_TRUE(until([this] {
    bool taken = false;
    on_loop([&] {
      taken = streams_.front().takes();
      if (taken) streams_.front().event("last", "1");
    });
    return taken;
  }));
  EXPECT_NE(client.receive("event: last").find("event: dropped\ndata: "), std::string::npos);
}

TEST_F(HttpServerTest, DropsEventsForAClientThatDoesNotRead) {
  Client client(port());
  client.send("GET /stream HTTP/1.1\r\n\r\n").receive("begun");
  const std::string large(500'000, 'x');
  on_loop([&] {
    for (int i = 0; i < 40; ++i) streams_.front().event("large", large);
  });
  EXPECT_GE(counters().events_dropped, 36U);
}

TEST_F(HttpServerTest, RefusesTheSeventeenthStreamAndServesTheRest) {
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 16; ++i) {
    clients.push_back(std::make_unique<Client>(port()));
    clients.back()->send("GET /stream HTTP/1.1\r\n\r\n").receive("begun");
  }
  EXPECT_TRUE(Client(port()).send("GET /stream HTTP/1.1\r\n\r\n").receive().starts_with("HTTP/1.1 503 "));
  EXPECT_TRUE(Client(port()).send("GET /hello HTTP/1.1\r\n\r\n").receive().starts_with("HTTP/1.1 200 "));
  EXPECT_EQ(counters().streams_refused, 1U);
}

TEST_F(HttpServerTest, TheOldestThatHasNotAskedMakesWayForTheSixtyFifth) {
  Client stream(port());
  stream.send("GET /stream HTTP/1.1\r\n\r\n").receive("begun");
  std::vector<std::unique_ptr<Client>> silent;
  for (int i = 0; i < 63; ++i) silent.push_back(std::make_unique<Client>(port()));
  silent[0]->send("POST /echo HTTP/1.1\r\nContent-Length: 9\r\n\r\nab");
  EXPECT_TRUE(Client(port()).send("GET /hello HTTP/1.1\r\n\r\n").receive().starts_with("HTTP/1.1 200 "));
  EXPECT_EQ(silent[0]->receive(), "");
  EXPECT_EQ(counters().connections_refused, 1U);
  EXPECT_EQ(counters().streams, 1U);
}

TEST_F(HttpServerTest, EndsWithStreamsThatAreOpen) {
  Client client(port());
  client.send("GET /stream HTTP/1.1\r\n\r\n").receive("begun");
  on_loop([this] { server_.reset(); });
  EXPECT_EQ(gone_, 1);
  client.receive();
}

}  // namespace
}  // namespace ferrule::gateway

// The loop, listeners and TCP connections, on real sockets of the loopback interface.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include <csignal>
#include <future>
#include <optional>
#include <thread>

#include "config/error.hpp"
#include "mqtt/broker.hpp"
#include "mqtt/listener.hpp"
#include "mqtt/loop.hpp"
#include "wire_text.hpp"

namespace ferrule::mqtt::testing {
namespace {

using namespace std::chrono_literals;

ListenSettings on(const std::string& bind, std::uint16_t port = 0) {
  ListenSettings settings;
  settings.bind = bind;
  settings.port = port;
  settings.where = {"ferrule.yaml", 7, 12};
  return settings;
}

/// A blocking client with a deadline.
class Client {
 public:
  explicit Client(std::uint16_t port, int receive_buffer = 0)
      : descriptor_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (receive_buffer != 0) ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~Client() { ::close(descriptor_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void send(std::string_view packets) { send_bytes(wire(packets)); }
  void send_bytes(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      ASSERT_GT(n, 0);
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  void expect(std::string_view packets) {
    const std::string expected = wire(packets);
    EXPECT_EQ(hex(receive(expected.size())), hex(expected));
  }
  std::string receive(std::size_t n) {
    std::string bytes(n, '\0');
    std::size_t got = 0;
    while (got < n && readable()) {
      const ssize_t more = ::recv(descriptor_, bytes.data() + got, n - got, 0);
      if (more <= 0) break;
      got += static_cast<std::size_t>(more);
    }
    bytes.resize(got);
    return bytes;
  }
  /// True when the broker closed politely, with FIN and not RST.
  bool ended() {
    char byte = 0;
    return readable() && ::recv(descriptor_, &byte, 1, 0) == 0;
  }

 private:
  bool readable() {
    pollfd wait{descriptor_, POLLIN, 0};
    return ::poll(&wait, 1, 10'000) == 1;
  }
  int descriptor_;
};

/// A broker that listens, on a thread of its own.
class Server {
 public:
  explicit Server(BrokerSettings settings = {})
      : broker_(std::move(settings), clock_),
        listener_(loop_, on("127.0.0.1"), 0,
                  [this](std::unique_ptr<Transport> transport) { broker_.accept(std::move(transport)); }) {
    broker_.on_needs_flush([this] { loop_.post([this] { broker_.flush(); }); });
    loop_.every(50ms, [this] { broker_.tick(); });
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~Server() {
    loop_.stop();
    thread_.join();
  }

  std::uint16_t port() const { return listener_.port(); }
  template <class F>
  auto ask(F question) {
    std::promise<decltype(question(broker_))> answer;
    auto future = answer.get_future();
    loop_.post([&] { answer.set_value(question(broker_)); });
    return future.get();
  }

 private:
  Loop loop_;
  SystemClock clock_;
  Broker broker_;
  Listener listener_;
  std::thread thread_;
};

const char* const kConnect = "10 [ ('MQTT') 04 02 0000 ('a') ]";

TEST(Listener, ServesClientsOverTcp) {  // [MQTT-7.1.1-1] [MQTT-7.1.1-1 (3.1.1)]
  Server server;
  Client sub(server.port()), pub(server.port());
  sub.send("10 [ ('MQTT') 04 02 0000 ('sub') ] 82 [ 0001 ('t') 01 ]");
  sub.expect("20 02 00 00 90 [ 0001 01 ]");
  pub.send("10 [ ('MQTT') 04 02 0000 ('pub') ] 32 [ ('t') 0001 'x' ] E0 00");
  pub.expect("20 02 00 00 40 [ 0001 ]");
  EXPECT_TRUE(pub.ended());
  sub.expect("32 [ ('t') 0001 'x' ]");
}

TEST(Listener, NamesTheRealPort) {
  Loop loop;
  const Listener listener(loop, on("127.0.0.1"), 0, [](auto) {});
  EXPECT_NE(listener.port(), 0);
  EXPECT_EQ(listener.name(), "127.0.0.1:" + std::to_string(listener.port()));
}

TEST(Listener, ListensOnIpv6) {
  Loop loop;
  std::optional<Listener> listener;
  try {
    listener.emplace(loop, on("::1"), 0, [](auto) {});
  } catch (const config::Error& error) {
    GTEST_SKIP() << "no IPv6 here: " << error.what();
  }
  EXPECT_EQ(listener->name(), "[::1]:" + std::to_string(listener->port()));
}

TEST(Listener, SaysPlainlyWhyItCannot) {
  Loop loop;
  const Listener first(loop, on("127.0.0.1"), 0, [](auto) {});
  try {
    const Listener second(loop, on("127.0.0.1", first.port()), 0, [](auto) {});
    FAIL() << "bound twice";
  } catch (const config::Error& error) {
    EXPECT_EQ(error.exit_code(), EX_UNAVAILABLE);
    ASSERT_EQ(error.mistakes().size(), 1U);
    EXPECT_EQ(error.mistakes()[0].where.line, 7);
    EXPECT_EQ(error.mistakes()[0].message, first.name() + " is in use by another program");
  }
  try {
    const Listener elsewhere(loop, on("192.0.2.1", 1883), 0, [](auto) {});
    FAIL() << "bound to an address of nobody";
  } catch (const config::Error& error) {
    EXPECT_EQ(error.mistakes().at(0).message, "192.0.2.1:1883: this machine has no address 192.0.2.1");
  }
}

TEST(Listener, KeepsItsConnectionsAwayFromDescriptorsThatSelectUses) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  if (limit.rlim_cur <= FD_SETSIZE + 16) GTEST_SKIP() << "the limit on open files is " << limit.rlim_cur;
  Server server;
  Client client(server.port());
  client.send(kConnect);
  client.expect("20 02 00 00");
  EXPECT_NE(::fcntl(FD_SETSIZE, F_GETFD), -1);
}

TEST(Listener, LivesWithALimitThatForbidsHighDescriptors) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit low{std::min<rlim_t>(512, limit.rlim_max), limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  {
    Server server;
    Client client(server.port());
    client.send(kConnect);
    client.expect("20 02 00 00");
  }
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

TEST(Listener, GoesOnWhenDescriptorsRanOut) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  Loop loop;
  int accepted = 0;
  Listener listener(loop, on("127.0.0.1"), 0, [&](auto) {
    ++accepted;
    loop.stop();
  });
  const Client client(listener.port());
  const int next = ::dup(0);
  ::close(next);
  const rlimit none{static_cast<rlim_t>(next), limit.rlim_max};  // nothing above what is open now
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  loop.once(150ms, [&] {
    EXPECT_GE(listener.failed_accepts(), 1U);
    EXPECT_LE(listener.failed_accepts(), 2U);
    ::setrlimit(RLIMIT_NOFILE, &limit);
  });
  loop.run();
  EXPECT_EQ(accepted, 1);
}

TEST(TcpTransport, SendsAllItHasBeforeItCloses) {
  Server server;
  Client sub(server.port(), 4096);  // far less than what is sent
  sub.send("10 [ ('MQTT') 05 02 0000 [] ('sub') ] 82 [ 0001 [] ('t') 01 ]");
  sub.receive(wire("20 [ 00 00 [ 21 0400 27 00100000 22 0020 ] ] 90 [ 0001 [] 01 ]").size());
  Client pub(server.port());
  pub.send("10 [ ('MQTT') 04 02 0000 ('pub') ]");
  const std::string payload(900'000, 'x');
  pub.send_bytes(wire("32 [ ('t') 0001 '" + payload + "' ]"));
  pub.expect("20 02 00 00 40 [ 0001 ]");
  Client taker(server.port());
  taker.send("10 [ ('MQTT') 05 02 0000 [] ('sub') ]");
  const std::string expected = wire("32 [ ('t') 0001 [] '" + payload + "' ] E0 [ 8E ]");
  EXPECT_TRUE(sub.receive(expected.size()) == expected);
  EXPECT_TRUE(sub.ended());
}

TEST(TcpTransport, DeliversItsLastPacketAlthoughThePeerStillSends) {
  Server server;
  for (int i = 0; i < 20; ++i) {
    Client client(server.port());
    client.send("10 [ ('MQTT') 05 02 0000 [] ('a') ]");
    client.receive(wire("20 [ 00 00 [ 21 0400 27 00100000 22 0020 ] ]").size());
    client.send("36 [ ('t') 0001 ]");
    client.send_bytes(std::string(200'000, '\0'));  // unread bytes in the kernel would turn the FIN into a RST
    client.expect("E0 [ 81 [ 1F ('QoS 3') ] ]");
    EXPECT_TRUE(client.ended());
  }
}

TEST(TcpTransport, EndsPromptlyWhenThePeerNeverCloses) {
  Server server;
  Client client(server.port());
  client.send("C0 00");
  EXPECT_TRUE(client.ended());
  for (int i = 0; i < 50 && server.ask([](Broker& broker) { return broker.counters().connections; }) > 0; ++i) {
    std::this_thread::sleep_for(100ms);  // the kernel's and Asio's time cannot be moved
  }
  EXPECT_EQ(server.ask([](Broker& broker) { return broker.counters().connections; }), 0U);
}

TEST(Loop, RunsTasksOfOtherThreadsInOrder) {
  Loop loop;
  std::vector<int> order;
  std::thread other([&] {
    for (int i = 0; i < 100; ++i) loop.post([&order, i] { order.push_back(i); });
    loop.post([&] { loop.stop(); });
  });
  loop.run();
  other.join();
  ASSERT_EQ(order.size(), 100U);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(Loop, RepeatsAndDelaysAndHearsSignals) {
  Loop loop;
  int ticks = 0;
  int signals = 0;
  loop.every(1ms, [&] { ++ticks; });
  loop.on_signal({SIGUSR2}, [&](int signal) {
    EXPECT_EQ(signal, SIGUSR2);
    if (++signals == 2) loop.stop();
    if (signals == 1) ::raise(SIGUSR2);
  });
  loop.once(20ms, [] { ::raise(SIGUSR2); });
  loop.run();
  EXPECT_EQ(signals, 2);
  EXPECT_GE(ticks, 2);
}

TEST(Loop, StopsAtOnceWhenStoppedBeforeItRuns) {
  Loop loop;
  loop.stop();
  loop.run();
  bool ran = false;
  loop.post([&] {
    ran = true;
    loop.stop();
  });
  loop.run();
  EXPECT_TRUE(ran);
}

}  // namespace
}  // namespace ferrule::mqtt::testing

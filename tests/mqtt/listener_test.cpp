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
#include "live_broker.hpp"
#include "mqtt/broker.hpp"
#include "mqtt/listener.hpp"
#include "mqtt/loop.hpp"
#include "wire_text.hpp"

namespace ferrule::mqtt::testing {
namespace {

using namespace std::chrono_literals;

TEST(Listener, ServesClientsOverTcp) {  // [MQTT-7.1.1-1] [MQTT-7.1.1-1 (3.1.1)]
  LiveBroker server;
  SocketClient sub(server.port()), pub(server.port());
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
  LiveBroker server;
  SocketClient client(server.port());
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
    LiveBroker server;
    SocketClient client(server.port());
    client.send(kConnect);
    client.expect("20 02 00 00");
  }
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// FAULTS 27
TEST(Listener, GoesOnWhenDescriptorsRanOut) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "UBSan opens a pipe whenever it meets a type that it has not seen, and aborts when it can not";
#endif
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  Loop loop;
  int accepted = 0;
  Listener listener(loop, on("127.0.0.1"), 0, [&](auto) {
    ++accepted;
    loop.stop();
  });
  const SocketClient client(listener.port());
  const int next = ::dup(0);
  ::close(next);
  const rlimit none{static_cast<rlim_t>(next), limit.rlim_max};  // nothing above what is open now
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  loop.once(150ms, [&] {
    EXPECT_GE(listener.counters().failed_accepts, 1U);
    EXPECT_LE(listener.counters().failed_accepts, 2U);
    ::setrlimit(RLIMIT_NOFILE, &limit);
  });
  loop.run();
  EXPECT_EQ(accepted, 1);
}

TEST(SocketTransport, SendsAllItHasBeforeItCloses) {
  LiveBroker server;
  SocketClient sub(server.port(), 4096);  // far less than what is sent
  sub.send("10 [ ('MQTT') 05 02 0000 [] ('sub') ] 82 [ 0001 [] ('t') 01 ]");
  sub.receive(wire("20 [ 00 00 [ 21 0400 27 00100000 22 0020 ] ] 90 [ 0001 [] 01 ]").size());
  SocketClient pub(server.port());
  pub.send("10 [ ('MQTT') 04 02 0000 ('pub') ]");
  const std::string payload(900'000, 'x');
  pub.send_bytes(wire("32 [ ('t') 0001 '" + payload + "' ]"));
  pub.expect("20 02 00 00 40 [ 0001 ]");
  SocketClient taker(server.port());
  taker.send("10 [ ('MQTT') 05 02 0000 [] ('sub') ]");
  const std::string expected = wire("32 [ ('t') 0001 [] '" + payload + "' ] E0 [ 8E ]");
  EXPECT_TRUE(sub.receive(expected.size()) == expected);
  EXPECT_TRUE(sub.ended());
}

TEST(SocketTransport, DeliversItsLastPacketAlthoughThePeerStillSends) {
  LiveBroker server;
  for (int i = 0; i < 20; ++i) {
    SocketClient client(server.port());
    client.send("10 [ ('MQTT') 05 02 0000 [] ('a') ]");
    client.receive(wire("20 [ 00 00 [ 21 0400 27 00100000 22 0020 ] ]").size());
    client.send("36 [ ('t') 0001 ]");
    client.send_bytes(std::string(200'000, '\0'));  // unread bytes in the kernel would turn the FIN into a RST
    client.expect("E0 [ 81 [ 1F ('QoS 3') ] ]");
    EXPECT_TRUE(client.ended());
  }
}

TEST(SocketTransport, EndsPromptlyWhenThePeerNeverCloses) {
  LiveBroker server;
  SocketClient client(server.port());
  client.send("C0 00");
  EXPECT_TRUE(client.ended());
  for (int i = 0; i < 50 && server.ask([](Broker& broker) { return broker.counters().connections; }) > 0; ++i) {
    std::this_thread::sleep_for(100ms);  // the kernel's and the loop's time cannot be moved
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

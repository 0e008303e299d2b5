// Clients on threads of their own that take each other's place over real sockets, while the store writes their
// sessions: what ThreadSanitizer and AddressSanitizer are to look at.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "live_broker.hpp"
#include "machine.hpp"
#include "mqtt/session_journal.hpp"
#include "wire_text.hpp"

namespace ferrule::mqtt::testing {
namespace {

using namespace std::chrono_literals;

/// A broker on a socket and on a disk: the threads that a gateway has.
class StoredBroker {
 public:
  StoredBroker()
      : broker_({}, clock_),
        store_([this](std::function<void()> task) { loop_.post(std::move(task)); },
               [this](Ticket ticket) {
                 broker_.store_committed(ticket);
                 if (!broker_.owes_disk()) broker_.committed(ticket);
               },
               [this](StoreFile& file, const std::string& what) { broker_.store_failed(file, what); }),
        listener_(loop_, on("127.0.0.1"), 0,
                  [this](std::unique_ptr<Transport> transport) { broker_.accept(std::move(transport)); }) {
    broker_.persist(std::make_unique<SessionJournal>(directory_.path / "broker.db", store_, clock_, 10ms));
    broker_.on_needs_flush([this] { loop_.post([this] { broker_.flush(); }); });
    loop_.every(10ms, [this] { broker_.tick_disk(); });
    loop_.every(10ms, [this] { broker_.tick(); });
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~StoredBroker() {
    loop_.stop();
    thread_.join();
  }
  StoredBroker(const StoredBroker&) = delete;
  StoredBroker& operator=(const StoredBroker&) = delete;

  std::uint16_t port() const { return listener_.port(); }
  BrokerCounters counters() {
    std::promise<BrokerCounters> answer;
    auto future = answer.get_future();
    loop_.post([&] { answer.set_value(broker_.counters()); });
    return future.get();
  }

 private:
  Directory directory_;
  Loop loop_;
  SystemClock clock_;
  Broker broker_;
  Store store_;  // ends before the broker, whose file it writes
  Listener listener_;
  std::thread thread_;
};

constexpr std::array kConnects = {
    "10 [ ('MQTT') 04 00 0000 ('a') ]",
    "10 [ ('MQTT') 04 02 0000 ('b') ]",
    "10 [ ('MQTT') 04 2C 0000 ('a') ('t/w') ('gone') ]",
    "10 [ ('MQTT') 05 00 0000 [ 11 FFFFFFFF ] ('a') ]",
    "10 [ ('MQTT') 05 00 0000 [ 11 0000000A 21 0002 22 0004 ] ('b') ]",
    "10 [ ('MQTT') 05 02 0000 [] ('b') ]",
};

/// What a client says once it is in; of each pair the second is for MQTT 5.
constexpr std::array<std::array<const char*, 2>, 5> kTalk = {{
    {"82 [ 0001 ('t/#') 02 ]", "82 [ 0001 [] ('t/#') 02 ]"},
    {"32 [ ('t/1') 0002 'one' ] 34 [ ('t/2') 0003 'two' ]",
     "32 [ ('t/1') 0002 [] 'one' ] 34 [ ('t/2') 0003 [] 'two' ]"},
    {"62 [ 0003 ] 40 [ 0001 ] 50 [ 0002 ] 70 [ 0002 ]", "62 [ 0003 ] 40 [ 0001 ] 50 [ 0002 ] 70 [ 0002 ]"},
    {"31 [ ('t/3') 'kept' ] 30 [ ('t/4') 'zero' ]", "31 [ ('t/3') [] 'kept' ] 30 [ ('t/4') [] 'zero' ]"},
    {"A2 [ 0004 ('t/#') ] C0 00", "A2 [ 0004 [] ('t/#') ] C0 00"},
}};

void say(const SocketClient& client, std::string_view packets) {
  const std::string bytes = wire(packets);  // the broker may have closed already
  [[maybe_unused]] const auto sent =
      ::send(client.descriptor(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void reset(const SocketClient& client) {
  const linger at_once{1, 0};
  ::setsockopt(client.descriptor(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

/// Opens connections one after the other under two client ids; the last few stay open until others take their place.
void take_part(std::uint16_t port, unsigned seed) {
  std::mt19937 random(seed);
  const auto pick = [&](std::size_t below) { return std::uniform_int_distribution<std::size_t>(0, below - 1)(random); };
  std::deque<std::unique_ptr<SocketClient>> open;
  std::array<char, 4096> heard{};
  for (int i = 0; i < 60; ++i) {
    auto& client = *open.emplace_back(std::make_unique<SocketClient>(port));
    const std::size_t which = pick(kConnects.size());
    say(client, kConnects[which]);
    for (std::size_t n = pick(6); n > 0; --n) {
      say(client, kTalk[pick(kTalk.size())][which < 3 ? 0 : 1]);
      if (pick(2) == 0) {
        [[maybe_unused]] const auto n_heard = ::recv(client.descriptor(), heard.data(), heard.size(), MSG_DONTWAIT);
      }
    }
    if (pick(3) == 0) reset(client);
    if (open.size() > 3 || pick(3) == 0) open.pop_front();
  }
}

TEST(TakeoverStorm, OverSocketsLeavesNobodyBehind) {
  StoredBroker server;
  std::vector<std::thread> clients;
  for (unsigned seed = 1; seed <= 4; ++seed) clients.emplace_back(take_part, server.port(), seed);
  for (auto& client : clients) client.join();
  for (int i = 0; i < 600 && server.counters().connections > 0; ++i) {
    std::this_thread::sleep_for(50ms);  // the kernel's and the store's time cannot be moved
  }
  const BrokerCounters after = server.counters();
  EXPECT_EQ(after.connections, 0U);
  EXPECT_GT(after.takeovers, 20U);
  EXPECT_LE(after.sessions, 2U);
  SocketClient a(server.port());  // and both ids are to be had
  a.send("10 [ ('MQTT') 04 02 0000 ('a') ] C0 00");
  a.expect("20 02 00 00 D0 00");
  SocketClient b(server.port());
  b.send("10 [ ('MQTT') 04 02 0000 ('b') ] C0 00");
  b.expect("20 02 00 00 D0 00");
}

}  // namespace
}  // namespace ferrule::mqtt::testing

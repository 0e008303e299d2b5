// Several reads under way on one TCP connection, against a server that is scripted or hostile.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <random>
#include <thread>

#include "drivers/modbus/client.hpp"
#include "scripted_peer.hpp"

namespace ferrule::drivers::modbus {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

Request one(int address) { return {1, Table::Holding, static_cast<std::uint16_t>(address), 1}; }
std::string ask(int id, int address) { return fmt::format("00 {:02x} 00 00 00 06 01 03 00 {:02x} 00 01", id, address); }
std::string answer(int id, int value) { return fmt::format("00 {:02x} 00 00 00 05 01 03 02 00 {:02x}", id, value); }

class PipelineTest : public ::testing::Test {
 protected:
  void open(std::chrono::milliseconds timeout, std::size_t pipeline) {
    client = make_tcp_client(port, stop, {timeout, 0ns, 0ns}, Ids::Echoed, pipeline);
    ASSERT_TRUE(client->opened());
  }
  std::string read(int address) {
    const auto got = client->read(one(address));
    return got ? to_hex(Bytes(got->begin(), got->end())) : "[" + std::string(name(got.error().failure)) + "]";
  }

  StopSignal stop;
  PairPort port{stop};
  ScriptedPeer peer{port.peer};
  std::unique_ptr<Client> client;
};

TEST_F(PipelineTest, GivesEachReadItsOwnAnswerInWhateverOrderTheyCome) {
  open(5s, 3);
  peer.expect(ask(1, 10)).expect(ask(2, 20)).expect(ask(3, 30));
  peer.reply(answer(3, 33)).reply(answer(1, 11)).reply(answer(2, 22));
  peer.start();
  for (const int address : {10, 20, 30}) EXPECT_TRUE(client->ask_ahead(one(address)));
  EXPECT_EQ(read(10), "00 0b");
  EXPECT_EQ(read(20), "00 16");
  EXPECT_EQ(read(30), "00 21");
  EXPECT_EQ(peer.finish(), "");
}

TEST_F(PipelineTest, HasNoMoreUnderWayThanItsWindow) {
  open(5s, 2);
  peer.expect(ask(1, 10))
      .expect(ask(2, 20))
      .reply(answer(1, 11) + " " + answer(2, 22))
      .expect(ask(3, 30))
      .reply(answer(3, 33));
  peer.start();
  EXPECT_TRUE(client->ask_ahead(one(10)));
  EXPECT_TRUE(client->ask_ahead(one(20)));
  EXPECT_TRUE(client->ask_ahead(one(20))) << "it is under way already";
  EXPECT_FALSE(client->ask_ahead(one(30)));
  EXPECT_EQ(read(10), "00 0b");
  EXPECT_TRUE(client->ask_ahead(one(30)));
  EXPECT_EQ(read(20), "00 16");
  EXPECT_EQ(read(30), "00 21");
  EXPECT_EQ(peer.finish(), "");
}

TEST_F(PipelineTest, NeverUsesAnAnswerThatComesAfterItsTime) {
  open(200ms, 2);
  peer.expect(ask(1, 10)).expect(ask(2, 20)).reply(answer(2, 22));
  peer.expect(ask(3, 10)).reply(answer(1, 1) + " " + answer(3, 3));
  peer.start();
  EXPECT_TRUE(client->ask_ahead(one(10)));
  EXPECT_TRUE(client->ask_ahead(one(20)));
  EXPECT_EQ(read(10), "[timeout]");
  EXPECT_EQ(read(20), "00 16");
  EXPECT_EQ(read(10), "00 03") << "the late answer is not the one to this request";
  EXPECT_EQ(peer.finish(), "");
}

TEST_F(PipelineTest, AsksAgainForWhatWasAskedBeforeAWrite) {
  open(5s, 2);
  peer.expect(ask(1, 10)).reply(answer(1, 1));
  peer.expect("00 02 00 00 00 06 01 06 00 0a 00 05").reply("00 02 00 00 00 06 01 06 00 0a 00 05");
  peer.expect(ask(3, 10)).reply(answer(3, 5));
  peer.start();
  EXPECT_TRUE(client->ask_ahead(one(10)));
  EXPECT_TRUE(client->write(1, from_hex("06 00 0a 00 05")));
  EXPECT_EQ(read(10), "00 05");
  EXPECT_EQ(peer.finish(), "");
}

TEST_F(PipelineTest, AsksAgainWhenAnAnswerHasWaitedForTwoTimeouts) {
  open(300ms, 2);
  peer.expect(ask(1, 10)).expect(ask(2, 20)).reply(answer(1, 11) + " " + answer(2, 22));
  peer.expect(ask(3, 20)).reply(answer(3, 33));
  peer.start();
  EXPECT_TRUE(client->ask_ahead(one(10)));
  EXPECT_TRUE(client->ask_ahead(one(20)));
  EXPECT_EQ(read(10), "00 0b");
  std::this_thread::sleep_for(1s);  // more than all that may be under way can take
  EXPECT_EQ(read(20), "00 21");
  EXPECT_EQ(peer.finish(), "");
}

TEST_F(PipelineTest, TakesARefusalThatCameEarlyForItsOwnRequest) {
  open(5s, 2);
  peer.expect(ask(1, 10)).expect(ask(2, 20)).reply("00 02 00 00 00 03 01 83 02").reply(answer(1, 11));
  peer.start();
  EXPECT_TRUE(client->ask_ahead(one(10)));
  EXPECT_TRUE(client->ask_ahead(one(20)));
  EXPECT_EQ(read(10), "00 0b");
  EXPECT_EQ(read(20), "[point-rejected]");
  EXPECT_EQ(peer.finish(), "");
}

/// Answers with the address as the value: in any order, some late, some never, some with an id of nobody.
void answer_anyhow(int descriptor, const std::atomic<bool>& done) {
  std::minstd_rand random(7);
  std::deque<Bytes> waiting;
  Bytes request(12);
  while (!done) {
    pollfd poll{descriptor, POLLIN, 0};
    if (::poll(&poll, 1, 1) > 0) {
      if (::recv(descriptor, request.data(), request.size(), MSG_WAITALL) != 12) return;
      if (random() % 100 < 3) continue;
      if (random() % 100 < 3) request[0] ^= 0x80;
      waiting.push_back({request[0], request[1], 0, 0, 0, 5, 1, 3, 2, request[8], request[9]});
      if (random() % 100 < 80) continue;
    }
    std::shuffle(waiting.begin(), waiting.end(), random);
    while (!waiting.empty() && random() % 10 > 0) {
      const auto& frame = waiting.front();
      if (::send(descriptor, frame.data(), frame.size(), MSG_NOSIGNAL) < 0) return;
      waiting.pop_front();
    }
  }
}

// FAULTS 29
TEST(Pipeline, GivesNoWrongValueInTenThousandReadsThatAreAnsweredAnyhow) {
  constexpr int kReads = 10'000;
  constexpr int kWindow = 8;
  StopSignal stop;
  PairPort port(stop);
  const auto client = make_tcp_client(port, stop, {5ms, 0ns, 0ns}, Ids::Echoed, kWindow);
  ASSERT_TRUE(client->opened());
  std::atomic<bool> done = false;
  std::thread server(answer_anyhow, port.peer, std::cref(done));
  int good = 0;
  int wrong = 0;
  for (int i = 0; i < kReads && port.is_open(); ++i) {
    for (int next = i; next < i + kWindow; ++next) client->ask_ahead(one(next));
    const auto got = client->read(one(i));
    if (!got) continue;
    ++good;
    if (((*got)[0] << 8 | (*got)[1]) != i) ++wrong;
  }
  done = true;
  server.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(good, 1000);
}

}  // namespace
}  // namespace ferrule::drivers::modbus

// The TCP master against a server that is scripted byte by byte.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <random>
#include <thread>

#include "drivers/modbus/client.hpp"
#include "scripted_peer.hpp"

namespace ferrule::drivers::modbus {
namespace {

using namespace std::chrono_literals;

constexpr Request kTwo{1, Table::Holding, 0, 2};

class TcpClientTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(client->opened()); }

  std::string read(const Request& request) {
    const auto answer = client->read(request);
    if (!answer) {
      detail = answer.error().detail;
      return "[" + std::string(name(answer.error().failure)) + "]";
    }
    return to_hex(Bytes(answer->begin(), answer->end()));
  }

  /// "ok", or the failure in brackets and whether the request had gone out.
  std::string write(std::string_view pdu, std::uint8_t unit = 1) {
    const auto result = client->write(unit, from_hex(pdu));
    if (result) return "ok";
    return "[" + std::string(name(result.error().failure)) + "]" + (result.error().sent ? " sent" : "");
  }

  StopSignal stop;
  PairPort port{stop};
  ScriptedPeer peer{port.peer};
  std::unique_ptr<Client> client = make_tcp_client(port, stop, {1s, 0ns, 0ns});
  std::string detail;
};

TEST_F(TcpClientTest, NumbersItsRequests) {
  peer.expect("00 01 00 00 00 06 01 03 00 00 00 02").reply("00 01 00 00 00 07 01 03 04 00 2a ff fe");
  peer.expect("00 02 00 00 00 06 ff 01 00 13 00 25").reply("00 02 00 00 00 08 ff 01 05 cd 6b b2 0e 1b");
  peer.expect("00 03 00 00 00 06 11 02 00 c4 00 16").reply("00 03 00 00 00 06 11 02 03 ac db 35");
  peer.expect("00 04 00 00 00 06 11 04 00 08 00 01").reply("00 04 00 00 00 05 11 04 02 00 0a");
  peer.start();
  EXPECT_EQ(read(kTwo), "00 2a ff fe");
  // The length of this answer is 8 and not the 7 that the header of the first one says: both are checked.
  EXPECT_EQ(read({255, Table::Coil, 0x13, 0x25}), "cd 6b b2 0e 1b");
  EXPECT_EQ(read({0x11, Table::Discrete, 0xC4, 0x16}), "ac db 35");
  EXPECT_EQ(read({0x11, Table::Input, 8, 1}), "00 0a");
  EXPECT_EQ(peer.finish(), "");
}

TEST_F(TcpClientTest, ConfirmsAWriteByItsEcho) {
  peer.expect("00 01 00 00 00 06 01 06 00 01 00 03").reply("00 01 00 00 00 06 01 06 00 01 00 03");
  peer.expect("00 02 00 00 00 0b 01 10 00 01 00 02 04 00 0a 01 02").reply("00 02 00 00 00 06 01 10 00 01 00 02");
  peer.expect("00 03 00 00 00 08 01 16 00 04 f0 ff 05 00").reply("00 03 00 00 00 08 01 16 00 04 f0 ff 05 00");
  peer.expect("00 04 00 00 00 0d 01 17 00 0e 00 01 00 0e 00 01 02 00 ff").reply("00 04 00 00 00 05 01 17 02 00 ff");
  peer.expect("00 05 00 00 00 06 00 05 00 ac ff 00").reply("00 05 00 00 00 06 00 05 00 ac ff 00");
  peer.start();
  for (const auto* pdu : {"06 00 01 00 03", "10 00 01 00 02 04 00 0a 01 02", "16 00 04 f0 ff 05 00",
                          "17 00 0e 00 01 00 0e 00 01 02 00 ff"}) {
    EXPECT_EQ(write(pdu), "ok") << pdu;
  }
  EXPECT_EQ(write("05 00 ac ff 00", 0), "ok") << "over TCP unit 0 is the peer itself";
  EXPECT_EQ(peer.finish(), "");
}

TEST_F(TcpClientTest, LeavesAWriteUncertainThatIsNotConfirmed) {
  peer.expect("00 01 00 00 00 06 01 06 00 01 00 03").reply("00 01 00 00 00 06 01 06 00 01 00 04");
  peer.expect("00 02 00 00 00 06 01 06 00 01 00 03").reply("00 02 00 00 00 03 01 86 04");
  peer.expect("00 03 00 00 00 06 01 06 00 01 00 03");
  peer.expect("00 04 00 00 00 06 01 06 00 01 00 03").hang_up();
  peer.start();
  EXPECT_EQ(write("06 00 01 00 03"), "[bad-reply] sent");
  EXPECT_EQ(write("06 00 01 00 03"), "[device-busy] sent");
  EXPECT_EQ(write("06 00 01 00 03"), "[timeout] sent");
  EXPECT_EQ(write("06 00 01 00 03"), "[port-lost] sent");
  EXPECT_EQ(peer.finish(), "");
}

TEST_F(TcpClientTest, ReadsAnAnswerThatComesInSingleBytes) {
  client = make_tcp_client(port, stop, {10s, 0ns, 0ns});
  ASSERT_TRUE(client->opened());
  peer.expect("00 01 00 00 00 06 01 03 00 00 00 02")
      .reply_in_single_bytes(from_hex("00 01 00 00 00 07 01 03 04 00 01 00 02"));
  peer.start();
  EXPECT_EQ(read(kTwo), "00 01 00 02");
  EXPECT_EQ(peer.finish(), "");
}

// FAULTS 29
TEST_F(TcpClientTest, SkipsALateAnswerAndStillTakesTheRightOneWithinTheSameDeadline) {
  peer.expect("00 01 00 00 00 06 01 03 00 00 00 02");
  peer.expect("00 02 00 00 00 06 01 03 00 00 00 02")
      .reply("00 01 00 00 00 07 01 03 04 de ad de ad 00 02 00 00 00 07 01 03 04 00 07 00 08");
  peer.start();
  EXPECT_EQ(read(kTwo), "[timeout]");
  EXPECT_EQ(read(kTwo), "00 07 00 08");
  EXPECT_EQ(peer.finish(), "");
}

// FAULTS 29
TEST_F(TcpClientTest, NeverAcceptsAWrongTransactionId) {
  peer.expect("00 01 00 00 00 06 01 03 00 00 00 02").reply("00 00 00 00 00 07 01 03 04 de ad de ad");
  peer.start();
  EXPECT_EQ(read(kTwo), "[timeout]");
  EXPECT_EQ(detail, "no answer (1 with another transaction id skipped)");
  EXPECT_TRUE(port.is_open());
  EXPECT_EQ(peer.finish(), "");
}

// FAULTS 31
TEST_F(TcpClientTest, NamesExceptionsByTheirConsequence) {
  peer.expect("00 01 00 00 00 06 01 03 00 00 00 02").reply("00 01 00 00 00 03 01 83 02");
  peer.expect("00 02 00 00 00 06 01 03 00 00 00 02").reply("00 02 00 00 00 03 01 83 06");
  peer.expect("00 03 00 00 00 06 01 03 00 00 00 02").reply("00 03 00 00 00 03 01 83 0b");
  peer.start();
  EXPECT_EQ(read(kTwo), "[point-rejected]");
  EXPECT_EQ(detail, "exception 02 (illegal data address)");
  EXPECT_EQ(read(kTwo), "[device-busy]");
  EXPECT_EQ(read(kTwo), "[unit-offline]");
  EXPECT_EQ(peer.finish(), "");
}

TEST_F(TcpClientTest, RefusesAnotherUnitFunctionOrLengthAndKeepsTheConnection) {
  peer.expect("00 01 00 00 00 06 01 03 00 00 00 02").reply("00 01 00 00 00 07 02 03 04 00 01 00 02");
  peer.expect("00 02 00 00 00 06 01 03 00 00 00 02").reply("00 02 00 00 00 07 01 04 04 00 01 00 02");
  peer.expect("00 03 00 00 00 06 01 03 00 00 00 02").reply("00 03 00 00 00 05 01 03 02 00 01");
  peer.expect("00 04 00 00 00 06 01 03 00 00 00 02").reply("00 04 00 00 00 07 01 03 04 00 07 00 08");
  peer.start();
  EXPECT_EQ(read(kTwo), "[bad-reply]");
  EXPECT_EQ(read(kTwo), "[bad-reply]");
  EXPECT_EQ(read(kTwo), "[bad-reply]");
  EXPECT_EQ(read(kTwo), "00 07 00 08");
  EXPECT_EQ(peer.finish(), "");
}

TEST_F(TcpClientTest, ClosesAStreamOfWhichItDoesNotKnowWhereAnAnswerBegins) {
  for (const auto* nonsense : {"48 54 54 50 2f 31 2e 31", "00 01 00 00 00 02 01 83", "00 01 00 00 01 00 01 03 04",
                               "00 01 00 00 00 06 01 03 04 00 01 00"}) {
    PairPort wire(stop);
    ScriptedPeer server(wire.peer);
    const auto master = make_tcp_client(wire, stop, {1s, 0ns, 0ns});
    ASSERT_TRUE(master->opened());
    server.expect("00 01 00 00 00 06 01 03 00 00 00 02").reply(nonsense);
    server.start();
    const auto answer = master->read(kTwo);
    ASSERT_FALSE(answer) << nonsense;
    EXPECT_EQ(answer.error().failure, Failure::BadReply) << nonsense;
    EXPECT_FALSE(wire.is_open()) << nonsense;
    EXPECT_EQ(server.finish(), "");
  }
}

TEST_F(TcpClientTest, SaysThatTheConnectionIsLostAndClosesIt) {
  peer.expect("00 01 00 00 00 06 01 03 00 00 00 02").reply("00 01 00 00").hang_up();
  peer.start();
  EXPECT_EQ(read(kTwo), "[port-lost]");
  EXPECT_FALSE(port.is_open());
  EXPECT_EQ(peer.finish(), "");
}

// FAULTS 34
TEST_F(TcpClientTest, ReplacesAConnectionOnWhichNothingIsAnswered) {
  EXPECT_EQ(read(kTwo), "[timeout]");
  EXPECT_EQ(read(kTwo), "[timeout]");
  EXPECT_TRUE(port.is_open());
  EXPECT_EQ(read(kTwo), "[timeout]");
  EXPECT_FALSE(port.is_open());
}

TEST_F(TcpClientTest, HoldsItsDeadlineAgainstAPeerThatDripsBytes) {
  peer.expect("00 01 00 00 00 06 01 03 00 00 00 02").reply("00 01 00 00 00 07 01");
  client = make_tcp_client(port, stop, {250ms, 0ns, 0ns});
  ASSERT_TRUE(client->opened());
  for (int i = 0; i < 10; ++i) peer.pause(50ms).reply("03");
  peer.start();
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(read(kTwo), "[timeout]");
  EXPECT_LT(std::chrono::steady_clock::now() - before, 1500ms);
  EXPECT_EQ(peer.finish(), "");
}

TEST_F(TcpClientTest, StopsWhileItWaits) {
  client = make_tcp_client(port, stop, {10s, 0ns, 0ns});
  ASSERT_TRUE(client->opened());
  std::thread stopper([this] {
    std::this_thread::sleep_for(50ms);
    stop.request();
  });
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(read(kTwo), "[port-lost]");
  EXPECT_LT(std::chrono::steady_clock::now() - before, 1s);
  stopper.join();
}

/// A server whose answers carry the id of their request as value: in time, late by up to three timeouts, or never.
void answer_late(int descriptor, const std::atomic<bool>& done, std::uint32_t seed) {
  std::minstd_rand random(seed);
  Bytes request(12);
  while (!done) {
    pollfd poll{descriptor, POLLIN, 0};
    if (::poll(&poll, 1, 5) <= 0) continue;
    if (::recv(descriptor, request.data(), request.size(), MSG_WAITALL) != 12) return;
    const auto late = random() % 100;
    if (late >= 95) continue;
    if (late >= 70) std::this_thread::sleep_for(std::chrono::microseconds(random() % 6000));
    const Bytes answer{request[0], request[1], 0, 0, 0, 7, 1, 3, 4, request[0], request[1], 0, 0};
    if (::send(descriptor, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) return;
  }
}

TEST(TcpClient, GivesNoWrongValueInThousandsOfReadsWithRandomLateness) {
  StopSignal stop;
  int good = 0;
  int wrong = 0;
  for (std::uint32_t connection = 1; connection <= 20; ++connection) {
    PairPort port(stop);
    const auto client = make_tcp_client(port, stop, {2ms, 0ns, 0ns});
    ASSERT_TRUE(client->opened());
    std::atomic<bool> done = false;
    std::thread server(answer_late, port.peer, std::cref(done), connection);
    for (int asked = 1; asked <= 150 && port.is_open(); ++asked) {
      const auto answer = client->read(kTwo);
      if (!answer) continue;
      ++good;
      if (((*answer)[0] << 8 | (*answer)[1]) != asked) ++wrong;
    }
    done = true;
    server.join();
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(good, 500);
}

}  // namespace
}  // namespace ferrule::drivers::modbus

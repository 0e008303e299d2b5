// The RTU master against a slave that is scripted byte by byte.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <random>
#include <thread>

#include "drivers/modbus/client.hpp"
#include "scripted_peer.hpp"

namespace ferrule::drivers::modbus {
namespace {

using namespace std::chrono_literals;

constexpr Request kTwo{1, Table::Holding, 0, 2};
constexpr auto kAskTwo = "01 03 00 00 00 02 c4 0b";
constexpr auto kAskOne = "01 03 00 00 00 01 84 0a";

class RtuClientTest : public ::testing::Test {
 protected:
  /// What a read gives: its data, or its failure in brackets.
  std::string read(const Request& request) {
    const auto answer = client->read(request);
    if (!answer) return "[" + std::string(name(answer.error().failure)) + "]";
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
  Timing timing{500ms, 2ms, 1us};
  std::unique_ptr<Client> client = [this] {
    auto made = make_rtu_client(port, stop, timing);
    EXPECT_TRUE(made->opened());
    return made;
  }();
};

TEST_F(RtuClientTest, SendsTheBytesOfTheSpecification) {
  peer.expect(kAskTwo).reply(with_crc("01 03 04 00 2a ff fe"));
  peer.expect("11 01 00 13 00 25 0e 84").reply(with_crc("11 01 05 cd 6b b2 0e 1b"));
  peer.expect("11 02 00 c4 00 16 ba a9").reply(with_crc("11 02 03 ac db 35"));
  peer.expect("11 04 00 08 00 01 b2 98").reply(with_crc("11 04 02 00 0a"));
  peer.start();
  EXPECT_EQ(read(kTwo), "00 2a ff fe");
  EXPECT_EQ(read({0x11, Table::Coil, 0x13, 0x25}), "cd 6b b2 0e 1b");
  EXPECT_EQ(read({0x11, Table::Discrete, 0xC4, 0x16}), "ac db 35");
  EXPECT_EQ(read({0x11, Table::Input, 8, 1}), "00 0a");
  EXPECT_EQ(peer.finish(), "");
}

TEST_F(RtuClientTest, ConfirmsAWriteByItsEcho) {
  peer.expect(to_hex(with_crc("01 06 00 01 00 03"))).reply(with_crc("01 06 00 01 00 03"));
  peer.expect(to_hex(with_crc("01 10 00 01 00 02 04 00 0a 01 02")))
      .reply_in_single_bytes(with_crc("01 10 00 01 00 02"));
  peer.expect(to_hex(with_crc("01 16 00 04 f0 ff 05 00"))).reply(with_crc("01 16 00 04 f0 ff 05 00"));
  peer.expect(to_hex(with_crc("01 17 00 0e 00 01 00 0e 00 01 02 00 ff"))).reply(with_crc("01 17 02 00 ff"));
  peer.expect(to_hex(with_crc("01 05 00 ac ff 00"))).reply(with_crc("01 05 00 ac ff 00"));
  peer.expect(to_hex(with_crc("01 0f 00 13 00 01 01 01"))).reply(with_crc("01 0f 00 13 00 01"));
  peer.start();
  for (const auto* pdu : {"06 00 01 00 03", "10 00 01 00 02 04 00 0a 01 02", "16 00 04 f0 ff 05 00",
                          "17 00 0e 00 01 00 0e 00 01 02 00 ff", "05 00 ac ff 00", "0f 00 13 00 01 01 01"}) {
    EXPECT_EQ(write(pdu), "ok") << pdu;
  }
  EXPECT_EQ(peer.finish(), "");
}

TEST_F(RtuClientTest, LeavesAWriteUncertainThatIsNotConfirmed) {
  peer.expect(to_hex(with_crc("01 06 00 01 00 03"))).reply(with_crc("01 06 00 01 00 04"));
  peer.expect(to_hex(with_crc("01 06 00 01 00 03"))).reply(with_crc("01 86 02"));
  peer.expect(to_hex(with_crc("01 06 00 01 00 03")));
  peer.start();
  EXPECT_EQ(write("06 00 01 00 03"), "[bad-reply] sent");
  EXPECT_EQ(write("06 00 01 00 03"), "[point-rejected] sent");
  EXPECT_EQ(write("06 00 01 00 03"), "[timeout] sent");
  EXPECT_EQ(peer.finish(), "");
}

TEST_F(RtuClientTest, NeverTakesALateEchoForTheConfirmationOfANewWrite) {
  peer.expect(to_hex(with_crc("01 10 00 01 00 01 02 00 07")));  // answered late
  peer.expect(to_hex(with_crc("01 03 00 01 00 01")))            // whose answer shows that nothing older can follow
      .reply(with_crc("01 10 00 01 00 01"))
      .reply(with_crc("01 03 02 00 07"));
  peer.expect(to_hex(with_crc("01 10 00 01 00 01 02 00 08")));
  peer.start();
  EXPECT_EQ(write("10 00 01 00 01 02 00 07"), "[timeout] sent");
  EXPECT_EQ(write("10 00 01 00 01 02 00 08"), "[timeout] sent") << "the echo was the first one's";
  EXPECT_EQ(peer.finish(), "");
}

TEST_F(RtuClientTest, DoesNotSendAWriteWhileAnEarlierEchoIsOutstanding) {
  peer.expect(to_hex(with_crc("01 06 00 01 00 07")));
  peer.expect(to_hex(with_crc("01 03 00 01 00 01")));
  peer.start();
  EXPECT_EQ(write("06 00 01 00 07"), "[timeout] sent");
  EXPECT_EQ(write("06 00 01 00 08"), "[timeout]");
  EXPECT_EQ(peer.finish(), "");
}

TEST_F(RtuClientTest, HoldsTheWireAfterABroadcast) {
  timing.turnaround = 150ms;
  client = make_rtu_client(port, stop, timing);
  ASSERT_TRUE(client->opened());
  peer.expect(to_hex(with_crc("00 06 00 01 00 03")));
  peer.expect(kAskTwo).reply(with_crc("01 03 04 00 01 00 02"));
  peer.start();
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(write("06 00 01 00 03", 0), "[timeout] sent") << "nobody confirms it";
  EXPECT_GE(std::chrono::steady_clock::now() - before, 150ms);
  EXPECT_EQ(read(kTwo), "00 01 00 02");
  EXPECT_EQ(peer.finish(), "");
}

// FAULTS 32
TEST_F(RtuClientTest, ReadsAnAnswerThatComesInSingleBytes) {
  peer.expect(kAskTwo).reply_in_single_bytes(with_crc("01 03 04 00 01 00 02"));
  peer.start();
  EXPECT_EQ(read(kTwo), "00 01 00 02");
  EXPECT_EQ(peer.finish(), "");
}

// FAULTS 32
TEST_F(RtuClientTest, ReadsTheLargestFrame) {
  std::string data;
  for (int i = 0; i < 125; ++i) data += " 12 34";
  peer.expect("01 03 00 00 00 7d 85 eb").reply(with_crc("01 03 fa" + data));
  peer.start();
  EXPECT_EQ(read({1, Table::Holding, 0, 125}), data.substr(1));
  EXPECT_EQ(peer.finish(), "");
}

// FAULTS 31
TEST_F(RtuClientTest, NamesExceptionsByTheirConsequence) {
  for (const auto* code : {"01", "02", "03", "04", "05", "06", "0a", "0b", "77"}) {
    peer.expect(kAskTwo).reply(with_crc(std::string("01 83 ") + code));
  }
  peer.start();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(read(kTwo), "[point-rejected]");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(read(kTwo), "[device-busy]");
  for (int i = 0; i < 2; ++i) EXPECT_EQ(read(kTwo), "[unit-offline]");
  EXPECT_EQ(read(kTwo), "[bad-reply]");
  EXPECT_EQ(peer.finish(), "");
}

TEST_F(RtuClientTest, GivesUpAtTheTimeoutAndThenAsksForLessUntilTheDebtIsSettled) {
  peer.expect(kAskTwo);                                    // never answered
  peer.expect(kAskOne).reply(with_crc("01 03 02 00 07"));  // its answer cannot be the missing one
  peer.expect(kAskTwo).reply(with_crc("01 03 04 00 07 00 08"));
  peer.expect(kAskTwo).reply(with_crc("01 03 04 00 09 00 0a"));  // back to normal
  peer.start();
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(read(kTwo), "[timeout]");
  EXPECT_GE(std::chrono::steady_clock::now() - before, 500ms);
  EXPECT_EQ(read(kTwo), "00 07 00 08");
  EXPECT_EQ(read(kTwo), "00 09 00 0a");
  EXPECT_EQ(peer.finish(), "");
}

// FAULTS 28
TEST_F(RtuClientTest, NeverTakesALateAnswerForANewOne) {
  peer.expect(kAskTwo);
  peer.expect(kAskOne)
      .reply(with_crc("01 03 04 de ad de ad"))  // to the first request
      .reply(with_crc("01 03 02 00 07"));
  peer.expect(kAskTwo).reply(with_crc("01 03 04 00 07 00 08"));
  peer.start();
  EXPECT_EQ(read(kTwo), "[timeout]");
  EXPECT_EQ(read(kTwo), "00 07 00 08");
  EXPECT_EQ(peer.finish(), "");
}

/// Whether the answer came while the wire was held, a quarter of the timeout long: a busy machine may miss that.
bool settles_while_the_wire_is_held() {
  StopSignal stop;
  PairPort port(stop);
  const auto client = make_rtu_client(port, stop, {200ms, 2ms, 1us});
  EXPECT_TRUE(client->opened());
  ScriptedPeer peer(port.peer);
  peer.expect(kAskTwo).pause(225ms).reply(with_crc("01 03 04 de ad de ad"));
  peer.expect(kAskTwo).reply(with_crc("01 03 04 00 07 00 08"));  // at once: nothing is owed any more
  peer.start();
  const bool timed_out = !client->read(kTwo);
  const auto answer = client->read(kTwo);
  const bool right = answer && Bytes(answer->begin(), answer->end()) == from_hex("00 07 00 08");
  port.close();
  ::shutdown(port.peer, SHUT_RDWR);
  return timed_out && right && peer.finish().empty();
}

TEST(RtuClient, SettlesALateAnswerThatComesWhileTheWireIsHeld) {
  bool settled = false;
  for (int attempt = 0; attempt < 30 && !settled; ++attempt) settled = settles_while_the_wire_is_held();
  EXPECT_TRUE(settled);
}

TEST_F(RtuClientTest, SkipsALateAnswerOfAnotherUnit) {
  peer.expect(kAskTwo);
  peer.expect("02 03 00 00 00 02 c4 38")
      .reply(with_crc("01 03 04 de ad de ad"))
      .reply(with_crc("02 03 04 00 01 00 02"));
  peer.expect(kAskTwo).reply(with_crc("01 03 04 00 07 00 08"));
  peer.start();
  EXPECT_EQ(read(kTwo), "[timeout]");
  EXPECT_EQ(read({2, Table::Holding, 0, 2}), "00 01 00 02");
  EXPECT_EQ(read(kTwo), "00 07 00 08");
  EXPECT_EQ(peer.finish(), "");
}

TEST_F(RtuClientTest, AsksForMoreWhenThereIsNoLessToAskFor) {
  peer.expect(kAskOne);
  peer.expect(kAskTwo).reply(with_crc("01 83 02"));  // the next register does not exist
  peer.expect(kAskOne).reply(with_crc("01 03 02 00 07"));
  peer.start();
  EXPECT_EQ(read({1, Table::Holding, 0, 1}), "[timeout]");
  EXPECT_EQ(read({1, Table::Holding, 0, 1}), "00 07");
  EXPECT_EQ(peer.finish(), "");
}

TEST_F(RtuClientTest, CostsADeadUnitOneTimeoutForEachAttempt) {
  peer.start();
  EXPECT_EQ(read(kTwo), "[timeout]");
  const auto before = std::chrono::steady_clock::now();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(read(kTwo), "[timeout]");
  EXPECT_LT(std::chrono::steady_clock::now() - before, 5 * 500ms);  // two timeouts each would be six
}

// FAULTS 32
TEST_F(RtuClientTest, DiscardsNoiseAndRecovers) {
  peer.expect(kAskTwo).reply("01 03 04 00 01 00 02 00 00");  // wrong CRC
  peer.expect(kAskOne).reply(with_crc("01 03 02 00 07"));
  peer.expect(kAskTwo).reply(with_crc("01 03 04 00 07 00 08"));
  peer.expect(kAskTwo).reply("ff fe");
  peer.expect(kAskOne).reply(with_crc("01 03 02 00 07"));
  peer.expect(kAskTwo).reply(with_crc("01 03 04 00 09 00 0a"));
  peer.start();
  EXPECT_EQ(read(kTwo), "[bad-reply]");
  EXPECT_EQ(read(kTwo), "00 07 00 08");
  EXPECT_EQ(read(kTwo), "[bad-reply]");
  EXPECT_EQ(read(kTwo), "00 09 00 0a");
  EXPECT_EQ(peer.finish(), "");
}

TEST_F(RtuClientTest, RefusesTheAnswerOfAStranger) {
  peer.expect(kAskTwo).reply(with_crc("07 03 04 00 01 00 02"));
  peer.start();
  EXPECT_EQ(read(kTwo), "[bad-reply]");
  EXPECT_EQ(peer.finish(), "");
}

TEST_F(RtuClientTest, RefusesAnotherFunctionAndAnotherLength) {
  peer.expect(kAskTwo).reply(with_crc("01 04 04 00 01 00 02"));
  peer.expect(kAskOne).reply(with_crc("01 03 02 00 07"));
  peer.expect(kAskTwo).reply(with_crc("01 03 06 00 01 00 02 00 03"));
  peer.start();
  EXPECT_EQ(read(kTwo), "[bad-reply]");
  EXPECT_EQ(read(kTwo), "[bad-reply]");
  EXPECT_EQ(peer.finish(), "");
}

TEST_F(RtuClientTest, DiscardsWhatNobodyAskedFor) {
  peer.reply(with_crc("01 03 04 de ad de ad"));
  peer.expect(kAskTwo).reply(with_crc("01 03 04 00 07 00 08"));
  peer.start();
  std::this_thread::sleep_for(20ms);
  EXPECT_EQ(read(kTwo), "00 07 00 08");
  EXPECT_EQ(peer.finish(), "");
}

TEST_F(RtuClientTest, KeepsSilenceBeforeEachRequest) {
  peer.expect(kAskTwo).reply(with_crc("01 03 04 00 01 00 02"));
  peer.expect(kAskTwo).reply(with_crc("01 03 04 00 01 00 02"));
  timing.gap = 30ms;
  client = make_rtu_client(port, stop, timing);
  ASSERT_TRUE(client->opened());
  peer.start();
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(read(kTwo), "00 01 00 02");
  EXPECT_EQ(read(kTwo), "00 01 00 02");
  EXPECT_GE(std::chrono::steady_clock::now() - before, 50ms);  // the first silence began before we looked at the clock
  EXPECT_EQ(peer.finish(), "");
}

TEST_F(RtuClientTest, SaysThatThePortIsLostAndClosesIt) {
  peer.expect(kAskTwo).hang_up();
  peer.start();
  EXPECT_EQ(read(kTwo), "[port-lost]");
  EXPECT_FALSE(port.is_open());
  EXPECT_EQ(peer.finish(), "");
}

TEST_F(RtuClientTest, DoesNotWaitForALineThatNeverFallsSilent) {
  std::atomic<bool> done = false;
  std::thread babbler([&] {
    while (!done) {
      [[maybe_unused]] const auto written = ::write(port.peer, "\x55", 1);
      std::this_thread::sleep_for(200us);
    }
  });
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(read(kTwo), "[bad-reply]");
  EXPECT_LT(std::chrono::steady_clock::now() - before, 5s);
  done = true;
  babbler.join();
}

TEST_F(RtuClientTest, StopsInTheMiddleOfAnAnswer) {
  timing.timeout = 10s;
  client = make_rtu_client(port, stop, timing);
  std::thread stopper([this] {
    std::this_thread::sleep_for(50ms);
    stop.request();
  });
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(read(kTwo), "[port-lost]");
  EXPECT_LT(std::chrono::steady_clock::now() - before, 1s);
  stopper.join();
}

TEST(RtuClient, RefusesADescriptorThatSelectCannotWaitFor) {
  StopSignal stop;
  class HighPort final : public Port {
   public:
    explicit HighPort(const StopSignal& signal) : Port(signal) { descriptor_ = 1024; }
    tl::expected<void, Fault> open(TimePoint) override { return {}; }
    void close() override { descriptor_ = -1; }
    std::string name() const override { return "high"; }
  } port(stop);
  const auto client = make_rtu_client(port, stop, {});
  const auto opened = client->opened();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().failure, Failure::PortLost);
  EXPECT_NE(opened.error().detail.find("1024"), std::string::npos);
}

/// A slave that answers each request with its number, in order, each as late as chance will have it.
void answer_late(int descriptor, const std::atomic<bool>& done, std::atomic<std::uint16_t>& asked, int seed) {
  std::minstd_rand random(static_cast<std::uint32_t>(seed));
  Bytes request(8);
  while (!done) {
    pollfd poll{descriptor, POLLIN, 0};
    if (::poll(&poll, 1, 20) <= 0) continue;
    if (::recv(descriptor, request.data(), request.size(), MSG_WAITALL) != 8) return;
    const auto number = ++asked;
    const auto late = random() % 100;  // of 100: 70 in time, 25 up to three timeouts late, 5 never
    if (late >= 95) continue;
    if (late >= 70) std::this_thread::sleep_for(std::chrono::microseconds(random() % 6000));
    std::string text = fmt::format("{:02x} {:02x} {:02x}", request[0], request[1], 2 * request[5]);
    for (int i = 0; i < request[5]; ++i) text += fmt::format(" {:02x} {:02x}", number >> 8, number & 0xFF);
    const auto answer = with_crc(text);
    if (::send(descriptor, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) return;
  }
}

// FAULTS 28
TEST(RtuClient, GivesNoWrongValueInTenThousandReadsWithRandomLateness) {
  StopSignal stop;
  PairPort port(stop);
  const auto client = make_rtu_client(port, stop, {2ms, 200us, 1us});
  ASSERT_TRUE(client->opened());
  std::atomic<bool> done = false;
  std::atomic<std::uint16_t> asked = 0;
  std::thread slave(answer_late, port.peer, std::cref(done), std::ref(asked), 1);
  int good = 0;
  int wrong = 0;
  for (int i = 0; i < 10'000; ++i) {
    const auto answer = client->read(kTwo);
    if (!answer) continue;
    ++good;
    // Right is the answer to the last request that was sent, and no older one.
    if (((*answer)[0] << 8 | (*answer)[1]) != asked) ++wrong;
  }
  done = true;
  slave.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(good, 500);
}

}  // namespace
}  // namespace ferrule::drivers::modbus

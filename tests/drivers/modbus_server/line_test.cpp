// A server on a serial line, where others are asked and answer too.
#include "tests/drivers/modbus_server/asked_server.hpp"
#include "tests/drivers/scripted_peer.hpp"

namespace ferrule::drivers::modbus_server {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

class OnALine : public ModbusServer {
 protected:
  void listen() {
    settings.on_line = true;
    settings.path = line.path;
    start();
  }
  /// What comes back. Asked again if need be: on a busy machine the server may not have seen the silence between two
  /// frames.
  Bytes ask(const Bytes& request, std::size_t size) const {
    Bytes answer;
    for (int i = 0; i < 100 && answer.empty(); ++i) {
      line.send(request);
      answer = line.receive(size, 100);
    }
    return answer;
  }

  Line line;
};

const Bytes kRead{0x01, 0x03, 0x00, 0x00, 0x00, 0x01, 0x84, 0x0A};
const Bytes kAnswer{0x01, 0x03, 0x02, 0x00, 0x07, 0xF9, 0x86};

TEST_F(OnALine, AnswersForItsOwnUnitsOnly) {
  listen();
  clock.advance(1s);  // a line is listened to after a silence
  line.send({0x02, 0x03, 0x00, 0x00, 0x00, 0x01, 0x84, 0x39});
  EXPECT_THAT(line.receive(1, 50), IsEmpty()) << "another unit's request";
  clock.advance(1s);
  line.send({0x02, 0x03, 0x02, 0x00, 0x07, 0xBD, 0x86});
  EXPECT_THAT(line.receive(1, 50), IsEmpty()) << "another unit's answer";
  EXPECT_EQ(server->status().ports.malformed, 0U);
  EXPECT_EQ(server->status().ports.requests, 0U);
  for (int i = 0; i < 100 && server->status().ports.malformed == 0; ++i) {  // as in `ask`
    clock.advance(1s);
    line.send({0x01, 0x03, 0x00, 0x00, 0x00, 0x01, 0x84, 0x0B});
    EXPECT_THAT(line.receive(1, 50), IsEmpty()) << "damaged";
  }
  EXPECT_EQ(server->status().ports.requests, 0U);
  EXPECT_GE(server->status().ports.malformed, 1U);
  EXPECT_EQ(ask(kRead, 7), kAnswer);
}

// Modbus AP v1.1b3 7: the length of such a frame is known by its checksum only.
TEST_F(OnALine, RefusesAFunctionThatItDoesNotHave) {
  listen();
  EXPECT_EQ(ask(with_crc("01 2b 0e 01 00"), 5), with_crc("01 ab 01"));
  EXPECT_EQ(ask(with_crc("01 41 00 01 02 03 04 05 06 07 08 09"), 5), with_crc("01 c1 01"));
}

TEST_F(OnALine, HearsARequestAfterNoise) {
  listen();
  clock.advance(1s);
  line.send({0x01, 0x55, 0xAA, 0x55, 0xAA, 0x55});
  EXPECT_EQ(ask(kRead, 7), kAnswer);
}

// Before that the master may still hold the wire, as RS-485 has it.
TEST_F(OnALine, LeavesTheLineInSilenceBeforeItAnswers) {
  settings.line.baud = 300;
  listen();
  clock.advance(1s);
  const auto asked = std::chrono::steady_clock::now();
  line.send(kRead);
  EXPECT_EQ(line.receive(7), kAnswer);
  EXPECT_GE(std::chrono::steady_clock::now() - asked, 3.5 * 11 * 1s / 300.0);
}

TEST_F(OnALine, HearsItsOwnAnswerWhereTheAdapterDoesAndGoesOn) {
  settings.line.echo = true;
  listen();
  for (int i = 0; i < 3; ++i) {
    clock.advance(100ms);
    line.send(kRead);
    const auto answer = line.receive(7);
    ASSERT_EQ(answer, kAnswer) << i;
    line.send(answer);
    std::this_thread::sleep_for(20ms);  // it takes the echo by itself, not with what comes next
  }
}

TEST_F(OnALine, DoesNotTakeARequestForAnEchoThatNeverCame) {
  settings.line.echo = true;
  listen();
  for (int i = 0; i < 3; ++i) {
    clock.advance(2s);
    line.send(kRead);
    EXPECT_EQ(line.receive(7), kAnswer) << i;
  }
}

TEST_F(OnALine, WaitsForAPortThatIsNotThereYet) {
  const auto path = line.path;
  line.path = testing::TempDir() + "ferrule-line-" + std::to_string(::getpid());
  listen();
  EXPECT_EQ(server->status().ports.lines_closed, 1U);
  ASSERT_EQ(::symlink(path.c_str(), line.path.c_str()), 0);
  EXPECT_EQ(ask(kRead, 7), kAnswer);
  EXPECT_EQ(server->status().ports.lines_closed, 0U);
  ::unlink(line.path.c_str());
}

}  // namespace
}  // namespace ferrule::drivers::modbus_server

// The control: what libmodbus alone makes of three faults of the field, beside what the clients here make of the same
// bytes. A test of libmodbus that fails one day says that it has learned it, and that some of our code may go.
//
// The other tests of such faults stand under `FAULTS NUMBER` beside what withstands them; faults_test.py misses none.
#include <gtest/gtest.h>
#include <modbus.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <future>
#include <memory>

#include "drivers/modbus/client.hpp"
#include "fake_slave.hpp"
#include "scripted_peer.hpp"

namespace ferrule::drivers::modbus {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kTimeoutMicroseconds = 150'000;
constexpr auto kAsk = "01 03 00 00 00 01 84 0a";
constexpr Request kRequest{1, Table::Holding, 0, 1};

using Context = std::unique_ptr<modbus_t, void (*)(modbus_t*)>;

Context plain(modbus_t* context, int descriptor, modbus_error_recovery_mode recovery) {
  Context owned(context, modbus_free);
  modbus_set_slave(context, 1);
  modbus_set_error_recovery(context, recovery);
  modbus_set_response_timeout(context, 0, kTimeoutMicroseconds);
  if (descriptor >= 0) modbus_set_socket(context, descriptor);
  return owned;
}

/// The register's value, or -1.
int read_one(const Context& context) {
  std::uint16_t value = 0;
  return modbus_read_registers(context.get(), 0, 1, &value) == 1 ? value : -1;
}

int read_one(Client& client) {
  const auto answer = client.read(kRequest);
  return answer ? (*answer)[0] << 8 | (*answer)[1] : -1;
}

void await_bytes(const Port& port) {
  pollfd poll{port.descriptor(), POLLIN, 0};
  ASSERT_EQ(::poll(&poll, 1, 10'000), 1);
}

/// The first answer comes after its timeout; every later one at once. The register counts the requests.
void answer_first_late(ScriptedPeer& peer, int requests) {
  peer.expect(kAsk).pause(400ms);
  for (int i = 1; i <= requests; ++i) {
    const auto answer = with_crc("01 03 02 00 0" + std::to_string(i));
    peer.reply(answer);
    if (i < requests) peer.expect(kAsk);
  }
}

// FAULTS 28
TEST(LateRtuAnswer, MakesLibmodbusReturnThePreviousValueForEver) {
  StopSignal stop;
  PairPort port(stop);
  const auto context =
      plain(modbus_new_rtu("/dev/null", 9600, 'N', 8, 1), port.descriptor(), MODBUS_ERROR_RECOVERY_NONE);
  ScriptedPeer peer(port.peer);
  answer_first_late(peer, 5);
  peer.start();
  EXPECT_EQ(read_one(context), -1);
  await_bytes(port);  // the late one
  for (int asked = 2; asked <= 5; ++asked) EXPECT_EQ(read_one(context), asked - 1) << "wrong, and said to be good";
  EXPECT_EQ(peer.finish(), "");
}

TEST(LateRtuAnswer, MakesOurClientAskSomethingElseFirstAndReturnTheRightValue) {
  StopSignal stop;
  PairPort port(stop);
  const auto client = make_rtu_client(port, stop, {300ms, 2ms, 1us});
  ASSERT_TRUE(client->opened());
  ScriptedPeer peer(port.peer);
  peer.expect(kAsk).pause(800ms).reply(with_crc("01 03 02 00 01"));
  peer.expect("01 03 00 00 00 02 c4 0b")
      .reply(with_crc("01 03 04 00 02 00 02"));  // cannot be mistaken for the late one
  peer.expect(kAsk).reply(with_crc("01 03 02 00 03"));
  peer.expect(kAsk).reply(with_crc("01 03 02 00 04"));
  peer.start();
  EXPECT_EQ(read_one(*client), -1);
  await_bytes(port);
  EXPECT_EQ(read_one(*client), 3);
  EXPECT_EQ(read_one(*client), 4);
  EXPECT_EQ(peer.finish(), "");
}

std::string tcp_ask(int id) { return "00 0" + std::to_string(id) + " 00 00 00 06 01 03 00 00 00 01"; }
std::string tcp_answer(int id) {
  return "00 0" + std::to_string(id) + " 00 00 00 05 01 03 02 00 0" + std::to_string(id);
}

/// The first answer comes together with the second one, and so on: each request finds the answer before it on the wire.
void answer_one_behind(ScriptedPeer& peer, int requests) {
  peer.expect(tcp_ask(1));
  for (int id = 2; id <= requests; ++id) peer.expect(tcp_ask(id)).reply(tcp_answer(id - 1) + " " + tcp_answer(id));
}

// FAULTS 29
TEST(LateTcpAnswer, MakesLibmodbusRefuseEveryLaterAnswer) {
  StopSignal stop;
  PairPort port(stop);
  const auto context = plain(modbus_new_tcp("127.0.0.1", 1502), port.descriptor(), MODBUS_ERROR_RECOVERY_NONE);
  ScriptedPeer peer(port.peer);
  peer.expect(tcp_ask(1));
  peer.expect(tcp_ask(2)).reply(tcp_answer(1) + " " + tcp_answer(2));
  for (int id = 3; id <= 5; ++id) peer.expect(tcp_ask(id)).reply(tcp_answer(id));
  peer.start();
  for (int asked = 1; asked <= 5; ++asked) EXPECT_EQ(read_one(context), -1) << asked;
  EXPECT_EQ(peer.finish(), "");
}

TEST(LateTcpAnswer, IsSkippedByOurClientWithinTheSameDeadline) {
  StopSignal stop;
  PairPort port(stop);
  const auto client = make_tcp_client(port, stop, {300ms, 0ns, 0ns});
  ASSERT_TRUE(client->opened());
  ScriptedPeer peer(port.peer);
  answer_one_behind(peer, 5);
  peer.start();
  EXPECT_EQ(read_one(*client), -1);
  for (int asked = 2; asked <= 5; ++asked) EXPECT_EQ(read_one(*client), asked);
  EXPECT_EQ(peer.finish(), "");
}

// FAULTS 34
TEST(DeviceThatIsOff, KeepsLibmodbusInsideOneReadUntilItIsBack) {
  auto slave = std::make_unique<TcpSlave>(answer_addresses);
  const auto port = slave->port();
  const auto recovery =
      static_cast<modbus_error_recovery_mode>(MODBUS_ERROR_RECOVERY_LINK | MODBUS_ERROR_RECOVERY_PROTOCOL);
  const auto context = plain(modbus_new_tcp("127.0.0.1", port), -1, recovery);
  ASSERT_EQ(modbus_connect(context.get()), 0);
  ASSERT_EQ(read_one(context), 0);
  slave.reset();
  auto read = std::async(std::launch::async, [&] {
    read_one(context);         // notices that the connection is gone
    return read_one(context);  // and this one asks over it
  });
  EXPECT_EQ(read.wait_for(20 * std::chrono::microseconds(kTimeoutMicroseconds)), std::future_status::timeout)
      << "twenty timeouts";
  slave = std::make_unique<TcpSlave>(answer_addresses, port);
  read.wait();
}

TEST(DeviceThatIsOff, CostsOurClientNoMoreThanItsTimeout) {
  StopSignal stop;
  PairPort port(stop);
  const auto client = make_tcp_client(port, stop, {300ms, 0ns, 0ns});
  ASSERT_TRUE(client->opened());
  ::shutdown(port.peer, SHUT_RDWR);
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(read_one(*client), -1);
  EXPECT_FALSE(port.is_open());
  EXPECT_LT(std::chrono::steady_clock::now() - before, 20 * 300ms);
}

}  // namespace
}  // namespace ferrule::drivers::modbus

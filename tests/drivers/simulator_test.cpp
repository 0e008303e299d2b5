#include "drivers/modbus/simulator.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <modbus.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <thread>

namespace ferrule::drivers::modbus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;

class ManualClock final : public Clock {
 public:
  std::chrono::steady_clock::time_point now() const override {
    return std::chrono::steady_clock::time_point{milliseconds{now_}};
  }
  std::chrono::system_clock::time_point utc() const override { return {}; }
  void advance(milliseconds by) { now_ += by.count(); }

 private:
  std::atomic<std::int64_t> now_ = 1'000'000;
};

// libmodbus's own client: nothing of ours is on that side.
class Client {
 public:
  explicit Client(std::uint16_t port) : Client(modbus_new_tcp("127.0.0.1", port)) {}
  explicit Client(const std::string& path) : Client(modbus_new_rtu(path.c_str(), 115200, 'N', 8, 1)) {}

  Client& unit(int id) {
    EXPECT_EQ(modbus_set_slave(modbus_.get(), id), 0);
    return *this;
  }
  Client& timeout(milliseconds timeout) {
    const auto microseconds = std::chrono::microseconds(timeout).count();
    modbus_set_response_timeout(modbus_.get(), static_cast<std::uint32_t>(microseconds / 1'000'000),
                                static_cast<std::uint32_t>(microseconds % 1'000'000));
    return *this;
  }
  // Empty on failure; `error()` says which.
  std::vector<std::uint16_t> holding(int address, int count) {
    std::vector<std::uint16_t> registers(static_cast<std::size_t>(count));
    keep(modbus_read_registers(modbus_.get(), address, count, registers.data()), registers);
    return registers;
  }
  std::vector<std::uint16_t> input(int address, int count) {
    std::vector<std::uint16_t> registers(static_cast<std::size_t>(count));
    keep(modbus_read_input_registers(modbus_.get(), address, count, registers.data()), registers);
    return registers;
  }
  std::vector<std::uint8_t> coils(int address, int count) {
    std::vector<std::uint8_t> bits(static_cast<std::size_t>(count));
    keep(modbus_read_bits(modbus_.get(), address, count, bits.data()), bits);
    return bits;
  }
  std::vector<std::uint8_t> discrete(int address, int count) {
    std::vector<std::uint8_t> bits(static_cast<std::size_t>(count));
    keep(modbus_read_input_bits(modbus_.get(), address, count, bits.data()), bits);
    return bits;
  }
  bool write(int address, std::uint16_t value) { return modbus_write_register(modbus_.get(), address, value) == 1; }
  int error() const { return error_; }

 private:
  explicit Client(modbus_t* modbus) : modbus_(modbus, close) {
    if (modbus_connect(modbus) != 0) ADD_FAILURE() << "cannot connect: " << modbus_strerror(errno);
    timeout(milliseconds{5000});
  }
  static void close(modbus_t* modbus) {
    modbus_close(modbus);
    modbus_free(modbus);
  }
  template <class Values>
  void keep(int count, Values& values) {
    error_ = count < 0 ? errno : 0;
    if (count < 0) values.clear();
  }

  std::unique_ptr<modbus_t, void (*)(modbus_t*)> modbus_;
  int error_ = 0;
};

SimulatedPoint constant(Table table, std::uint16_t address, Type type, double value,
                        ByteOrder order = ByteOrder::ABCD) {
  return {{table, address, type, order}, {Shape::Constant, value, value}};
}

SimulatedSlave slave(std::uint8_t unit, std::vector<SimulatedPoint> points, Faults faults = {}) {
  return {unit, std::move(points), faults};
}

// A slave whose only register, holding 0, is 17.
SimulatedSlave seventeen(Faults faults = {}, std::uint8_t unit = 1) {
  return slave(unit, {constant(Table::Holding, 0, Type::Uint16, 17)}, faults);
}

class SimulatorOverTcp : public testing::Test {
 protected:
  std::uint16_t serve(const std::vector<SimulatedSlave>& slaves) {
    const auto port = simulator_.add_tcp(0, slaves);
    EXPECT_TRUE(port);
    simulator_.start();
    return port.value_or(std::uint16_t{0});
  }

  ManualClock clock_;
  Simulator simulator_{42, clock_};
};

TEST_F(SimulatorOverTcp, AnswersAllFourTables) {
  Client client(serve({slave(
      1, {constant(Table::Coil, 3, Type::Bool, 1), constant(Table::Coil, 4, Type::Bool, 0),
          constant(Table::Discrete, 0, Type::Bool, 1), constant(Table::Input, 10, Type::Float32, 1.5, ByteOrder::CDAB),
          constant(Table::Holding, 65535, Type::Int16, -2)})}));
  client.unit(1);
  EXPECT_THAT(client.coils(3, 2), ElementsAre(1, 0));
  EXPECT_THAT(client.discrete(0, 1), ElementsAre(1));
  EXPECT_THAT(client.input(10, 2), ElementsAre(0x0000, 0x3FC0));
  EXPECT_THAT(client.holding(65535, 1), ElementsAre(0xFFFE));
}

TEST_F(SimulatorOverTcp, KeepsUnitsAndPortsApart) {
  const auto other = simulator_.add_tcp(0, {slave(1, {constant(Table::Holding, 0, Type::Uint16, 3)})});
  const auto port = serve({slave(1, {constant(Table::Holding, 0, Type::Uint16, 1)}),
                           slave(255, {constant(Table::Holding, 0, Type::Uint16, 2)})});
  Client client(port);
  EXPECT_THAT(client.unit(1).holding(0, 1), ElementsAre(1));
  EXPECT_THAT(client.unit(255).holding(0, 1), ElementsAre(2));
  EXPECT_THAT(Client(*other).unit(1).holding(0, 1), ElementsAre(3));
  Client second(port);
  EXPECT_THAT(second.unit(1).holding(0, 1), ElementsAre(1)) << "while the first is still connected";
}

TEST_F(SimulatorOverTcp, AnswersForAMissingUnitAsAGatewayDoes) {
  Client client(serve({seventeen()}));
  client.unit(9).holding(0, 1);
  EXPECT_EQ(client.error(), EMBXGTAR);
}

TEST_F(SimulatorOverTcp, RefusesWhatItDoesNotHave) {
  Client client(serve({seventeen()}));
  client.unit(1).holding(0, 2);
  EXPECT_EQ(client.error(), EMBXILADD);
  client.input(0, 1);
  EXPECT_EQ(client.error(), EMBXILADD);
  client.coils(0, 1);
  EXPECT_EQ(client.error(), EMBXILADD);
}

TEST_F(SimulatorOverTcp, RefusesGapsWhenAsked) {
  std::vector<SimulatedPoint> points{constant(Table::Holding, 0, Type::Uint16, 1),
                                     constant(Table::Holding, 2, Type::Uint32, 2)};
  auto strict = slave(1, points);
  strict.refuse_gaps = true;
  Client client(serve({strict, slave(2, points)}));
  client.unit(1).holding(0, 4);
  EXPECT_EQ(client.error(), EMBXILADD);
  EXPECT_THAT(client.holding(2, 2), ElementsAre(0, 2));
  EXPECT_THAT(client.unit(2).holding(0, 4), ElementsAre(1, 0, 0, 2));
}

TEST_F(SimulatorOverTcp, MovesItsValuesWithTheClock) {
  Client client(serve(
      {slave(1, {{{Table::Holding, 0, Type::Uint16}, {Shape::Counter, 65530, 65540, seconds{10}, seconds{1}}}})}));
  client.unit(1);
  EXPECT_THAT(client.holding(0, 1), ElementsAre(65530));
  clock_.advance(seconds{5});
  EXPECT_THAT(client.holding(0, 1), ElementsAre(65535));
  clock_.advance(seconds{2});
  EXPECT_THAT(client.holding(0, 1), ElementsAre(1)) << "a counter wraps at what its register can hold";
}

TEST_F(SimulatorOverTcp, KeepsWhatAClientWrote) {
  Client client(serve(
      {slave(1, {constant(Table::Holding, 0, Type::Uint16, 17), constant(Table::Holding, 1, Type::Uint16, 18)})}));
  ASSERT_TRUE(client.unit(1).write(0, 99));
  EXPECT_THAT(client.holding(0, 2), ElementsAre(99, 18));
  EXPECT_FALSE(client.write(2, 99));
}

TEST_F(SimulatorOverTcp, MovesToAnotherPortWhenOneIsTaken) {
  const auto taken = simulator_.add_tcp(0, {seventeen()});
  ASSERT_TRUE(taken);
  const auto again = simulator_.add_tcp(*taken, {seventeen()});
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error(), std::errc::address_in_use);
}

TEST_F(SimulatorOverTcp, DropsTheShareOfAnswersItWasToldTo) {
  Faults faults;
  faults.drop = 0.25;
  Client client(serve({seventeen(faults)}));
  client.unit(1).timeout(milliseconds{20});
  std::uint64_t missed = 0;
  for (int i = 0; i < 100; ++i) {
    if (client.holding(0, 1).empty()) ++missed;
  }
  EXPECT_GE(missed, simulator_.status().faults);  // a busy machine may miss one more
  EXPECT_GT(simulator_.status().faults, 10u);
  EXPECT_LT(simulator_.status().faults, 45u);
  EXPECT_EQ(simulator_.status().answers + simulator_.status().faults, simulator_.status().requests);
}

TEST_F(SimulatorOverTcp, AnswersWithTheExceptionItWasToldTo) {
  Faults faults;
  faults.exception = 1;
  faults.exception_code = 6;
  Client client(serve({seventeen(faults)}));
  client.unit(1).holding(0, 1);
  EXPECT_EQ(client.error(), EMBXSBUSY);
}

TEST_F(SimulatorOverTcp, HoldsALateAnswerBackUntilItsTime) {
  Faults faults;
  faults.late = 1;
  faults.lateness = milliseconds{3000};
  Client client(serve({seventeen(faults)}));
  client.unit(1).timeout(milliseconds{100}).holding(0, 1);
  EXPECT_EQ(client.error(), ETIMEDOUT);
  EXPECT_EQ(simulator_.status().answers, 0u);
  clock_.advance(milliseconds{3000});
  client.timeout(milliseconds{5000}).holding(0, 1);
  EXPECT_EQ(client.error(), EMBBADDATA) << "the stale transaction arrives, and libmodbus gives up on it";
}

TEST_F(SimulatorOverTcp, RepeatsItsFaultsForASeed) {
  Faults faults;
  faults.exception = 0.5;
  const auto pattern = [&](std::uint64_t seed) {
    Simulator simulator(seed, clock_);
    const auto port = simulator.add_tcp(0, {seventeen(faults)});
    simulator.start();
    Client client(port.value_or(std::uint16_t{0}));
    client.unit(1);
    std::string result;
    for (int i = 0; i < 64; ++i) result += client.holding(0, 1).empty() ? 'x' : '.';
    return result;
  };
  EXPECT_EQ(pattern(7), pattern(7));
  EXPECT_NE(pattern(7), pattern(8));
}

// A plain socket or line, for what libmodbus's client would not send.
class RawPeer {
 public:
  explicit RawPeer(std::uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  explicit RawPeer(const std::string& path) : fd_(open(path.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK)) {
    EXPECT_GE(fd_, 0) << path;
  }
  ~RawPeer() { close(fd_); }
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;

  void send(const std::vector<std::uint8_t>& bytes) {
    EXPECT_EQ(write(fd_, bytes.data(), bytes.size()), std::ssize(bytes));
  }
  bool silent(milliseconds time) {
    pollfd wait{fd_, POLLIN, 0};
    return poll(&wait, 1, static_cast<int>(time.count())) == 0;
  }
  // Empty when the peer closed.
  std::vector<std::uint8_t> receive(std::size_t count) {
    std::vector<std::uint8_t> bytes(count);
    std::size_t have = 0;
    while (have < count) {
      if (silent(seconds{5})) ADD_FAILURE() << "nothing came";
      const auto length = read(fd_, bytes.data() + have, count - have);
      if (length <= 0) return {};
      have += static_cast<std::size_t>(length);
    }
    return bytes;
  }

 private:
  int fd_;
};

TEST_F(SimulatorOverTcp, AnswersRequestsThatComeInOneWriteOrByteByByte) {
  RawPeer peer(serve({seventeen()}));
  const std::vector<std::uint8_t> first{0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1};
  const std::vector<std::uint8_t> second{0, 2, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1};
  auto both = first;
  both.insert(both.end(), second.begin(), second.end());
  peer.send(both);
  EXPECT_THAT(peer.receive(11), ElementsAre(0, 1, 0, 0, 0, 5, 1, 3, 2, 0, 17));
  EXPECT_THAT(peer.receive(11), ElementsAre(0, 2, 0, 0, 0, 5, 1, 3, 2, 0, 17));
  for (const auto byte : first) peer.send({byte});
  EXPECT_THAT(peer.receive(11), ElementsAre(0, 1, 0, 0, 0, 5, 1, 3, 2, 0, 17));
}

TEST_F(SimulatorOverTcp, ClosesAConnectionThatDoesNotSpeakModbus) {
  RawPeer peer(serve({seventeen()}));
  peer.send({'G', 'E', 'T', ' ', '/', ' ', 'H', 'T', 'T', 'P'});
  EXPECT_TRUE(peer.receive(1).empty());
  EXPECT_EQ(simulator_.status().malformed, 1u);
}

TEST_F(SimulatorOverTcp, SurvivesRequestsThatLieAboutTheirCounts) {
  RawPeer peer(serve({seventeen()}));
  peer.send({0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 126});  // more registers than a read may ask for
  EXPECT_THAT(peer.receive(9), ElementsAre(0, 1, 0, 0, 0, 3, 1, 0x83, 3));
  peer.send({0, 2, 0, 0, 0, 2, 1, 3});                    // a read without address and count
  peer.send({0, 3, 0, 0, 0, 7, 1, 16, 0, 0, 0, 9, 200});  // a write without its data
  peer.send({0, 4, 0, 0, 0, 2, 1, 0x63});                 // a function nobody has
  peer.send({0, 5, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1});
  std::vector<std::uint8_t> answer;
  do {
    const auto header = peer.receive(6);
    ASSERT_EQ(header.size(), 6u);
    answer = peer.receive(header[5]);
    if (header[1] == 5) break;
  } while (true);
  EXPECT_THAT(answer, ElementsAre(1, 3, 2, 0, 17));
}

TEST_F(SimulatorOverTcp, StopsWhileClientsAreConnected) {
  const auto port = serve({seventeen()});
  Client client(port);
  EXPECT_THAT(client.unit(1).holding(0, 1), ElementsAre(17));
  simulator_.stop();
  EXPECT_TRUE(client.timeout(milliseconds{500}).holding(0, 1).empty());
  EXPECT_NE(client.error(), ETIMEDOUT) << "closed, not silent";
}

TEST_F(SimulatorOverTcp, ServesManyPortsOnOneThread) {
  std::vector<std::uint16_t> ports;
  for (int i = 0; i < 100; ++i) {
    const auto port = simulator_.add_tcp(0, {slave(1, {constant(Table::Holding, 0, Type::Uint16, i)})});
    ASSERT_TRUE(port);
    ports.push_back(*port);
  }
  simulator_.start();
  for (int i = 0; i < 100; ++i) {
    EXPECT_THAT(Client(ports[static_cast<std::size_t>(i)]).unit(1).holding(0, 1), ElementsAre(i));
  }
}

// Answers on a line take their time on the wire: that needs a clock that runs.
class SimulatorOnALine : public testing::Test {
 protected:
  std::string serve(const std::vector<SimulatedSlave>& slaves, int baud = 115200) {
    LineSettings line;
    line.baud = baud;
    const auto path = simulator_.add_rtu(line, slaves);
    EXPECT_TRUE(path);
    simulator_.start();
    return path.value_or("");
  }

  SystemClock clock_;
  Simulator simulator_{42, clock_};
};

TEST_F(SimulatorOnALine, AnswersItsUnits) {
  Client client(serve({seventeen({}, 1), slave(2, {constant(Table::Input, 5, Type::Int32, -2, ByteOrder::DCBA)})}));
  EXPECT_THAT(client.unit(1).holding(0, 1), ElementsAre(17));
  EXPECT_THAT(client.unit(2).input(5, 2), ElementsAre(0xFEFF, 0xFFFF));
}

TEST_F(SimulatorOnALine, LeavesAMissingUnitSilent) {
  Client client(serve({seventeen()}));
  client.unit(2).timeout(milliseconds{50}).holding(0, 1);
  EXPECT_EQ(client.error(), ETIMEDOUT);
  EXPECT_THAT(client.unit(1).timeout(seconds{5}).holding(0, 1), ElementsAre(17));
}

TEST_F(SimulatorOnALine, ObeysABroadcastWithoutAnswering) {
  Client client(serve({seventeen({}, 1), seventeen({}, 2)}));
  client.unit(0).timeout(milliseconds{50}).write(0, 5);
  client.timeout(seconds{5});
  EXPECT_THAT(client.unit(1).holding(0, 1), ElementsAre(5));
  EXPECT_THAT(client.unit(2).holding(0, 1), ElementsAre(5));
}

TEST_F(SimulatorOnALine, TakesTheTimeThatTheBytesTakeOnTheWire) {
  Client client(
      serve({slave(1, {constant(Table::Holding, 0, Type::Uint16, 1), constant(Table::Holding, 99, Type::Uint16, 2)})},
            19200));
  const auto start = std::chrono::steady_clock::now();
  ASSERT_EQ(client.unit(1).holding(0, 100).size(), 100u);
  // 8 + 205 bytes of 11 bits at 19200 baud.
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds{122});
}

TEST_F(SimulatorOnALine, AnswersGarbageWhenToldTo) {
  Faults faults;
  faults.garbage = 1;
  Client client(serve({seventeen(faults)}));
  EXPECT_TRUE(client.unit(1).timeout(milliseconds{200}).holding(0, 1).empty());
  while (simulator_.status().answers < 1) std::this_thread::yield();  // on a busy machine after the client gave up
  EXPECT_EQ(simulator_.status().faults, 1u);
  EXPECT_EQ(simulator_.status().answers, 1u);
}

TEST_F(SimulatorOnALine, IgnoresWrongChecksumsAndWhatIsNoRequestUntilSilence) {
  RawPeer peer(serve({seventeen()}));
  peer.send({0x01, 0x03, 0x00, 0x00, 0x00, 0x01, 0x84, 0x0B});
  EXPECT_TRUE(peer.silent(milliseconds{100}));
  peer.send({0x01, 0x7E, 0x00, 0x00, 0x00});
  EXPECT_TRUE(peer.silent(milliseconds{100}));
  while (simulator_.status().malformed < 1) std::this_thread::yield();
  bool answered = false;
  for (int attempt = 0; attempt < 50 && !answered; ++attempt) {  // on a busy machine it may not see our silences
    peer.send({0x01, 0x03, 0x00});                               // cut short
    answered = !peer.silent(milliseconds{100});                  // late, to the attempt before
    if (answered) break;
    peer.send({0x01, 0x03, 0x00, 0x00, 0x00, 0x01, 0x84, 0x0A});
    answered = !peer.silent(milliseconds{200});
  }
  EXPECT_THAT(peer.receive(7), ElementsAre(0x01, 0x03, 0x02, 0x00, 0x11, 0x78, 0x48));
}

}  // namespace
}  // namespace ferrule::drivers::modbus

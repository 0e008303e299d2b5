// A whole server, its thread included, asked by libmodbus's client.
#include "drivers/modbus_server/server.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <modbus.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <future>
#include <map>
#include <mutex>
#include <thread>

namespace ferrule::drivers::modbus_server {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

constexpr int kRefused = MODBUS_ENOBASE;  // libmodbus's errno of an exception is this and its code

ExposedPoint point(std::uint8_t unit, PointIndex index, std::uint16_t address, bool writable = false) {
  ExposedPoint exposed;
  exposed.unit = unit;
  exposed.point = index;
  exposed.encoding.address = address;
  exposed.writable = writable;
  return exposed;
}

class Master {
 public:
  explicit Master(modbus_t* modbus, int unit = 1) : modbus_(modbus) {
    modbus_set_slave(modbus_, unit);
    modbus_set_response_timeout(modbus_, 10, 0);
    connected = modbus_connect(modbus_) == 0;
  }
  ~Master() {
    modbus_close(modbus_);
    modbus_free(modbus_);
  }
  Master(const Master&) = delete;
  Master& operator=(const Master&) = delete;

  void unit(int unit) { modbus_set_slave(modbus_, unit); }
  std::vector<std::uint16_t> read(int address, int count) {
    std::vector<std::uint16_t> registers(static_cast<std::size_t>(count));
    error = modbus_read_registers(modbus_, address, count, registers.data()) == count ? 0 : errno;
    if (error != 0) registers.clear();
    return registers;
  }
  bool write(int address, std::uint16_t value) {
    const bool done = modbus_write_register(modbus_, address, value) == 1;
    error = done ? 0 : errno;
    return done;
  }
  bool write(int address, std::vector<std::uint16_t> values) {
    const auto count = static_cast<int>(values.size());
    const bool done = modbus_write_registers(modbus_, address, count, values.data()) == count;
    error = done ? 0 : errno;
    return done;
  }
  void send(std::string_view bytes) const {
    EXPECT_EQ(::send(modbus_get_socket(modbus_), bytes.data(), bytes.size(), MSG_NOSIGNAL), std::ssize(bytes));
  }
  /// At least `size` bytes, or what came until the connection was closed.
  std::string receive(std::size_t size) const {
    std::string all;
    pollfd wanted{modbus_get_socket(modbus_), POLLIN, 0};
    while (all.size() < size && ::poll(&wanted, 1, 10'000) > 0) {
      std::array<char, 4096> bytes{};
      const auto got = ::recv(wanted.fd, bytes.data(), bytes.size(), 0);
      if (got <= 0) break;
      all.append(bytes.data(), static_cast<std::size_t>(got));
    }
    return all;
  }

  bool connected = false;
  int error = 0;

 private:
  modbus_t* modbus_;
};

class ModbusServer : public testing::Test {
 protected:
  void SetUp() override {
    settings.name = "scada";
    settings.port = 0;
    settings.points = {point(1, 0, 0), point(1, 1, 1, true), point(1, 2, 2, true)};
    shown[0] = shown[1] = shown[2] = {std::uint64_t{7}, Quality::Good, Failure::None};
  }
  void start(modbus::SlavePorts::Admits admits = {}) {
    server = std::make_unique<Server>(settings, way(), std::move(admits), clock_);
    server->start();
  }
  modbus_t* tcp() {
    const auto name = server->status().port;
    return modbus_new_tcp("127.0.0.1", std::stoi(name.substr(name.rfind(':') + 1)));
  }

  ServerSettings settings;
  std::map<PointIndex, Shown> shown;  // set before the server is asked
  std::function<WriteResult(PointIndex, const Value&)> on_write = [](auto, const auto&) { return WriteResult{}; };
  std::function<std::optional<PassResult>(const PassRequest&)> on_pass = [](const auto&) { return std::nullopt; };
  std::optional<std::vector<std::uint8_t>> remembered;
  std::mutex mutex;
  std::vector<std::string> notes;  // guarded by mutex

 private:
  Server::Way way() {
    return {[this](const ExposedPoint& exposed) { return shown[exposed.point]; },
            [this](const ExposedPoint& exposed, Value value, std::string who, auto done) {
              {
                const std::lock_guard lock(mutex);
                notes.push_back(std::move(who));
              }
              // As in the gateway: the answer comes later, from another thread.
              writes_.push_back(std::async(
                  std::launch::async, [this, point = exposed.point, value, done] { done(on_write(point, value)); }));
            },
            [this](std::size_t, std::uint8_t, std::span<const std::uint8_t>, TimePoint) { return remembered; },
            [this](std::size_t, PassRequest&& request) {
              auto result = on_pass(request);
              if (!result) return false;
              request.done(std::move(*result));
              return true;
            },
            [this](std::string who, std::string what) {
              const std::lock_guard lock(mutex);
              notes.push_back(who + ": " + what);
            }};
  }

  SystemClock clock_;
  std::vector<std::future<void>> writes_;

 protected:
  std::unique_ptr<Server> server;  // ends before what it looks at
};

TEST_F(ModbusServer, ShowsPointsAndRefusesOthersRegistersAndUnits) {
  shown[1] = {std::int64_t{42}, Quality::Good, Failure::None};
  start();
  Master master(tcp());
  EXPECT_THAT(master.read(0, 3), ElementsAre(7, 42, 7));
  EXPECT_THAT(master.read(0, 4), IsEmpty());
  EXPECT_EQ(master.error, kRefused + kIllegalAddress);
  EXPECT_FALSE(master.write(0, 1));
  EXPECT_EQ(master.error, kRefused + kIllegalAddress);
  master.unit(9);
  EXPECT_THAT(master.read(0, 1), IsEmpty());
  EXPECT_EQ(master.error, kRefused + kPathUnavailable);
  const auto status = server->status();
  EXPECT_EQ(status.ports.requests, 4U);
  EXPECT_EQ(status.exceptions, 3U);
}

TEST_F(ModbusServer, NeverAnswersWithAValueThatThePointHasNot) {
  shown[1] = {std::uint64_t{42}, Quality::Bad, Failure::Timeout};
  start();
  Master master(tcp());
  EXPECT_THAT(master.read(0, 3), IsEmpty());
  EXPECT_EQ(master.error, kRefused + kTargetFailed);
  EXPECT_THAT(master.read(0, 1), ElementsAre(7)) << "the others are there";
}

TEST_F(ModbusServer, AnswersAWriteWhenItIsDone) {
  std::vector<Value> written;
  on_write = [&](PointIndex, const Value& value) {
    const std::lock_guard lock(mutex);
    written.push_back(value);
    return WriteResult{};
  };
  start();
  Master master(tcp());
  EXPECT_TRUE(master.write(1, 21));
  EXPECT_TRUE(master.write(1, {22, 22}));
  EXPECT_THAT(written, ElementsAre(Value(std::uint64_t{21}), Value(std::uint64_t{22}), Value(std::uint64_t{22})));
  EXPECT_THAT(notes.front(), "modbus 127.0.0.1 (server scada)");
}

TEST_F(ModbusServer, SaysWhatBecameOfAWriteThatWasNotDone) {
  Outcome outcome = Outcome::Rejected;
  on_write = [&](PointIndex point, const Value&) { return WriteResult{point == 1 ? outcome : Outcome::Ok, "as told"}; };
  start();
  Master master(tcp());
  const std::pair<Outcome, std::uint8_t> cases[] = {
      {Outcome::Rejected, kIllegalValue}, {Outcome::Timeout, kTargetFailed}, {Outcome::Uncertain, kDeviceFailure}};
  for (const auto& [result, exception] : cases) {
    outcome = result;
    EXPECT_FALSE(master.write(1, 5));
    EXPECT_EQ(master.error, kRefused + exception) << name(result);
    EXPECT_FALSE(master.write(1, {5, 5})) << "one of two failed";
    EXPECT_EQ(master.error, kRefused + exception) << name(result);
  }
}

TEST_F(ModbusServer, PassesRequestsForSharedUnitsOnAndRemembersAnswers) {
  settings.shares = {{.bus = 3, .units = {7}, .writes = true}};
  on_pass = [](const PassRequest& request) -> std::optional<PassResult> {
    if (request.request[0] == 6) return PassResult(request.request);
    return PassResult(std::vector<std::uint8_t>{3, 2, 0x12, 0x34});
  };
  start();
  Master master(tcp(), 7);
  EXPECT_THAT(master.read(100, 1), ElementsAre(0x1234));
  remembered = std::vector<std::uint8_t>{3, 2, 0, 9};
  EXPECT_THAT(master.read(100, 1), ElementsAre(9));
  remembered.reset();
  EXPECT_TRUE(master.write(100, 5));
  EXPECT_THAT(notes, ElementsAre("modbus 127.0.0.1 (server scada): unit 7, function 6, address 100: ok"));
  EXPECT_EQ(server->status().passed, 2U);
  EXPECT_EQ(server->status().remembered, 1U);
}

TEST_F(ModbusServer, AnswersForASharedUnitThatCannotBeReachedAsAGatewayDoes) {
  settings.shares = {{.bus = 3, .units = {7}}};
  start();
  Master master(tcp(), 7);
  EXPECT_FALSE(master.write(100, 5)) << "nobody allowed it";
  EXPECT_EQ(master.error, kRefused + kIllegalFunction);
  const std::pair<std::optional<PassResult>, std::uint8_t> cases[] = {
      {std::nullopt, kPathUnavailable},  // too many wait
      {tl::unexpected(Fault{Failure::PortLost, "closed"}), kPathUnavailable},
      {tl::unexpected(Fault{Failure::Timeout, "no answer"}), kTargetFailed},
      {tl::unexpected(Fault{Failure::UnitOffline, "silent"}), kTargetFailed},
      {tl::unexpected(Fault{Failure::PointRejected, "exception 02", 2}), kIllegalAddress}};
  for (const auto& [result, exception] : cases) {
    on_pass = [&, result = &result](const PassRequest&) { return *result; };
    EXPECT_THAT(master.read(100, 1), IsEmpty());
    EXPECT_EQ(master.error, kRefused + exception);
  }
}

TEST_F(ModbusServer, ClosesWhoMayNotConnectAndWhoIsTooMany) {
  settings.max_connections = 1;
  bool admitted = false;
  start([&](const sockaddr_storage&) { return admitted; });
  {
    Master stranger(tcp());
    EXPECT_THAT(stranger.read(0, 1), IsEmpty());
  }
  EXPECT_EQ(server->status().ports.refused, 1U);
  admitted = true;
  Master first(tcp());
  EXPECT_THAT(first.read(0, 1), ElementsAre(7));
  Master second(tcp());
  EXPECT_THAT(second.read(0, 1), IsEmpty());
  EXPECT_THAT(first.read(0, 1), ElementsAre(7)) << "who is there stays";
  EXPECT_EQ(server->status().ports.refused, 2U);
}

TEST_F(ModbusServer, ClosesAConnectionThatSpeaksSomethingElse) {
  start();
  Master master(tcp());
  master.send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(master.receive(1), "") << "closed";
  EXPECT_EQ(server->status().ports.malformed, 1U);
}

TEST_F(ModbusServer, AnswersRequestsThatCameTogetherOneAfterTheOther) {
  start();
  Master master(tcp());
  std::string requests;
  for (char id = 1; id <= 100; ++id) requests += std::string{0, id, 0, 0, 0, 6, 1, 6, 0, 1, 0, id};
  master.send(requests);
  const auto answers = master.receive(requests.size());
  EXPECT_EQ(answers, requests) << "a write is answered with itself";
}

/// The master's end of a line whose other end the server opens.
class Line {
 public:
  Line() : master_(posix_openpt(O_RDWR | O_NOCTTY)) {
    grantpt(master_);
    unlockpt(master_);
    path = ptsname(master_);
    // Kept open: a pty that nobody has open is lost for whoever reads the master's end.
    far_ = ::open(path.c_str(), O_RDWR | O_NOCTTY);
    termios mode{};
    tcgetattr(far_, &mode);
    cfmakeraw(&mode);
    tcsetattr(far_, TCSANOW, &mode);
  }
  ~Line() {
    ::close(master_);
    ::close(far_);
  }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  void send(std::vector<std::uint8_t> bytes) const {
    EXPECT_EQ(::write(master_, bytes.data(), bytes.size()), std::ssize(bytes));
  }
  /// `size` bytes, or fewer when no more come within that time.
  std::vector<std::uint8_t> receive(std::size_t size, int milliseconds = 10'000) const {
    std::vector<std::uint8_t> all;
    pollfd wanted{master_, POLLIN, 0};
    while (all.size() < size && ::poll(&wanted, 1, milliseconds) > 0) {
      std::array<std::uint8_t, 256> bytes{};
      const auto got = ::read(master_, bytes.data(), bytes.size());
      if (got <= 0) break;
      all.insert(all.end(), bytes.begin(), bytes.begin() + got);
    }
    return all;
  }

  std::string path;

 private:
  int master_;
  int far_;
};

using OnALine = ModbusServer;

TEST_F(OnALine, AnswersForItsOwnUnitsOnly) {
  Line line;
  settings.on_line = true;
  settings.path = line.path;
  start();
  std::this_thread::sleep_for(20ms);  // the silence after which a line is listened to
  line.send({0x02, 0x03, 0x00, 0x00, 0x00, 0x01, 0x84, 0x39});
  EXPECT_THAT(line.receive(1, 50), IsEmpty()) << "another unit's request";
  line.send({0x01, 0x03, 0x00, 0x00, 0x00, 0x01, 0x84, 0x0B});
  EXPECT_THAT(line.receive(1, 50), IsEmpty()) << "damaged";
  // Again if need be: on a busy machine the server may not have seen the silence between two frames.
  std::vector<std::uint8_t> answer;
  for (int i = 0; i < 100 && answer.empty(); ++i) {
    line.send({0x01, 0x03, 0x00, 0x00, 0x00, 0x01, 0x84, 0x0A});
    answer = line.receive(7, 100);
  }
  EXPECT_THAT(answer, ElementsAre(0x01, 0x03, 0x02, 0x00, 0x07, 0xF9, 0x86));
}

TEST_F(OnALine, HearsItsOwnAnswerWhereTheAdapterDoesAndGoesOn) {
  Line line;
  settings.on_line = true;
  settings.path = line.path;
  settings.line.echo = true;
  start();
  std::this_thread::sleep_for(20ms);
  for (int i = 0; i < 3; ++i) {
    line.send({0x01, 0x03, 0x00, 0x00, 0x00, 0x01, 0x84, 0x0A});
    const auto answer = line.receive(7);
    ASSERT_EQ(answer.size(), 7U) << i;
    line.send(answer);
    std::this_thread::sleep_for(20ms);
  }
}

}  // namespace
}  // namespace ferrule::drivers::modbus_server

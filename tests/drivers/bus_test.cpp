// A whole bus, its thread included, against slaves on TCP and on pseudo-terminals.
#include "drivers/bus.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <future>
#include <mutex>
#include <sstream>

#include "drivers/modbus/client.hpp"
#include "drivers/tcp_port.hpp"
#include "fake_slave.hpp"

namespace ferrule::drivers {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

/// What the bus delivered, and a way to wait for it.
class Sink {
 public:
  void take(std::span<const Reading> readings) {
    const std::lock_guard lock(mutex_);
    EXPECT_FALSE(readings.empty());
    all_.insert(all_.end(), readings.begin(), readings.end());
    changed_.notify_all();
  }

  /// Waits, for 10 s at most, until `enough` holds of all readings so far.
  template <class Enough>
  bool wait(Enough enough) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 10s, [&] { return enough(all_); });
  }
  std::vector<Reading> all() {
    const std::lock_guard lock(mutex_);
    return all_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Reading> all_;
};

std::ptrdiff_t count(const std::vector<Reading>& readings, PointIndex point, Failure failure = Failure::None) {
  return std::ranges::count_if(
      readings, [&](const Reading& reading) { return reading.point == point && reading.failure == failure; });
}

class BusTest : public ::testing::Test {
 protected:
  static DeviceSettings device(std::uint8_t unit, int points, std::chrono::milliseconds interval) {
    DeviceSettings settings;
    settings.name = fmt::format("device{}", unit);
    settings.unit_id = unit;
    for (int i = 0; i < points; ++i) {
      auto& point = settings.points.emplace_back();
      point.address = static_cast<std::uint16_t>(i);
      point.interval = interval;
    }
    return settings;
  }

  static BusSettings tcp(std::uint16_t port) {
    BusSettings settings;
    settings.name = "plc";
    settings.host = "127.0.0.1";
    settings.port = port;
    settings.timeout = 200ms;
    settings.offline_retry = {50ms, 500ms};
    settings.reconnect = {20ms, 100ms};
    return settings;
  }

  static BusSettings rtu(std::string path) {
    BusSettings settings = tcp(0);
    settings.type = BusType::ModbusRtu;
    settings.path = std::move(path);
    settings.line.baud = 115200;
    return settings;
  }

  void start(const BusSettings& settings) {
    bus = std::make_unique<Bus>(
        settings, [this](std::span<const Reading> readings) { sink.take(readings); }, clock);
    bus->start();
  }

  void expect_prompt_stop() {
    const auto before = steady_clock::now();
    bus->stop();
    EXPECT_LT(steady_clock::now() - before, 1s);
  }

  SystemClock clock;
  StopSignal stop;  // of what else a test opens
  Sink sink;
  std::unique_ptr<Bus> bus;
};

TEST_F(BusTest, HasSeveralReadsUnderWayOnOneConnectionWhenItMay) {
  TcpSlave slave(answer_addresses);
  auto settings = tcp(slave.port());
  settings.pipeline = 4;
  for (std::uint8_t unit = 1; unit <= 6; ++unit) settings.devices.push_back(device(unit, 3, 20ms));
  start(settings);
  EXPECT_TRUE(sink.wait([](const auto& readings) { return count(readings, 17) >= 20; }));
  expect_prompt_stop();
  for (const auto& reading : sink.all()) {
    EXPECT_EQ(reading.failure, Failure::None);
    EXPECT_EQ(reading.value, Value(std::uint64_t{reading.point % 3}));
  }
  EXPECT_EQ(slave.connections(), 1);
}

TEST_F(BusTest, DeliversWhatASlaveHolds) {
  TcpSlave slave(answer_addresses);
  auto settings = tcp(slave.port());
  settings.devices = {device(1, 3, 20ms), device(2, 2, 20ms)};
  settings.devices[1].points[1].scale = 0.5;
  const auto utc = std::chrono::system_clock::now();
  const auto now = steady_clock::now();
  start(settings);
  ASSERT_TRUE(sink.wait([](const auto& all) { return count(all, 2) >= 3 && count(all, 4) >= 3; }));
  bus->stop();
  for (const auto& reading : sink.all()) {
    EXPECT_EQ(reading.quality, Quality::Good);
    EXPECT_GE(reading.at, utc);
    EXPECT_LE(reading.at, std::chrono::system_clock::now());
    EXPECT_GE(reading.seen, now);
    const auto expected = reading.point == 4 ? Value(0.5) : Value(std::uint64_t{reading.point % 3});
    EXPECT_EQ(reading.value, expected) << reading.point;
  }
  const auto status = bus->status();
  EXPECT_TRUE(status.connected);
  EXPECT_EQ(status.connects, 1U);
  EXPECT_TRUE(status.devices[0].online);
  EXPECT_EQ(status.devices[0].failures, 0U);
  EXPECT_GE(status.devices[0].polls, 3U);
}

PointSettings writable(std::uint16_t address, std::chrono::milliseconds interval) {
  PointSettings point;
  point.address = address;
  point.interval = interval;
  point.write.emplace().function = 6;
  return point;
}

/// Echoes single writes, answers reads with addresses.
std::optional<Bytes> echo_writes(const Asked& asked) {
  if (asked.function != 6) return answer_addresses(asked);
  const auto high = [](std::uint16_t word) { return static_cast<std::uint8_t>(word >> 8); };
  const auto low = [](std::uint16_t word) { return static_cast<std::uint8_t>(word); };
  return Bytes{asked.unit, 6, high(asked.address), low(asked.address), high(asked.count), low(asked.count)};
}

TEST_F(BusTest, SendsAWriteBeforeTheReadsThatWait) {
  // One request takes 20 ms, and 50 points that do not coalesce are due at once: a queue of a second.
  std::mutex mutex;
  std::vector<Asked> order;
  TcpSlave slave([&](const Asked& asked) {
    std::this_thread::sleep_for(20ms);
    const std::lock_guard lock(mutex);
    order.push_back(asked);
    return echo_writes(asked);
  });
  auto settings = tcp(slave.port());
  settings.devices = {device(1, 0, 10ms)};
  settings.devices[0].max_gap = 0;
  for (std::uint16_t i = 0; i < 50; ++i)
    settings.devices[0].points.push_back(writable(static_cast<std::uint16_t>(2 * i), 10ms));
  start(settings);
  ASSERT_TRUE(sink.wait([](const auto& all) { return !all.empty(); }));
  std::atomic<std::size_t> sent_after = 0;
  std::atomic<bool> done = false;
  WriteResult result;
  {
    const std::lock_guard lock(mutex);
    sent_after = order.size();
  }
  ASSERT_TRUE(bus->submit({30, std::uint64_t{5}, steady_clock::now() + 5s, 0ms, [&](const WriteResult& got) {
                             result = got;
                             done = true;
                           }}));
  ASSERT_TRUE(sink.wait([&](const auto&) { return done.load(); }));
  bus->stop();
  EXPECT_EQ(result.outcome, Outcome::Ok) << result.why;
  const auto written = std::ranges::find(order, std::uint8_t{6}, &Asked::function);
  ASSERT_NE(written, order.end());
  EXPECT_EQ(written->address, 60);
  EXPECT_EQ(written->count, 5);
  // The one that was under way, and perhaps one that began while we submitted.
  EXPECT_LE(static_cast<std::size_t>(written - order.begin()), sent_after + 2);
}

// FAULTS 37
TEST_F(BusTest, AnswersACommandOnADeadBusByItsDeadlineAndNeverSendsItLater) {
  const auto free_port = [] { return TcpSlave(answer_addresses).port(); }();
  auto settings = tcp(free_port);
  settings.devices = {device(1, 0, 20ms)};
  settings.devices[0].points = {writable(0, 20ms)};
  start(settings);
  std::atomic<bool> done = false;
  WriteResult result;
  const auto before = steady_clock::now();
  ASSERT_TRUE(bus->submit({0, std::uint64_t{5}, before + 300ms, 0ms, [&](const WriteResult& got) {
                             result = got;
                             done = true;
                           }}));
  while (!done && steady_clock::now() < before + 5s) std::this_thread::sleep_for(5ms);
  ASSERT_TRUE(done);
  EXPECT_EQ(result.outcome, Outcome::Timeout);
  EXPECT_GE(steady_clock::now() - before, 300ms);
  std::atomic<int> writes = 0;
  TcpSlave slave(
      [&](const Asked& asked) {
        writes += asked.function == 6 ? 1 : 0;
        return echo_writes(asked);
      },
      free_port);
  ASSERT_TRUE(sink.wait([](const auto& all) { return count(all, 0) >= 3; }));
  EXPECT_EQ(writes, 0);
}

TEST_F(BusTest, AnswersACommandThatStillWaitsWhenItStops) {
  auto settings = tcp([] { return TcpSlave(answer_addresses).port(); }());
  settings.devices = {device(1, 0, 20ms)};
  settings.devices[0].points = {writable(0, 20ms)};
  start(settings);
  WriteResult result;
  ASSERT_TRUE(
      bus->submit({0, std::uint64_t{5}, steady_clock::now() + 1h, 0ms, [&](const WriteResult& got) { result = got; }}));
  expect_prompt_stop();
  EXPECT_EQ(result.outcome, Outcome::Timeout);
  EXPECT_FALSE(bus->submit({0, std::uint64_t{5}, steady_clock::now() + 1h, 0ms, {}}));
}

TEST_F(BusTest, ReadsOverAPseudoTerminal) {
  PtySlave slave(answer_addresses);
  auto settings = rtu(slave.path());
  settings.devices = {device(1, 3, 20ms)};
  start(settings);
  ASSERT_TRUE(sink.wait([](const auto& all) { return count(all, 2) >= 5; }));
  bus->stop();
  for (const auto& reading : sink.all()) EXPECT_EQ(reading.value, Value(std::uint64_t{reading.point}));
}

// FAULTS 30
TEST_F(BusTest, SaysOnceThatAUnitIsOfflineWhileTheOthersGoOn) {
  TcpSlave slave([](const Asked& asked) { return asked.unit == 2 ? std::nullopt : answer_addresses(asked); });
  auto settings = tcp(slave.port());
  settings.timeout = 40ms;
  settings.devices = {device(1, 1, 20ms), device(2, 1, 20ms), device(3, 1, 20ms)};
  start(settings);
  ASSERT_TRUE(sink.wait([](const auto& all) { return count(all, 0) >= 150 && count(all, 2) >= 150; }));
  bus->stop();
  const auto all = sink.all();
  EXPECT_EQ(count(all, 1), 0);
  EXPECT_EQ(count(all, 1, Failure::Timeout), 3);  // one for each missed poll, then no more
  const auto status = bus->status();
  EXPECT_FALSE(status.devices[1].online);
  EXPECT_EQ(status.devices[1].failure, Failure::Timeout);
  EXPECT_EQ(status.devices[1].failures_by[static_cast<std::size_t>(Failure::Timeout)], status.devices[1].failures);
  EXPECT_GE(status.devices[0].polls, 150U);
}

TEST_F(BusTest, PollsAtFullRateAgainFromTheFirstAnswerOn) {
  std::atomic<bool> alive = false;
  TcpSlave slave([&](const Asked& asked) { return alive ? answer_addresses(asked) : std::nullopt; });
  auto settings = tcp(slave.port());
  settings.timeout = 100ms;
  settings.devices = {device(1, 2, 20ms)};
  start(settings);
  // Twice for missed polls, then once more for all of them.
  ASSERT_TRUE(sink.wait([](const auto& all) { return count(all, 1, Failure::Timeout) == 3; }));
  alive = true;
  ASSERT_TRUE(sink.wait([](const auto& all) { return count(all, 1) >= 20; }));
  bus->stop();
}

TEST_F(BusTest, RetriesBeforeItCallsAPollFailed) {
  std::atomic<int> asked_so_far = 0;
  TcpSlave slave([&](const Asked& asked) { return ++asked_so_far % 2 == 1 ? std::nullopt : answer_addresses(asked); });
  auto settings = tcp(slave.port());
  settings.timeout = 100ms;
  settings.devices = {device(1, 1, 20ms)};
  start(settings);
  ASSERT_TRUE(sink.wait([](const auto& all) { return count(all, 0) >= 10; }));
  bus->stop();
  EXPECT_EQ(count(sink.all(), 0, Failure::Timeout), 0);
  EXPECT_GE(bus->status().devices[0].failures, 10U);
}

TEST_F(BusTest, SaysWhichRequestFailedAndWhy) {
  std::ostringstream lines;
  const auto before = spdlog::default_logger();
  spdlog::set_default_logger(
      std::make_shared<spdlog::logger>("", std::make_shared<spdlog::sinks::ostream_sink_mt>(lines)));
  spdlog::set_pattern("%v");
  TcpSlave slave([](const Asked&) { return std::nullopt; });
  auto settings = tcp(slave.port());
  settings.timeout = 20ms;
  settings.devices = {device(7, 3, 20ms)};
  start(settings);
  ASSERT_TRUE(sink.wait([](const auto& all) { return all.size() >= 9; }));
  bus->stop();
  spdlog::set_default_logger(before);
  // The repeats are kept back; that the device is offline is another matter.
  EXPECT_THAT(lines.str(),
              testing::MatchesRegex("bus plc: device device7, unit 7, function 3, addresses 0..2, attempt 1 of 2, "
                                    "[0-9]+ ms: timeout: no answer\nbus plc: device device7 is offline: no answer\n"));
}

// FAULTS 33
TEST_F(BusTest, FindsTheRefusedPointAndKeepsTheOthersFlowing) {
  std::atomic<int> refused = 0;
  TcpSlave slave([&](const Asked& asked) -> std::optional<Bytes> {
    if (asked.address > 5 || asked.address + asked.count <= 5) return answer_addresses(asked);
    ++refused;
    return refuse(asked, 2);
  });
  auto settings = tcp(slave.port());
  settings.devices = {device(1, 10, 20ms)};
  start(settings);
  ASSERT_TRUE(sink.wait([](const auto& all) {
    for (PointIndex point = 0; point < 10; ++point) {
      if (point != 5 && count(all, point) < 10) return false;
    }
    return true;
  }));
  bus->stop();
  const auto all = sink.all();
  EXPECT_EQ(count(all, 5), 0);
  for (PointIndex point = 0; point < 10; ++point) {
    EXPECT_EQ(count(all, point, Failure::PointRejected), point == 5 ? 1 : 0) << point;
  }
  EXPECT_LE(refused, 4);  // 10 -> 5 -> 3 or 2 -> 1
  EXPECT_TRUE(bus->status().devices[0].online);
}

TEST_F(BusTest, RefusesAFunctionThatTheDeviceDoesNotHaveWithOneRequest) {
  std::atomic<int> refused = 0;
  TcpSlave slave([&](const Asked& asked) -> std::optional<Bytes> {
    if (asked.function != 4) return answer_addresses(asked);
    ++refused;
    return refuse(asked, 1);
  });
  auto settings = tcp(slave.port());
  settings.devices = {device(1, 8, 20ms)};
  for (std::size_t i = 4; i < 8; ++i) settings.devices[0].points[i].table = Table::Input;
  start(settings);
  ASSERT_TRUE(sink.wait([](const auto& all) { return count(all, 0) >= 10; }));
  bus->stop();
  for (PointIndex point = 4; point < 8; ++point)
    EXPECT_EQ(count(sink.all(), point, Failure::PointRejected), 1) << point;
  EXPECT_EQ(refused, 1);
}

// FAULTS 31
TEST_F(BusTest, KeepsAskingADeviceThatIsBusy) {
  std::atomic<int> asked_so_far = 0;
  TcpSlave slave([&](const Asked& asked) { return ++asked_so_far <= 5 ? refuse(asked, 6) : answer_addresses(asked); });
  auto settings = tcp(slave.port());
  settings.devices = {device(1, 1, 20ms)};
  start(settings);
  ASSERT_TRUE(sink.wait([](const auto& all) { return count(all, 0) >= 3; }));
  bus->stop();
  EXPECT_EQ(count(sink.all(), 0, Failure::DeviceBusy), 5);
}

// FAULTS 34
TEST_F(BusTest, ReopensAConnectionThatTheDeviceClosesAfterEachAnswer) {
  TcpSlave slave(answer_addresses);
  slave.drop_after_each_answer = true;
  auto settings = tcp(slave.port());
  settings.devices = {device(1, 1, 20ms)};
  start(settings);
  ASSERT_TRUE(sink.wait([](const auto& all) { return count(all, 0) >= 10; }));
  bus->stop();
  EXPECT_EQ(count(sink.all(), 0, Failure::PortLost), 0);
  EXPECT_GE(slave.connections(), 10);
}

// FAULTS 34
TEST_F(BusTest, LeavesADeviceForOneClientOnlyToOthersBetweenItsPolls) {
  TcpSlave slave(echo_writes);
  auto settings = tcp(slave.port());
  settings.idle_close = 20ms;
  settings.devices = {device(1, 0, 0ms)};
  settings.devices[0].points = {writable(0, 400ms)};
  start(settings);
  ASSERT_TRUE(sink.wait([](const auto& all) { return count(all, 0) >= 1; }));
  TcpPort other("127.0.0.1", slave.port(), stop);
  const auto client = modbus::make_tcp_client(other, stop, {10s, 0ns, 0ns});
  ASSERT_TRUE(other.open(steady_clock::now() + 5s));
  ASSERT_TRUE(client->opened());
  EXPECT_TRUE(client->read({1, Table::Holding, 0, 1})) << "the slave serves one connection after the other";
  other.close();
  ASSERT_TRUE(sink.wait([](const auto& all) { return count(all, 0) >= 3; }));
  std::promise<WriteResult> written;
  WriteRequest request;
  request.value = std::uint64_t{7};
  request.deadline = steady_clock::now() + 10s;
  request.done = [&](const WriteResult& result) { written.set_value(result); };
  ASSERT_TRUE(bus->submit(std::move(request)));
  EXPECT_EQ(written.get_future().get().outcome, Outcome::Ok) << "a command opens it";
  bus->stop();
  EXPECT_GE(slave.connections(), 4);
  EXPECT_EQ(bus->status().losses, 0u);
  EXPECT_EQ(count(sink.all(), 0, Failure::PortLost), 0);
}

TEST_F(BusTest, SaysOnceThatTheConnectionIsLostAndComesBackByItself) {
  auto slave = std::make_unique<TcpSlave>(answer_addresses);
  const auto port = slave->port();
  auto settings = tcp(port);
  settings.devices = {device(1, 2, 20ms), device(2, 1, 20ms)};
  start(settings);
  ASSERT_TRUE(sink.wait([](const auto& all) { return count(all, 2) >= 3; }));
  slave.reset();
  ASSERT_TRUE(sink.wait([](const auto& all) { return count(all, 2, Failure::PortLost) == 1; }));
  while (bus->status().losses < 4) std::this_thread::sleep_for(1ms);
  EXPECT_FALSE(bus->status().connected);
  EXPECT_NE(bus->status().trouble.find("Connection refused"), std::string::npos);
  const auto before = count(sink.all(), 2);
  slave = std::make_unique<TcpSlave>(answer_addresses, port);
  ASSERT_TRUE(sink.wait([&](const auto& all) { return count(all, 2) >= before + 3; }));
  bus->stop();
  for (PointIndex point = 0; point < 3; ++point) EXPECT_EQ(count(sink.all(), point, Failure::PortLost), 1) << point;
  EXPECT_EQ(bus->status().trouble, "");
}

TEST_F(BusTest, ConnectsNoMoreOftenThanItAsks) {
  TcpSlave slave([](const Asked&) -> std::optional<Bytes> { return Bytes{}; });  // no frame: the bus hangs up
  auto settings = tcp(slave.port());
  settings.devices = {device(1, 1, 20ms)};
  start(settings);
  ASSERT_TRUE(sink.wait([](const auto& all) { return count(all, 0, Failure::BadReply) >= 3; }));
  bus->stop();
  EXPECT_LE(static_cast<std::uint64_t>(slave.connections()), bus->status().devices[0].polls + 1);
}

// FAULTS 35
TEST_F(BusTest, FindsAnAdapterThatComesBackUnderAnotherName) {
  const auto link = std::filesystem::temp_directory_path() / fmt::format("ferrule-by-id-{}", ::getpid());
  auto slave = std::make_unique<PtySlave>(answer_addresses);
  std::filesystem::remove(link);
  std::filesystem::create_symlink(slave->path(), link);
  auto settings = rtu(link.string());
  settings.devices = {device(1, 1, 20ms)};
  start(settings);
  ASSERT_TRUE(sink.wait([](const auto& all) { return count(all, 0) >= 3; }));
  PtySlave other(answer_addresses);
  std::filesystem::remove(link);
  slave.reset();  // unplugged: noticed at once, not at the next poll only
  ASSERT_TRUE(sink.wait([](const auto& all) { return count(all, 0, Failure::PortLost) == 1; }));
  const auto before = count(sink.all(), 0);
  std::filesystem::create_symlink(other.path(), link);
  EXPECT_TRUE(sink.wait([&](const auto& all) { return count(all, 0) >= before + 3; }));
  bus->stop();
  EXPECT_EQ(count(sink.all(), 0, Failure::PortLost), 1);
  std::filesystem::remove(link);
}

TEST_F(BusTest, CountsPollsThatItCannotKeepUpWithAndSaysTheirRealPeriod) {
  std::ostringstream lines;
  const auto before = spdlog::default_logger();
  spdlog::set_default_logger(
      std::make_shared<spdlog::logger>("", std::make_shared<spdlog::sinks::ostream_sink_mt>(lines)));
  spdlog::set_pattern("%v");
  TcpSlave slave([](const Asked& asked) {
    std::this_thread::sleep_for(25ms);
    return answer_addresses(asked);
  });
  auto settings = tcp(slave.port());
  settings.devices = {device(1, 1, 10ms)};
  start(settings);
  ASSERT_TRUE(sink.wait([](const auto& all) { return count(all, 0) >= 5; }));
  bus->stop();
  spdlog::set_default_logger(before);
  EXPECT_GE(bus->status().devices[0].overruns, 5U);
  EXPECT_THAT(lines.str(), testing::MatchesRegex("bus plc: device device1, unit 1, function 3, addresses 0..0: the bus "
                                                 "cannot keep up: polled after [0-9]+ ms instead of 10 ms\n"));
}

TEST_F(BusTest, DeliversASlowPointOfAFastBlockInItsOwnTime) {
  TcpSlave slave(answer_addresses);
  auto settings = tcp(slave.port());
  settings.devices = {device(1, 3, 20ms)};
  settings.devices[0].points[1].interval = 100ms;  // between the others, so that it rides along
  start(settings);
  ASSERT_TRUE(sink.wait([](const auto& all) { return count(all, 0) >= 20; }));
  bus->stop();
  const auto all = sink.all();
  EXPECT_NEAR(static_cast<double>(count(all, 1)), static_cast<double>(count(all, 0)) / 5, 1);
}

TEST_F(BusTest, StopsWhileItWaitsForAnAnswer) {
  std::atomic<bool> asked_once = false;
  TcpSlave slave([&](const Asked&) -> std::optional<Bytes> {
    asked_once = true;
    return std::nullopt;
  });
  auto settings = tcp(slave.port());
  settings.timeout = 30s;
  settings.devices = {device(1, 1, 20ms)};
  start(settings);
  while (!asked_once) std::this_thread::sleep_for(1ms);
  expect_prompt_stop();
  EXPECT_TRUE(sink.all().empty());
}

TEST_F(BusTest, StopsWhileItWaitsForThePoll) {
  TcpSlave slave(answer_addresses);
  auto settings = tcp(slave.port());
  settings.devices = {device(1, 1, 1h)};
  start(settings);
  ASSERT_TRUE(sink.wait([](const auto& all) { return count(all, 0) == 1; }));
  expect_prompt_stop();
}

TEST_F(BusTest, StopsWhileItConnectsIntoABlackHole) {
  // A listener whose queue is full lets further connections hang.
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), length), 0);
  ASSERT_EQ(::listen(listener, 0), 0);
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length);
  std::vector<int> fillers;
  for (int i = 0; i < 4; ++i) {
    fillers.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    ::connect(fillers.back(), reinterpret_cast<sockaddr*>(&address), length);
  }
  auto settings = tcp(ntohs(address.sin_port));
  settings.devices = {device(1, 1, 20ms)};
  start(settings);
  std::this_thread::sleep_for(200ms);
  EXPECT_TRUE(sink.all().empty());  // still connecting
  expect_prompt_stop();
  for (const int filler : fillers) ::close(filler);
  ::close(listener);
}

TEST_F(BusTest, StopsWhileItsPortIsMissing) {
  auto settings = rtu("/dev/serial/by-id/no-such-adapter");
  settings.reconnect = {30s, 30s};
  settings.devices = {device(1, 2, 20ms)};
  start(settings);
  ASSERT_TRUE(sink.wait([](const auto& all) { return all.size() == 2; }));
  expect_prompt_stop();
  const auto status = bus->status();
  EXPECT_FALSE(status.connected);
  EXPECT_EQ(status.trouble, "cannot open /dev/serial/by-id/no-such-adapter: No such file or directory");
  for (const auto& reading : sink.all()) EXPECT_EQ(reading.failure, Failure::PortLost);
}

TEST_F(BusTest, IsDueWhenItsWaitEndsAndLongAgoWhenItIsStuck) {
  TcpSlave slave(answer_addresses);
  auto settings = tcp(slave.port());
  settings.devices = {device(1, 1, 1h)};
  std::promise<void> delivered;
  std::promise<void> let_go;
  bus = std::make_unique<Bus>(
      settings,
      [&](std::span<const Reading>) {
        delivered.set_value();
        let_go.get_future().wait();
      },
      clock);
  EXPECT_EQ(bus->due(), TimePoint::max());
  bus->start();
  delivered.get_future().wait();
  EXPECT_LE(bus->due(), steady_clock::now());
  let_go.set_value();
  while (bus->due() <= steady_clock::now()) std::this_thread::sleep_for(1ms);  // it waits for the next poll
  bus->stop();
  EXPECT_EQ(bus->due(), TimePoint::max());
}

TEST_F(BusTest, StopsWithoutHavingStarted) {
  auto settings = tcp(1);
  settings.devices = {device(1, 1, 20ms)};
  bus = std::make_unique<Bus>(
      settings, [](std::span<const Reading>) {}, clock);
  bus->stop();
  EXPECT_EQ(bus->status().devices[0].name, "device1");
}

}  // namespace
}  // namespace ferrule::drivers

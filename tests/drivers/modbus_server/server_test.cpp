#include <future>

#include "tests/drivers/modbus_server/asked_server.hpp"

namespace ferrule::drivers::modbus_server {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

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
  const std::lock_guard lock(mutex);
  EXPECT_THAT(written, ElementsAre(Value(std::uint64_t{21}), Value(std::uint64_t{22}), Value(std::uint64_t{22})));
}

TEST_F(ModbusServer, SaysWhoWrites) {
  start();
  Master master(tcp());
  EXPECT_TRUE(master.write(1, 21));
  EXPECT_THAT(notes(), ElementsAre("modbus 127.0.0.1 (server scada)"));
}

TEST_F(ModbusServer, SaysWhatBecameOfAWriteThatWasNotDone) {
  std::atomic<Outcome> outcome = Outcome::Rejected;
  on_write = [&](PointIndex point, const Value&) {
    return WriteResult{point == 1 ? outcome.load() : Outcome::Ok, "as told"};
  };
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
  on_pass([](const PassRequest& request) -> std::optional<PassResult> {
    if (request.request[0] == 6) return PassResult(request.request);
    return PassResult(std::vector<std::uint8_t>{3, 2, 0x12, 0x34});
  });
  start();
  Master master(tcp(), 7);
  EXPECT_THAT(master.read(100, 1), ElementsAre(0x1234));
  remember(std::vector<std::uint8_t>{3, 2, 0, 9});
  EXPECT_THAT(master.read(100, 1), ElementsAre(9));
  remember(std::nullopt);
  EXPECT_TRUE(master.write(100, 5));
  EXPECT_THAT(notes(), ElementsAre("modbus 127.0.0.1 (server scada): unit 7 writes register 100: 5: ok"));
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
    on_pass([copy = result](const PassRequest&) { return copy; });
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

TEST_F(ModbusServer, TakesUnits0And255ForItself) {
  settings.own_unit = 1;
  start();
  for (const int unit : {0, 255}) {
    Master master(tcp(), unit);
    EXPECT_THAT(master.read(0, 1), ElementsAre(7)) << unit;
    EXPECT_TRUE(master.write(1, 5)) << unit;
  }
}

TEST_F(ModbusServer, LeavesUnit255ToWhomeverItIs) {
  settings.points.push_back(point(255, 3, 0));
  shown[3] = {std::uint64_t{9}, Quality::Good, Failure::None};
  start();
  EXPECT_THAT(Master(tcp(), 255).read(0, 1), ElementsAre(9));
}

TEST_F(ModbusServer, SaysByWhenItIsBackFromWhereItIs) {
  using Clock = std::chrono::steady_clock;
  std::promise<void> asked, go;
  on_pass([&](const PassRequest&) -> std::optional<PassResult> {
    asked.set_value();
    go.get_future().wait();
    return std::nullopt;
  });
  settings.shares = {{.bus = 1, .units = {9}}};
  start();
  const auto due = [this] { return server->status().ports.due; };
  while (due() == Clock::time_point::max()) std::this_thread::yield();
  EXPECT_LE(due(), Clock::now() + 5s);
  const Master master(tcp());
  ASSERT_TRUE(master.connected);
  master.send({"\0\1\0\0\0\6\x09\3\0\0\0\1", 12});
  asked.get_future().wait();
  EXPECT_LE(due(), Clock::now());  // it hangs where it should not
  go.set_value();
  while (due() <= Clock::now()) std::this_thread::yield();
  server->stop();
  EXPECT_EQ(due(), Clock::time_point::max());
}

TEST_F(ModbusServer, TellsTheAuditOfAWriteThatTheBusHadNoRoomFor) {
  settings.shares = {{.bus = 3, .units = {7}, .writes = true}};
  start();
  Master master(tcp(), 7);
  EXPECT_FALSE(master.write(100, 5));
  EXPECT_EQ(master.error, kRefused + kPathUnavailable);
  EXPECT_THAT(notes(), ElementsAre("modbus 127.0.0.1 (server scada): unit 7 writes register 100: 5: too many requests "
                                   "wait for this bus"));
}

}  // namespace
}  // namespace ferrule::drivers::modbus_server

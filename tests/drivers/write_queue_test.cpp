// Writes on their way to a driver, on a clock that the test moves.
#include "drivers/write_queue.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ferrule::drivers {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

class FakeClock final : public Clock {
 public:
  std::chrono::steady_clock::time_point now() const override { return now_; }
  std::chrono::system_clock::time_point utc() const override { return {}; }
  void advance(std::chrono::milliseconds time) { now_ += time; }

 private:
  std::chrono::steady_clock::time_point now_{1h};
};

/// Takes writes and says what the test wants of them.
class FakeDriver final : public Driver {
 public:
  tl::expected<void, Fault> open(TimePoint) override { return {}; }
  void close() override { is_open_ = false; }
  bool is_open() const override { return is_open_; }
  int descriptor() const override { return -1; }
  std::string port_name() const override { return "fake"; }
  std::size_t task_count() const override { return 0; }
  Task task(std::size_t) const override { return {}; }
  tl::expected<void, Fault> run(std::size_t, std::vector<Reading>&) override { return {}; }
  void fail(std::size_t, Failure, std::vector<Reading>&) override {}
  std::string describe(std::size_t) const override { return {}; }
  std::optional<std::size_t> task_of(PointIndex) const override { return std::nullopt; }
  tl::expected<void, Fault> write(PointIndex point, const Value&) override {
    written.push_back(point);
    if (!fault) return {};
    if (fault->failure == Failure::PortLost) close();
    return tl::unexpected(*fault);
  }
  tl::expected<Held, Fault> read_back(PointIndex, const Value&) override {
    ++readbacks;
    return Held{held, value};
  }

  bool is_open_ = true;
  std::optional<Fault> fault;
  bool held = true;
  std::optional<Value> value;
  int readbacks = 0;
  std::vector<PointIndex> written;
};

class WriteQueueTest : public ::testing::Test {
 protected:
  WriteRequest request(PointIndex point, std::chrono::milliseconds timeout = 5s,
                       std::chrono::milliseconds readback = 0ms) {
    return {point, true, clock.now() + timeout, readback, [this, point](const WriteResult& result) {
              results.push_back(std::to_string(point) + " " + std::string(name(result.outcome)) +
                                (result.why.empty() ? "" : ": " + result.why));
              read_back = result.read_back;
            }};
  }
  std::optional<Fault> serve() {
    std::vector<PointIndex> written;
    return queue.serve(written);
  }

  FakeClock clock;
  FakeDriver driver;
  WriteQueue queue{driver, clock};
  std::vector<std::string> results;
  std::optional<Value> read_back;  // of the last result
};

TEST_F(WriteQueueTest, SendsAllThatWaitInTheirOrder) {
  for (const PointIndex point : {3U, 1U, 2U}) ASSERT_TRUE(queue.push(request(point)));
  std::vector<PointIndex> written;
  EXPECT_FALSE(queue.serve(written));
  EXPECT_THAT(driver.written, ElementsAre(3, 1, 2));
  EXPECT_THAT(written, ElementsAre(3, 1, 2));
  EXPECT_THAT(results, ElementsAre("3 ok", "1 ok", "2 ok"));
}

TEST_F(WriteQueueTest, SendsTheLastOfSeveralToOnePointAndRejectsTheOthers) {
  for (const PointIndex point : {1U, 2U, 1U, 3U, 1U}) ASSERT_TRUE(queue.push(request(point)));
  serve();
  EXPECT_THAT(driver.written, ElementsAre(2, 3, 1));
  EXPECT_THAT(results, ElementsAre("1 rejected: superseded by a later command",
                                   "1 rejected: superseded by a later command", "2 ok", "3 ok", "1 ok"));
}

TEST_F(WriteQueueTest, SupersedesWhatWaitsForThePort) {
  driver.is_open_ = false;
  ASSERT_TRUE(queue.push(request(7, 5s)));
  serve();
  ASSERT_TRUE(queue.push(request(7, 1s)));
  serve();
  EXPECT_THAT(results, ElementsAre("7 rejected: superseded by a later command"));
  clock.advance(1s);
  serve();
  EXPECT_THAT(results.back(), "7 timeout: the port was not open until the deadline");
  driver.is_open_ = true;
  serve();
  EXPECT_THAT(driver.written, IsEmpty()) << "the older one does not come back";
}

TEST_F(WriteQueueTest, WaitsForThePortUntilTheDeadlineAndNeverSendsItLater) {
  driver.is_open_ = false;
  ASSERT_TRUE(queue.push(request(7, 1s)));
  serve();
  EXPECT_THAT(results, IsEmpty());
  EXPECT_EQ(queue.next(), clock.now() + 1s);
  clock.advance(1s);
  serve();
  EXPECT_THAT(results, ElementsAre("7 timeout: the port was not open until the deadline"));
  driver.is_open_ = true;
  clock.advance(1s);
  serve();
  EXPECT_THAT(driver.written, IsEmpty());
}

TEST_F(WriteQueueTest, SendsWhatStillWaitsWhenThePortOpens) {
  driver.is_open_ = false;
  ASSERT_TRUE(queue.push(request(7, 1s)));
  serve();
  driver.is_open_ = true;
  clock.advance(900ms);
  serve();
  EXPECT_THAT(results, ElementsAre("7 ok"));
}

TEST_F(WriteQueueTest, SendsAWriteOnceWhateverBecomesOfIt) {
  driver.fault = Fault{Failure::Timeout, "no answer", 0, true};
  ASSERT_TRUE(queue.push(request(7)));
  serve();
  serve();
  EXPECT_THAT(driver.written, ElementsAre(7));
  EXPECT_THAT(results, ElementsAre("7 uncertain: no answer"));
}

TEST_F(WriteQueueTest, TellsOfAPortThatAWriteLost) {
  driver.fault = Fault{Failure::PortLost, "hung up", 0, true};
  ASSERT_TRUE(queue.push(request(7)));
  ASSERT_TRUE(queue.push(request(8)));
  const auto fault = serve();
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->detail, "hung up");
  EXPECT_THAT(results, ElementsAre("7 uncertain: hung up")) << "the other one still has time";
}

TEST_F(WriteQueueTest, ReadsBackUntilTheDeviceHoldsTheValue) {
  driver.held = false;
  ASSERT_TRUE(queue.push(request(7, 5s, 1s)));
  serve();
  EXPECT_EQ(driver.readbacks, 1);
  EXPECT_THAT(results, IsEmpty());
  EXPECT_EQ(queue.next(), clock.now() + 250ms);
  serve();
  EXPECT_EQ(driver.readbacks, 1) << "not before its time";
  clock.advance(250ms);
  driver.held = true;
  driver.value = Value(true);
  serve();
  EXPECT_THAT(results, ElementsAre("7 ok"));
  EXPECT_EQ(read_back, Value(true));
}

TEST_F(WriteQueueTest, CallsAValueUncertainThatReadsBackOtherwise) {
  driver.held = false;
  driver.value = Value(false);
  ASSERT_TRUE(queue.push(request(7, 5s, 1s)));
  for (int i = 0; i < 5; ++i) {
    serve();
    clock.advance(250ms);
  }
  EXPECT_THAT(results, ElementsAre("7 uncertain: the device confirmed it, but it reads back otherwise"));
  EXPECT_EQ(read_back, Value(false));
  EXPECT_THAT(driver.written, ElementsAre(7));
}

TEST_F(WriteQueueTest, TurnsAwayWhatItHasNoRoomFor) {
  driver.is_open_ = false;
  constexpr PointIndex kMost = WriteQueue::kMost;
  for (PointIndex point = 0; point < kMost; ++point) ASSERT_TRUE(queue.push(request(point)));
  EXPECT_FALSE(queue.push(request(kMost)));
  serve();  // taken in, but they still wait
  for (PointIndex point = 0; point < kMost; ++point) ASSERT_TRUE(queue.push(request(kMost + point)));
  serve();
  EXPECT_FALSE(queue.push(request(2 * kMost)));
  EXPECT_THAT(results, IsEmpty());
}

TEST_F(WriteQueueTest, AnswersEverybodyWhenItCloses) {
  driver.held = false;
  ASSERT_TRUE(queue.push(request(1, 5s, 1s)));
  serve();
  driver.is_open_ = false;
  ASSERT_TRUE(queue.push(request(2)));
  serve();
  ASSERT_TRUE(queue.push(request(3)));
  queue.close();
  EXPECT_THAT(results, ElementsAre("2 timeout: the gateway stops", "3 timeout: the gateway stops",
                                   "1 uncertain: the gateway stops before it was read back"));
  EXPECT_FALSE(queue.push(request(4)));
}

TEST(WriteResult, NamesWhatAFailureLeavesOpen) {
  struct Case {
    Fault fault;
    Outcome outcome;
  };
  const Case cases[]{{{Failure::PointRejected, "", 0x01, true}, Outcome::Rejected},
                     {{Failure::PointRejected, "", 0x02, true}, Outcome::Rejected},
                     {{Failure::PointRejected, "", 0x03, true}, Outcome::Rejected},
                     {{Failure::DeviceBusy, "", 0x04, true}, Outcome::Uncertain},
                     {{Failure::DeviceBusy, "", 0x05, true}, Outcome::Uncertain},
                     {{Failure::DeviceBusy, "", 0x06, true}, Outcome::Rejected},
                     {{Failure::UnitOffline, "", 0x0A, true}, Outcome::Timeout},
                     {{Failure::UnitOffline, "", 0x0B, true}, Outcome::Uncertain},
                     {{Failure::Timeout, "", 0, true}, Outcome::Uncertain},
                     {{Failure::Timeout, "", 0, false}, Outcome::Timeout},
                     {{Failure::BadReply, "", 0, true}, Outcome::Uncertain},
                     {{Failure::BadReply, "", 0, false}, Outcome::Timeout},
                     {{Failure::PortLost, "", 0, true}, Outcome::Uncertain},
                     {{Failure::PortLost, "", 0, false}, Outcome::Timeout},
                     {{Failure::DeviceBusy, "", 0, false}, Outcome::Timeout},
                     {{Failure::PointRejected, "", 0, false}, Outcome::Rejected}};
  for (const auto& [fault, outcome] : cases) {
    EXPECT_EQ(result_of(fault).outcome, outcome)
        << name(fault.failure) << " " << int{fault.exception} << " " << fault.sent;
  }
}

}  // namespace
}  // namespace ferrule::drivers

#include "drivers/pass.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "drivers/modbus/answer_cache.hpp"

namespace ferrule::drivers {
namespace {

using namespace std::chrono_literals;
using Bytes = std::vector<std::uint8_t>;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr TimePoint kStart{1h};

class FakeClock final : public Clock {
 public:
  TimePoint now() const override { return time; }
  std::chrono::system_clock::time_point utc() const override { return {}; }

  TimePoint time = kStart;
};

/// A device that answers with what it was asked, or fails as it is told.
class Wire final : public Driver {
 public:
  explicit Wire(FakeClock& shared) : clock(shared) {}
  tl::expected<void, Fault> open(TimePoint) override { return {}; }
  void close() override { open_now = false; }
  bool is_open() const override { return open_now; }
  int descriptor() const override { return -1; }
  std::string port_name() const override { return "wire"; }
  std::size_t task_count() const override { return 0; }
  Task task(std::size_t) const override { return {}; }
  tl::expected<void, Fault> run(std::size_t, std::vector<Reading>&) override { return {}; }
  void fail(std::size_t, Failure, std::vector<Reading>&) override {}
  tl::expected<void, Fault> write(PointIndex, const Value&) override { return {}; }
  tl::expected<Held, Fault> read_back(PointIndex, const Value&) override { return Held{true}; }
  std::optional<std::size_t> task_of(PointIndex) const override { return std::nullopt; }
  std::string describe(std::size_t) const override { return {}; }
  tl::expected<Bytes, Fault> pass(std::uint8_t unit, std::span<const std::uint8_t> request) override {
    asked.push_back(unit);
    if (failure == Failure::Timeout) clock.time += 5s;
    if (failure == Failure::PortLost) open_now = false;
    if (failure != Failure::None) return tl::unexpected(Fault{failure, "as told"});
    return Bytes(request.begin(), request.end());
  }

  FakeClock& clock;
  bool open_now = true;
  Failure failure = Failure::None;
  std::vector<std::uint8_t> asked;
};

class Passing : public testing::Test {
 protected:
  bool push(std::uint8_t unit, TimePoint deadline = kStart + 1s) {
    return queue.push(
        {unit, {3, unit}, deadline, [this](PassResult&& result) { results.push_back(std::move(result)); }});
  }

  FakeClock clock;
  Wire wire{clock};
  PassQueue queue{2, {1s, 60s}, clock};
  std::vector<PassResult> results;
};

TEST_F(Passing, SendsOneRequestAtATimeInTheirOrder) {
  push(1);
  push(2);
  EXPECT_TRUE(queue.serve(wire, false).sent);
  EXPECT_THAT(wire.asked, ElementsAre(1));
  ASSERT_EQ(results.size(), 1U);
  EXPECT_THAT(results[0].value(), ElementsAre(3, 1));
  EXPECT_TRUE(queue.serve(wire, false).sent);
  EXPECT_FALSE(queue.serve(wire, false).sent);
  EXPECT_THAT(wire.asked, ElementsAre(1, 2));
}

TEST_F(Passing, NeverSendsWhatIsTooLate) {
  push(1, kStart);
  EXPECT_FALSE(queue.serve(wire, false).sent);
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results[0].error().exception, PassQueue::kPathUnavailable);
  EXPECT_THAT(wire.asked, IsEmpty());
}

TEST_F(Passing, WaitsForAPortThatMayStillOpenButNotForOneThatIsOutOfOrder) {
  wire.open_now = false;
  push(1);
  EXPECT_FALSE(queue.serve(wire, false).sent);
  EXPECT_THAT(results, IsEmpty());
  queue.serve(wire, true);
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results[0].error().failure, Failure::PortLost);
}

TEST_F(Passing, TurnsAwayWhatIsTooMuch) {
  for (std::size_t i = 0; i < PassQueue::kMost; ++i) EXPECT_TRUE(push(1));
  EXPECT_FALSE(push(1));
  queue.close();
  EXPECT_EQ(results.size(), PassQueue::kMost) << "each is told once";
  EXPECT_FALSE(push(1));
}

TEST_F(Passing, LetsAUnitThatIsSilentWaitSoThatItDoesNotTakeTheLine) {
  wire.failure = Failure::Timeout;
  for (int i = 0; i < 2; ++i) {
    push(9, kStart + 1h);
    EXPECT_TRUE(queue.serve(wire, false).sent);
  }
  push(9, kStart + 1h);
  push(5, kStart + 1h);
  wire.failure = Failure::None;
  EXPECT_TRUE(queue.serve(wire, false).sent);
  EXPECT_THAT(wire.asked, ElementsAre(9, 9, 5)) << "the others go on";
  EXPECT_EQ(results[2].error().failure, Failure::UnitOffline);
  push(9, kStart + 1h);
  EXPECT_FALSE(queue.serve(wire, false).sent) << "the timeout itself is no part of the wait";
  clock.time += 2s;
  push(9, kStart + 1h);
  EXPECT_TRUE(queue.serve(wire, false).sent) << "probed after a while";
  EXPECT_TRUE(results.back().has_value());
}

TEST_F(Passing, TellsThatThePortWasLost) {
  wire.failure = Failure::PortLost;
  push(1);
  const auto served = queue.serve(wire, false);
  ASSERT_TRUE(served.lost);
  EXPECT_EQ(results.front().error().failure, Failure::PortLost);
}

TEST(AnswerCache, AnswersFromOneWholeAnswerOrNotAtAll) {
  modbus::AnswerCache cache;
  EXPECT_FALSE(cache.find({1, Table::Holding, 0, 1}, kStart)) << "it begins to remember";
  cache.keep({3, Table::Holding, 10, 2}, Bytes{1, 2, 3, 4}, kStart);
  cache.keep({3, Table::Holding, 12, 2}, Bytes{5, 6, 7, 8}, kStart);
  EXPECT_THAT(cache.find({3, Table::Holding, 11, 1}, kStart).value(), ElementsAre(3, 4));
  EXPECT_FALSE(cache.find({3, Table::Holding, 11, 2}, kStart)) << "registers of two times may be halves of two values";
  EXPECT_FALSE(cache.find({3, Table::Input, 10, 2}, kStart));
  EXPECT_FALSE(cache.find({4, Table::Holding, 10, 2}, kStart));
  EXPECT_FALSE(cache.find({3, Table::Holding, 10, 2}, kStart + 1ms)) << "too old";
}

TEST(AnswerCache, CutsBitsOutOfAnAnswer) {
  modbus::AnswerCache cache;
  EXPECT_FALSE(cache.find({1, Table::Holding, 0, 1}, kStart)) << "it begins to remember";
  cache.keep({1, Table::Coil, 0, 16}, Bytes{0b1000'0001, 0b0000'0011}, kStart);
  EXPECT_THAT(cache.find({1, Table::Coil, 7, 3}, kStart).value(), ElementsAre(0b111));
  EXPECT_THAT(cache.find({1, Table::Coil, 1, 6}, kStart).value(), ElementsAre(0));
}

TEST(AnswerCache, KnowsNothingOfAUnitThatWasWrittenTo) {
  modbus::AnswerCache cache;
  EXPECT_FALSE(cache.find({1, Table::Holding, 0, 1}, kStart)) << "it begins to remember";
  cache.keep({1, Table::Holding, 0, 1}, Bytes{0, 1}, kStart);
  cache.keep({2, Table::Holding, 0, 1}, Bytes{0, 2}, kStart);
  cache.forget(1);
  EXPECT_FALSE(cache.find({1, Table::Holding, 0, 1}, kStart));
  EXPECT_TRUE(cache.find({2, Table::Holding, 0, 1}, kStart));
  cache.forget(0);
  EXPECT_FALSE(cache.find({2, Table::Holding, 0, 1}, kStart)) << "a broadcast is a write to every unit";
}

TEST(AnswerCache, IsBoundedAndDropsTheOldest) {
  modbus::AnswerCache cache;
  EXPECT_FALSE(cache.find({1, Table::Holding, 0, 1}, kStart)) << "it begins to remember";
  for (std::uint16_t i = 0; i <= modbus::AnswerCache::kMost; ++i) {
    cache.keep({1, Table::Holding, i, 1}, Bytes{0, 1}, kStart + std::chrono::milliseconds(i));
  }
  EXPECT_FALSE(cache.find({1, Table::Holding, 0, 1}, kStart));
  EXPECT_TRUE(cache.find({1, Table::Holding, 1, 1}, kStart));
}

}  // namespace
}  // namespace ferrule::drivers

#include "drivers/schedule.hpp"

#include <gtest/gtest.h>

#include <map>

#include "drivers/failure_log.hpp"
#include "drivers/utilisation.hpp"

namespace ferrule::drivers {
namespace {

using namespace std::chrono_literals;

const TimePoint kStart = TimePoint(1000s);

TEST(Backoff, DoublesBetweenItsBoundsAndStaysWithinThem) {
  std::minstd_rand random(1);
  Backoff backoff({1s, 8s});
  for (const auto base : {1s, 2s, 4s}) {
    const auto wait = backoff.next(random);
    EXPECT_GE(wait, base);
    EXPECT_LE(wait, base + base / 4.0);
  }
  for (int i = 0; i < 20; ++i) {
    const auto wait = backoff.next(random);
    EXPECT_GE(wait, 6s);
    EXPECT_LE(wait, 8s);
  }
  backoff.reset();
  EXPECT_LE(backoff.next(random), 1250ms);
}

TEST(Backoff, DiffersFromOneToTheNext) {
  std::minstd_rand random(1);
  std::map<std::int64_t, int> seen;
  for (int i = 0; i < 20; ++i) {
    Backoff backoff({1s, 60s});
    ++seen[backoff.next(random).count()];
  }
  EXPECT_GT(seen.size(), 15U);
}

/// A bus on which each request takes as long as `cost` says, for `duration`; counts the runs of each task.
class FakeBus {
 public:
  explicit FakeBus(std::vector<Task> tasks, std::size_t devices, int offline_after = 3, double phase = 0)
      : schedule(devices, offline_after, {1s, 60s}, phase, 1), tasks_(std::move(tasks)) {
    for (const auto& task : tasks_) schedule.add(task, now);
  }

  void run(std::chrono::milliseconds duration) {
    for (const auto end = now + duration; now < end;) {
      const auto next = schedule.next();
      if (next.due > now) {
        now = std::min(next.due, end);
        continue;
      }
      const auto started = now;
      const auto device = tasks_[next.task].device;
      const bool alive = !dead.contains(device);
      now += alive ? cost : 500ms;
      ++runs[next.task];
      if (alive) {
        schedule.answered(next.task, now);
      } else {
        schedule.missed(next.task, now);
      }
      overruns += schedule.ran(next.task, tasks_[next.task].interval, started, now);
    }
  }

  Schedule schedule;
  TimePoint now = kStart;
  std::chrono::milliseconds cost = 10ms;
  std::map<std::uint32_t, bool> dead;
  std::map<std::size_t, int> runs;
  std::uint64_t overruns = 0;

 private:
  std::vector<Task> tasks_;
};

TEST(Schedule, NamesWhatIsDueNextOfDevicesThatAreOnline) {
  Schedule schedule(3, 1, {1s, 60s}, 0, 1);
  for (const std::uint32_t device : {0U, 0U, 1U, 2U, 0U}) schedule.add({device, 100ms}, kStart);
  schedule.ran(0, 100ms, kStart, kStart + 1ms);
  schedule.missed(2, kStart + 1ms);
  EXPECT_EQ(schedule.due(1, kStart + 1ms, 4), (std::vector<std::size_t>{1, 3, 4})) << "0 is not due, 2 not online";
  EXPECT_EQ(schedule.due(4, kStart + 1ms, 2), (std::vector<std::size_t>{4, 1}));
  EXPECT_TRUE(schedule.due(2, kStart + 1ms, 4).empty());
}

TEST(Schedule, HonoursDifferentIntervals) {
  FakeBus bus({{0, 100ms}, {0, 1s}, {1, 5s}}, 2);
  bus.run(60s);
  EXPECT_NEAR(bus.runs[0], 600, 1);
  EXPECT_NEAR(bus.runs[1], 60, 1);
  EXPECT_NEAR(bus.runs[2], 12, 1);
  EXPECT_EQ(bus.overruns, 0U);
}

TEST(Schedule, PlacesABusWithinTheIntervalByItsPhase) {
  FakeBus bus({{0, 1s}}, 1, 3, 0.25);
  bus.run(100ms);
  EXPECT_EQ(bus.runs[0], 1);  // the first poll does not wait
  EXPECT_EQ(bus.schedule.next().due, kStart + 250ms);
  bus.run(1s);
  EXPECT_EQ(bus.schedule.next().due, kStart + 1250ms);
}

TEST(Schedule, SkipsAndCountsWhatItCannotKeepUpWith) {
  FakeBus bus({{0, 100ms}}, 1);
  bus.cost = 250ms;
  bus.run(30s);
  EXPECT_NEAR(bus.runs[0], 100, 2);  // each third moment of the grid
  EXPECT_NEAR(static_cast<double>(bus.overruns), 200, 4);
}

TEST(Schedule, SharesAnOverloadedWireFairly) {
  std::vector<Task> tasks;
  for (std::uint32_t device = 0; device < 10; ++device) tasks.push_back({device, 1s});
  tasks.push_back({10, 100ms});
  FakeBus bus(tasks, 11);
  bus.cost = 200ms;
  bus.run(200s);
  for (std::size_t device = 1; device < 10; ++device) EXPECT_NEAR(bus.runs[device], bus.runs[0], 2);
  EXPECT_GT(bus.runs[0], 50);
}

// FAULTS 30
TEST(Schedule, GivesTheLivingNineTenthsOfTheirRateWithThreeOfTenDead) {
  std::vector<Task> tasks;
  for (std::uint32_t device = 0; device < 10; ++device) tasks.push_back({device, 1s});
  FakeBus bus(tasks, 10);
  bus.cost = 50ms;
  bus.run(5s);
  bus.runs.clear();
  bus.dead = {{2, true}, {5, true}, {8, true}};
  bus.run(60s);
  for (const std::size_t device : {0, 1, 3, 4, 6, 7, 9}) EXPECT_GE(bus.runs[device], 54) << device;
  for (const std::uint32_t device : {2, 5, 8}) EXPECT_EQ(bus.schedule.health(device), Health::Offline) << device;
}

TEST(Schedule, ProbesTheDeadAtGrowingIntervals) {
  FakeBus bus({{0, 1s}, {0, 1s}}, 1);
  bus.dead = {{0, true}};
  bus.run(10s);
  const int at_first = bus.runs[0] + bus.runs[1];
  EXPECT_GE(at_first, 5);
  bus.run(590s);
  const int later = bus.runs[0] + bus.runs[1] - at_first;
  EXPECT_GE(later, 9);
  EXPECT_LE(later, 17);
  EXPECT_GT(bus.runs[0], 2);  // no single task decides
  EXPECT_GT(bus.runs[1], 2);
}

TEST(Schedule, TakesEverythingUpAtOnceWithTheFirstAnswer) {
  FakeBus bus({{0, 1s}, {0, 1s}}, 1);
  bus.dead = {{0, true}};
  bus.run(300s);
  bus.dead.clear();
  bus.run(70s);  // one probe comes at least
  EXPECT_EQ(bus.schedule.health(0), Health::Online);
  bus.runs.clear();
  bus.run(10s);
  EXPECT_NEAR(bus.runs[0], 10, 1);
  EXPECT_NEAR(bus.runs[1], 10, 1);
}

TEST(Schedule, CountsOnlyMissesInARow) {
  Schedule schedule(1, 3, {1s, 60s}, 0, 1);
  schedule.add({0, 1s}, kStart);
  EXPECT_EQ(schedule.missed(0, kStart), Health::Doubtful);
  EXPECT_EQ(schedule.missed(0, kStart), Health::Doubtful);
  EXPECT_EQ(schedule.answered(0, kStart), Health::Doubtful);
  EXPECT_EQ(schedule.missed(0, kStart), Health::Doubtful);
  EXPECT_EQ(schedule.missed(0, kStart), Health::Doubtful);
  EXPECT_EQ(schedule.missed(0, kStart), Health::Offline);
  EXPECT_EQ(schedule.answered(0, kStart), Health::Offline);
  EXPECT_EQ(schedule.health(0), Health::Online);
}

TEST(Utilisation, IsThatOfTheLastWholeMinuteOnceThereWasOne) {
  const TimePoint start{1h};
  Utilisation utilisation(start);
  EXPECT_DOUBLE_EQ(utilisation.add(start + 1s, start + 2s), 0.5);
  EXPECT_DOUBLE_EQ(utilisation.add(start + 9s, start + 10s), 0.2);
  EXPECT_DOUBLE_EQ(utilisation.add(start + 59s, start + 60s), 0.05);
  EXPECT_DOUBLE_EQ(utilisation.add(start + 60s, start + 90s), 0.05) << "until the next minute is over";
  EXPECT_DOUBLE_EQ(utilisation.add(start + 90s, start + 120s), 1.0);
}

TEST(FailureLog, TellsTheFirstAndThenOnceAMinuteHowManyMore) {
  FailureLog log(2);
  EXPECT_EQ(log.add(0, Failure::Timeout, kStart), 0U);
  for (int i = 1; i <= 57; ++i) EXPECT_FALSE(log.add(0, Failure::Timeout, kStart + i * 1s));
  EXPECT_EQ(log.add(0, Failure::BadReply, kStart + 58s), 0U);  // another cause
  EXPECT_EQ(log.add(1, Failure::Timeout, kStart + 58s), 0U);   // another device
  EXPECT_EQ(log.add(0, Failure::Timeout, kStart + 60s), 57U);
  EXPECT_FALSE(log.add(0, Failure::Timeout, kStart + 61s));
}

}  // namespace
}  // namespace ferrule::drivers

#include "drivers/modbus/planner.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>

#include "drivers/modbus/decode.hpp"

namespace ferrule::drivers::modbus {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;

PointSettings point(Table table, std::uint16_t address, Type type, int interval_ms = 1000) {
  PointSettings settings;
  settings.table = table;
  settings.address = address;
  settings.type = type;
  settings.interval = milliseconds(interval_ms);
  return settings;
}

PointSettings holding(std::uint16_t address, Type type = Type::Uint16, int interval_ms = 1000) {
  return point(Table::Holding, address, type, interval_ms);
}

DeviceSettings device(std::vector<PointSettings> points, std::uint16_t max_gap = 8, std::uint16_t max_registers = 125) {
  DeviceSettings settings;
  settings.max_gap = max_gap;
  settings.max_registers = max_registers;
  settings.points = std::move(points);
  return settings;
}

// `holding 100+4 every 1000ms: 0@0+2 1@2+2`: table, address, count, interval; point@offset+width, and *every.
std::string text(const Block& block) {
  static const std::map<Table, std::string> kNames{
      {Table::Coil, "coil"}, {Table::Discrete, "discrete"}, {Table::Input, "input"}, {Table::Holding, "holding"}};
  auto result =
      fmt::format("{} {}+{} every {}ms:", kNames.at(block.table), block.address, block.count, block.interval.count());
  for (const auto& at : block.points) {
    result += fmt::format(" {}@{}+{}", at.point, at.offset, at.width);
    if (at.every != 1) result += fmt::format("*{}", at.every);
  }
  return result;
}

std::vector<std::string> planned(const DeviceSettings& settings, PointIndex first = 0) {
  std::vector<std::string> result;
  for (const auto& block : plan(settings, first)) result.push_back(text(block));
  return result;
}

TEST(Planner, ReadsNeighboursTogetherWhateverTheirOrder) {
  EXPECT_THAT(planned(device({holding(102, Type::Float32), holding(100), holding(101)})),
              ElementsAre("holding 100+4 every 1000ms: 1@0+1 2@1+1 0@2+2"));
}

TEST(Planner, CountsPointsFromTheGivenIndex) {
  EXPECT_THAT(planned(device({holding(0), holding(1)}), 40), ElementsAre("holding 0+2 every 1000ms: 40@0+1 41@1+1"));
}

TEST(Planner, PlansNothingForNoPoints) { EXPECT_TRUE(plan(device({}), 0).empty()); }

TEST(Planner, SpansAGapOfMaxGapAndNoMore) {
  EXPECT_THAT(planned(device({holding(0), holding(4)}, 3)), ElementsAre("holding 0+5 every 1000ms: 0@0+1 1@4+1"));
  EXPECT_THAT(planned(device({holding(0), holding(5)}, 3)),
              ElementsAre("holding 0+1 every 1000ms: 0@0+1", "holding 5+1 every 1000ms: 1@0+1"));
  EXPECT_THAT(planned(device({holding(0), holding(1), holding(3)}, 0)),
              ElementsAre("holding 0+2 every 1000ms: 0@0+1 1@1+1", "holding 3+1 every 1000ms: 2@0+1"));
}

TEST(Planner, NeverSplitsAValueAtTheLongestRead) {
  std::vector<PointSettings> points;
  for (int i = 0; i < 3; ++i) points.push_back(holding(static_cast<std::uint16_t>(2 * i), Type::Int32));
  EXPECT_THAT(planned(device(points, 8, 5)),
              ElementsAre("holding 0+4 every 1000ms: 0@0+2 1@2+2", "holding 4+2 every 1000ms: 2@0+2"));
}

TEST(Planner, NeverReadsAValueWithoutItsScaleFactor) {
  auto power = holding(0);
  power.scale_factor = 3;
  auto current = holding(11);
  current.scale_factor = 9;
  EXPECT_THAT(planned(device({power, holding(1), current}, 3, 8)),
              ElementsAre("holding 0+4 every 1000ms: 0@0+4 1@1+1", "holding 9+3 every 1000ms: 2@0+3"));
}

TEST(Planner, GivesAValueLongerThanAReadMayBeARequestOfItsOwn) {
  EXPECT_THAT(planned(device({holding(0, Type::Int32), holding(2)}, 8, 1)),
              ElementsAre("holding 0+2 every 1000ms: 0@0+2", "holding 2+1 every 1000ms: 1@0+1"));
}

TEST(Planner, NeverAsksForMoreThan125Registers) {
  std::vector<PointSettings> points;
  for (std::uint16_t i = 0; i < 126; ++i) points.push_back(holding(i));
  const auto blocks = plan(device(points), 0);
  ASSERT_EQ(blocks.size(), 2u);
  EXPECT_EQ(blocks[0].count, 125);
  EXPECT_EQ(blocks[1].count, 1);
}

TEST(Planner, AsksForUpTo2000BitsAndFewerOfASmallDevice) {
  const auto coils = [](std::uint16_t last) {
    return std::vector{point(Table::Coil, 0, Type::Bool), point(Table::Coil, last, Type::Bool)};
  };
  EXPECT_EQ(planned(device(coils(1999), 2000)).size(), 1u);
  EXPECT_EQ(planned(device(coils(2000), 2000)).size(), 2u);
  EXPECT_EQ(planned(device(coils(31), 2000, 2)).size(), 1u);
  EXPECT_EQ(planned(device(coils(32), 2000, 2)).size(), 2u);
}

TEST(Planner, KeepsTheTablesApart) {
  EXPECT_THAT(planned(device({point(Table::Holding, 0, Type::Uint16), point(Table::Input, 1, Type::Uint16),
                              point(Table::Coil, 2, Type::Bool), point(Table::Discrete, 3, Type::Bool)})),
              ElementsAre("coil 2+1 every 1000ms: 2@0+1", "discrete 3+1 every 1000ms: 3@0+1",
                          "input 1+1 every 1000ms: 1@0+1", "holding 0+1 every 1000ms: 0@0+1"));
}

TEST(Planner, LetsPointsOverlap) {
  EXPECT_THAT(planned(device({holding(10, Type::Uint32), holding(11), holding(10), holding(12)})),
              ElementsAre("holding 10+3 every 1000ms: 2@0+1 0@0+2 1@1+1 3@2+1"));
}

TEST(Planner, ReachesTheLastRegister) {
  EXPECT_THAT(planned(device({holding(65534, Type::Float32), holding(65530)})),
              ElementsAre("holding 65530+6 every 1000ms: 1@0+1 0@4+2"));
}

TEST(Planner, ReadsOtherIntervalsOnTheirOwn) {
  EXPECT_THAT(planned(device({holding(0), holding(1, Type::Uint16, 5000), holding(2)}, 0)),
              ElementsAre("holding 0+1 every 1000ms: 0@0+1", "holding 2+1 every 1000ms: 2@0+1",
                          "holding 1+1 every 5000ms: 1@0+1"));
}

TEST(Planner, LetsASlowerPointRideAlongInsideAFasterBlock) {
  EXPECT_THAT(planned(device({holding(0), holding(1, Type::Uint16, 5000), holding(2)})),
              ElementsAre("holding 0+3 every 1000ms: 0@0+1 1@1+1*5 2@2+1"));
}

TEST(Planner, DoesNotLengthenAFasterBlockForASlowerPoint) {
  EXPECT_THAT(planned(device({holding(0, Type::Uint32), holding(1, Type::Uint32, 5000)})),
              ElementsAre("holding 0+2 every 1000ms: 0@0+2", "holding 1+2 every 5000ms: 1@0+2"));
}

TEST(Planner, LetsOnlyMultiplesOfTheIntervalRideAlong) {
  EXPECT_THAT(planned(device({holding(0), holding(1, Type::Uint16, 1500), holding(2)})),
              ElementsAre("holding 0+3 every 1000ms: 0@0+1 2@2+1", "holding 1+1 every 1500ms: 1@0+1"));
}

TEST(Planner, HalvesABlockByItsPointsAndDropsTheGapBetween) {
  const auto blocks = plan(device({holding(0), holding(1), holding(8, Type::Float32), holding(10)}), 0);
  ASSERT_EQ(blocks.size(), 1u);
  const auto [left, right] = split(blocks[0]);
  EXPECT_EQ(text(left), "holding 0+2 every 1000ms: 0@0+1 1@1+1");
  EXPECT_EQ(text(right), "holding 8+3 every 1000ms: 2@0+2 3@2+1");
}

TEST(Planner, HalvesOverlappingPointsWithoutCuttingOne) {
  const auto blocks = plan(device({holding(0, Type::Uint32), holding(1, Type::Uint32)}), 0);
  ASSERT_EQ(blocks.size(), 1u);
  const auto [left, right] = split(blocks[0]);
  EXPECT_EQ(text(left), "holding 0+2 every 1000ms: 0@0+2");
  EXPECT_EQ(text(right), "holding 1+2 every 1000ms: 1@0+2");
}

TEST(Planner, ReadsAHalfWithSlowPointsOnlyAtTheirPace) {
  const auto blocks = plan(device({holding(0, Type::Uint32), holding(1, Type::Uint16, 3000)}), 0);
  ASSERT_EQ(blocks.size(), 1u);
  const auto [left, right] = split(blocks[0]);
  EXPECT_EQ(text(left), "holding 0+2 every 1000ms: 0@0+2");
  EXPECT_EQ(text(right), "holding 1+1 every 3000ms: 1@0+1");
}

DeviceSettings any_device() {
  const auto count = *rc::gen::inRange(1, 60);
  std::vector<PointSettings> points;
  for (int i = 0; i < count; ++i) {
    const auto table = *rc::gen::element(Table::Coil, Table::Input, Table::Holding);
    const auto type =
        is_bits(table) ? Type::Bool : *rc::gen::element(Type::Int16, Type::Uint32, Type::Float32, Type::Bool);
    const auto address = *rc::gen::oneOf(rc::gen::inRange(0, 300), rc::gen::inRange(65400, 65535));
    points.push_back(point(table, static_cast<std::uint16_t>(address), type, *rc::gen::element(500, 1000, 1500, 3000)));
  }
  return device(std::move(points), static_cast<std::uint16_t>(*rc::gen::inRange(0, 126)),
                static_cast<std::uint16_t>(*rc::gen::inRange(2, 126)));
}

// Where a block says a point is, against where it was configured.
void check_place(const Block& block, const BlockPoint& at, const PointSettings& settings) {
  RC_ASSERT(block.table == settings.table);
  RC_ASSERT(block.address + at.offset == extent_of(settings).address);
  RC_ASSERT(at.width == extent_of(settings).width);
  RC_ASSERT(at.offset + at.width <= block.count);
  RC_ASSERT(block.interval * at.every == settings.interval);
}

RC_GTEST_PROP(Planner, PutsEachPointWhollyIntoOneBlockWithinTheLimits, ()) {
  const auto settings = any_device();
  const auto blocks = plan(settings, 7);
  std::vector<int> seen(settings.points.size());
  for (const auto& block : blocks) {
    RC_ASSERT(block.count >= 1);
    RC_ASSERT(block.count <= (is_bits(block.table) ? 16 * settings.max_registers : settings.max_registers));
    RC_ASSERT(block.address + block.count <= 65536);
    RC_ASSERT(!block.points.empty());
    std::uint16_t last = 0;
    for (const auto& at : block.points) {
      check_place(block, at, settings.points.at(at.point - 7));
      RC_ASSERT(at.offset >= last);
      last = at.offset;
      ++seen.at(at.point - 7);
    }
  }
  RC_ASSERT(std::all_of(seen.begin(), seen.end(), [](int times) { return times == 1; }));
}

RC_GTEST_PROP(Planner, KeepsEveryPointWhileABlockIsHalvedToItsPoints, ()) {
  const auto settings = any_device();
  auto blocks = plan(settings, 0);
  std::size_t singles = 0;
  while (!blocks.empty()) {
    const auto block = blocks.back();
    blocks.pop_back();
    for (const auto& at : block.points) check_place(block, at, settings.points.at(at.point));
    if (block.points.size() == 1) {
      RC_ASSERT(block.count == block.points[0].width);
      ++singles;
      continue;
    }
    const auto [left, right] = split(block);
    RC_ASSERT(left.points.size() + right.points.size() == block.points.size());
    blocks.push_back(left);
    blocks.push_back(right);
  }
  RC_ASSERT(singles == settings.points.size());
}

}  // namespace
}  // namespace ferrule::drivers::modbus

#include "mapping/window.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/mapping/plant.hpp"

namespace ferrule::mapping {
namespace {

using namespace std::chrono_literals;
using drivers::Failure;
using testing::ElementsAre;
using testing::IsEmpty;

// The first reading comes at 22:13:20; the minute ends 40 s later.
Plant plant(const std::string& window = "{every: 1m}") {
  return Plant::with_points("{p: {register: holding, address: 0, type: int16, scale: 0.1, unit: V, window: " + window +
                            "}}");
}

TEST(Window, PublishesWhatItGatheredWithTheFirstReadingBehindIt) {
  auto p = plant();
  EXPECT_THAT(p.poll(0s, {{"p", 1.5}}), IsEmpty());
  EXPECT_THAT(p.poll(10s, {{"p", 4.0}}), IsEmpty());
  EXPECT_THAT(p.poll(39999ms, {{"p", 2.0}}), IsEmpty());
  EXPECT_THAT(p.poll(40s, {{"p", 7.0}}),
              ElementsAre(R"(plant/m/p {"ts":1700000040000,"from":1699999980000,"min":1.5,"max":4,"mean":2.5,"last":2,)"
                          R"("count":3,"q":"good","unit":"V"})"));
  EXPECT_THAT(p.poll(100s, {{"p", 0.0}}),
              ElementsAre(R"(plant/m/p {"ts":1700000100000,"from":1700000040000,"min":7,"max":7,"mean":7,"last":7,)"
                          R"("count":1,"q":"good","unit":"V"})"));
}

TEST(Window, PublishesTheNumbersAskedForInTheirOrder) {
  auto p = plant("{every: 10s, values: [count, mean]}");
  p.poll(0s, {{"p", 0.1}});
  p.poll(1s, {{"p", 0.2}});
  EXPECT_THAT(
      p.poll(10s, {{"p", 0.0}}),
      ElementsAre(
          R"(plant/m/p {"ts":1700000010000,"from":1700000000000,"count":2,"mean":0.15,"q":"good","unit":"V"})"));
}

TEST(Window, LeavesBadReadingsOutAndSaysSo) {
  auto p = plant("{every: 10s, values: [max, count]}");
  p.poll(0s, {{"p", 1.0}});
  p.poll(1s, {{"p", {}, Failure::Timeout}});
  EXPECT_THAT(p.poll(10s, {{"p", {}, Failure::PortLost}}),
              ElementsAre(R"(plant/m/p {"ts":1700000010000,"from":1700000000000,"max":1,"count":1,"q":"uncertain",)"
                          R"("err":"timeout","unit":"V"})"));
  EXPECT_THAT(p.poll(20s, {{"p", 1.0}}),
              ElementsAre(R"(plant/m/p {"ts":1700000020000,"from":1700000010000,"max":null,"count":0,"q":"bad",)"
                          R"("err":"port-lost","unit":"V"})"));
}

TEST(Window, BeginsAnewWhenTheClockIsSetBack) {
  auto p = plant("{every: 10s, values: [last]}");
  p.poll(60s, {{"p", 1.0}});
  EXPECT_THAT(p.poll(0s, {{"p", 2.0}}),
              ElementsAre(R"(plant/m/p {"ts":1700000070000,"from":1700000060000,"last":1,"q":"good","unit":"V"})"));
  EXPECT_THAT(p.poll(10s, {{"p", 3.0}}),
              ElementsAre(R"(plant/m/p {"ts":1700000010000,"from":1700000000000,"last":2,"q":"good","unit":"V"})"));
}

TEST(Window, UnderWayIsPublishedAtTheEndUpToItsLastReading) {
  auto p = plant("{every: 1m, values: [mean, count]}");
  EXPECT_THAT(p.end_windows(), IsEmpty());
  p.poll(0s, {{"p", 1.0}});
  p.poll(7s, {{"p", 2.0}});
  EXPECT_THAT(p.end_windows(),
              ElementsAre(R"(plant/m/p {"ts":1700000007000,"from":1699999980000,"mean":1.5,"count":2,"q":"good",)"
                          R"("unit":"V"})"));
  EXPECT_THAT(p.end_windows(), IsEmpty()) << "once";
}

TEST(Window, MistakesSayWhatIsWrong) {
  const auto of = [](const std::string& keys) {
    return point_mistakes("{register: holding, address: 0, " + keys + "}");
  };
  const std::string at = "devices.m.points.p";
  EXPECT_THAT(of("window: {values: [max]}"), ElementsAre(at + ".window.every: is required"));
  EXPECT_THAT(
      of("window: {every: 1m, values: [median]}"),
      ElementsAre(at +
                  ".window.values[0]: must be one of min, max, mean, last, count; is \"median\" (did you mean mean?)"));
  EXPECT_THAT(of("window: {every: 1m, values: []}"),
              ElementsAre(at + ".window.values: needs at least one of min, max, mean, last, count"));
  EXPECT_THAT(of("window: {every: 1m}, enum: {0: x}"),
              ElementsAre(at + ": a window gathers numbers, and this is text"));
  EXPECT_THAT(of("window: {every: 1m}, format: raw"),
              ElementsAre(at + ": a window is published as json (remove the window, or the format)"));
}

}  // namespace
}  // namespace ferrule::mapping

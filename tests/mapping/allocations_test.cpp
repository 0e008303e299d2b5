// What a gateway does all day takes nothing from the heap.
#include <gtest/gtest.h>

#include "bench/mapping/allocations.hpp"
#include "tests/mapping/plant.hpp"

namespace ferrule::mapping {
namespace {

using namespace std::chrono_literals;
using drivers::Failure;
using drivers::Quality;

/// What a hundred polls of four points take from the heap, after as many that made room for them; each is published.
std::uint64_t allocations_of(const std::string& publish) {
  auto plant = Plant::with_points(
      "{i: {register: input, address: 0, type: int16}, f: {register: input, address: 1, type: float32, unit: V}, "
      "e: {register: input, address: 3, enum: {0: \"off\", 1: auto}}, "
      "c: {register: input, address: 4, scale: 0.1, expression: value + i, round: 0.5, clamp: {max: 1000}}}",
      publish);
  std::vector<mqtt::PublicationPtr> publications;
  std::size_t published = 0;
  const auto poll = [&](int round) {
    const auto at = std::chrono::system_clock::time_point{1'700'000'000'000ms + round * 1s};
    const auto seen = std::chrono::steady_clock::time_point{1h + round * 1s};
    const int value = round % 100;  // the same again, so that no payload is longer than those before
    const drivers::Reading readings[]{{0, Quality::Good, Failure::None, std::int64_t{-value}, at, seen},
                                      {1, Quality::Good, Failure::None, 230.5 + value, at, seen},
                                      {2, Quality::Good, Failure::None, std::uint64_t{value % 2U}, at, seen},
                                      {3, Quality::Good, Failure::None, value * 0.1, at, seen}};
    publications.clear();
    plant.map(readings, publications);
    published += publications.size();
  };
  for (int round = 0; round < 100; ++round) poll(round);
  published = 0;
  const auto before = bench::allocations();
  for (int round = 100; round < 200; ++round) poll(round);
  EXPECT_GE(published, 100U) << "or there was nothing to allocate for";
  return bench::allocations() - before;
}

TEST(Allocations, AreCounted) {
  const auto before = bench::allocations();
  const auto text = std::make_unique<std::string>(1000, 'x');
  EXPECT_EQ(bench::allocations() - before, 2U);
}

TEST(Allocations, AreNoneForAReadingInSteadyState) {
  for (const auto* format : {"raw", "json", "json-device", "influx"}) {
    EXPECT_EQ(allocations_of("{when: poll, format: " + std::string(format) + "}"), 0U) << format;
  }
  EXPECT_EQ(allocations_of("{when: poll, payload: '{device}.{point}={value} {unit} {quality}'}"), 0U);
  EXPECT_EQ(allocations_of("{format: json}"), 0U) << "of values that change";
}

}  // namespace
}  // namespace ferrule::mapping

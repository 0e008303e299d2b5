#include "mapping/mapper.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "mapping/json.hpp"
#include "tests/mapping/plant.hpp"

namespace ferrule::mapping {
namespace {

using namespace std::chrono_literals;
using drivers::Failure;

/// The only point of a plant, with those keys, fed at times of our choice.
class Point {
 public:
  explicit Point(const std::string& keys = "type: uint16")
      : plant_(Plant::with_points("{p: {register: holding, address: 0, " + keys + "}}")) {}

  /// The payloads published for this reading.
  std::vector<std::string> good(drivers::Value value, std::chrono::milliseconds at) {
    return payloads(plant_.poll(at, {{"p", std::move(value)}}));
  }
  std::vector<std::string> bad(Failure failure, std::chrono::milliseconds at) {
    return payloads(plant_.poll(at, {{"p", {}, failure}}));
  }
  std::vector<mqtt::PublicationPtr> last() const { return plant_.published(); }
  PointStatus status() const { return plant_.snapshot().front(); }

 private:
  static std::vector<std::string> payloads(std::vector<std::string> lines) {
    for (auto& line : lines) line = line.substr(line.find(' ') + 1);
    return lines;
  }

  Plant plant_;
};

using Payloads = std::vector<std::string>;

TEST(Mapper, PublishesTheFirstValueWithItsTimeAndQuality) {
  Point point;
  EXPECT_EQ(point.good(230.5, 7ms), Payloads{R"({"ts":1700000000007,"v":230.5,"q":"good"})"});
  ASSERT_EQ(point.last().size(), 1u);
  EXPECT_EQ(point.last()[0]->topic, "plant/m/p");
  EXPECT_EQ(point.last()[0]->qos, mqtt::Qos::AtLeastOnce);
  EXPECT_TRUE(point.last()[0]->retain);
}

TEST(Mapper, PublishesOnChangeOnlyAndAtTheHeartbeat) {
  Point point("heartbeat: 10s");
  EXPECT_EQ(point.good(std::int64_t{1}, 0s).size(), 1u);
  EXPECT_TRUE(point.good(std::int64_t{1}, 1s).empty());
  EXPECT_EQ(point.good(std::int64_t{2}, 2s).size(), 1u);
  EXPECT_TRUE(point.good(std::int64_t{2}, 11s).empty());
  EXPECT_EQ(point.good(std::int64_t{2}, 12s), Payloads{R"({"ts":1700000012000,"v":2,"q":"good"})"});
}

TEST(Mapper, PublishesEveryPollWhenAskedTo) {
  Point point("when: poll");
  EXPECT_EQ(point.good(true, 0s).size(), 1u);
  EXPECT_EQ(point.good(true, 1s), Payloads{R"({"ts":1700000001000,"v":true,"q":"good"})"});
}

TEST(Mapper, ABadPointKeepsItsLastValueAndItsTimeAndNamesTheCause) {
  Point point;
  point.good(21.0, 0s);
  EXPECT_EQ(point.bad(Failure::Timeout, 5s), Payloads{R"({"ts":1700000000000,"v":21,"q":"bad","err":"timeout"})"});
  EXPECT_TRUE(point.bad(Failure::Timeout, 6s).empty());
  EXPECT_EQ(point.bad(Failure::PortLost, 7s), Payloads{R"({"ts":1700000000000,"v":21,"q":"bad","err":"port-lost"})"});
  EXPECT_EQ(point.good(21.0, 8s), Payloads{R"({"ts":1700000008000,"v":21,"q":"good"})"});
}

TEST(Mapper, APointThatWasNeverReadHasNoMadeUpValue) {
  Point point;
  EXPECT_EQ(point.bad(Failure::Timeout, 3s), Payloads{R"({"ts":1700000003000,"v":null,"q":"bad","err":"timeout"})"});
  EXPECT_EQ(point.status().value, "");
  EXPECT_EQ(point.status().failure, Failure::Timeout);
}

TEST(Mapper, TheDeadbandIsMeasuredFromThePublishedValue) {
  Point point("deadband: 0.5, heartbeat: 0");
  EXPECT_EQ(point.good(10.0, 0s).size(), 1u);
  EXPECT_TRUE(point.good(10.3, 1s).empty());
  EXPECT_EQ(point.good(10.5, 2s).size(), 1u) << "small steps add up";
  EXPECT_TRUE(point.good(10.1, 3s).empty());
}

TEST(Mapper, APercentageOfTheDeadbandIsOfThePublishedValue) {
  Point point("deadband: 10%, heartbeat: 0");
  EXPECT_EQ(point.good(200.0, 0s).size(), 1u);
  EXPECT_TRUE(point.good(219.9, 1s).empty());
  EXPECT_EQ(point.good(220.0, 2s).size(), 1u);
  EXPECT_TRUE(point.good(241.0, 3s).empty());
  EXPECT_EQ(point.good(0.0, 4s).size(), 1u);
  EXPECT_TRUE(point.good(0.0, 5s).empty());
  EXPECT_EQ(point.good(0.001, 6s).size(), 1u) << "any change of nothing is one";
}

TEST(Mapper, AQualityThatChangesIsPublishedAtOnceWhateverTheIntervals) {
  Point point("min_interval: 1h, deadband: 100");
  EXPECT_EQ(point.good(1.0, 0ms).size(), 1u);
  EXPECT_EQ(point.bad(Failure::DeviceBusy, 1ms).size(), 1u);
  EXPECT_EQ(point.good(1.0, 2ms).size(), 1u);
}

TEST(Mapper, AChangeWithinTheMinimumIntervalIsPublishedByALaterPoll) {
  Point point("min_interval: 1s");
  EXPECT_EQ(point.good(1.0, 0ms).size(), 1u);
  EXPECT_TRUE(point.good(2.0, 500ms).empty());
  EXPECT_EQ(point.good(2.0, 1000ms).size(), 1u);
}

TEST(Mapper, ShowsAValueAsItIsPublishedAndTakesNoNoticeOfIt) {
  auto plant = Plant::with_points(
      "{p: {register: holding, address: 0, expression: value * 2 + q, clamp: {max: 50}},"
      " q: {register: holding, address: 1}}");
  EXPECT_EQ(plant.shown("p", 5.0), std::nullopt) << "q is not known";
  plant.poll(0s, {{"q", 1.0}});
  EXPECT_EQ(plant.shown("p", 5.0), drivers::Value(11.0));
  EXPECT_EQ(plant.shown("p", 30.0), drivers::Value(50.0));
  EXPECT_EQ(plant.shown("q", std::uint64_t{7}), drivers::Value(std::uint64_t{7}));
  EXPECT_EQ(plant.snapshot()[0].value, "");
}

std::string json_text(const drivers::Value& value, int digits) {
  std::string text;
  append_json(text, keep(value), digits);
  return text;
}

TEST(JsonText, IsExactForIntegersAndShortForDoubles) {
  EXPECT_EQ(json_text(std::numeric_limits<std::uint64_t>::max(), 0), "18446744073709551615");
  EXPECT_EQ(json_text(std::numeric_limits<std::int64_t>::min(), 0), "-9223372036854775808");
  EXPECT_EQ(json_text(234 * 0.1, 15), "23.4");
  EXPECT_EQ(json_text(static_cast<double>(230.1f), 9), "230.1");
  EXPECT_EQ(json_text(0.1 + 0.2, 0), "0.30000000000000004");
  EXPECT_EQ(json_text(true, 0), "true");
  EXPECT_EQ(json_text(-0.0, 0), "-0");
}

TEST(JsonText, EscapesStringsAndSurvivesInvalidUtf8) {
  EXPECT_EQ(json_text(std::string("a\"b\\c\n"), 0), R"("a\"b\\c\n")");
  EXPECT_EQ(json_text(std::string("\xff"), 0), "\"\xef\xbf\xbd\"");
}

TEST(JsonText, NeverWritesABareNan) {
  EXPECT_EQ(json_text(std::numeric_limits<double>::quiet_NaN(), 0), "null");
  EXPECT_EQ(json_text(std::numeric_limits<double>::infinity(), 15), "null");
}

}  // namespace
}  // namespace ferrule::mapping

#include "mapping/mapper.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "mapping/json.hpp"

namespace ferrule::mapping {
namespace {

using namespace std::chrono_literals;
using drivers::Failure;
using drivers::Quality;
using drivers::Reading;

/// One point under test, fed at times of our choice.
class Point {
 public:
  explicit Point(PublishRule rule) : mapper_(mappings(std::move(rule))) {}

  /// The payloads published for this reading.
  std::vector<std::string> good(drivers::Value value, std::chrono::milliseconds at) {
    return feed({0, Quality::Good, Failure::None, std::move(value), {}, {}}, at);
  }
  std::vector<std::string> bad(Failure failure, std::chrono::milliseconds at) {
    return feed({0, Quality::Bad, failure, {}, {}, {}}, at);
  }
  std::vector<mqtt::PublicationPtr> last() const { return publications_; }
  PointStatus status() const { return mapper_.snapshot().front(); }

 private:
  static BusMappings mappings(PublishRule rule) {
    const auto catalogue = std::make_shared<Catalogue>();
    return {catalogue,
            {{catalogue->text("plant/meter/voltage"), catalogue->name("meter"),
              catalogue->rule({"voltage", "V", std::move(rule), 0})}}};
  }

  std::vector<std::string> feed(Reading reading, std::chrono::milliseconds at) {
    reading.at = std::chrono::system_clock::time_point{1'700'000'000'000ms + at};
    reading.seen = std::chrono::steady_clock::time_point{1h + at};
    publications_.clear();
    mapper_.map({&reading, 1}, publications_);
    std::vector<std::string> payloads;
    for (const auto& publication : publications_) payloads.push_back(publication->payload);
    return payloads;
  }

  Mapper mapper_;
  std::vector<mqtt::PublicationPtr> publications_;
};

using Payloads = std::vector<std::string>;

TEST(Mapper, PublishesTheFirstValueWithItsTimeAndQuality) {
  Point point({});
  EXPECT_EQ(point.good(230.5, 7ms), Payloads{R"({"ts":1700000000007,"v":230.5,"q":"good"})"});
  ASSERT_EQ(point.last().size(), 1u);
  EXPECT_EQ(point.last()[0]->topic, "plant/meter/voltage");
  EXPECT_EQ(point.last()[0]->qos, mqtt::Qos::AtLeastOnce);
  EXPECT_TRUE(point.last()[0]->retain);
}

TEST(Mapper, PublishesOnChangeOnlyAndAtTheHeartbeat) {
  PublishRule rule;
  rule.heartbeat = 10s;
  Point point(rule);
  EXPECT_EQ(point.good(std::int64_t{1}, 0s).size(), 1u);
  EXPECT_TRUE(point.good(std::int64_t{1}, 1s).empty());
  EXPECT_EQ(point.good(std::int64_t{2}, 2s).size(), 1u);
  EXPECT_TRUE(point.good(std::int64_t{2}, 11s).empty());
  EXPECT_EQ(point.good(std::int64_t{2}, 12s), Payloads{R"({"ts":1700000012000,"v":2,"q":"good"})"});
}

TEST(Mapper, PublishesEveryPollWhenAskedTo) {
  PublishRule rule;
  rule.when = When::Poll;
  Point point(rule);
  EXPECT_EQ(point.good(true, 0s).size(), 1u);
  EXPECT_EQ(point.good(true, 1s), Payloads{R"({"ts":1700000001000,"v":true,"q":"good"})"});
}

TEST(Mapper, ABadPointKeepsItsLastValueAndItsTimeAndNamesTheCause) {
  Point point({});
  point.good(21.0, 0s);
  EXPECT_EQ(point.bad(Failure::Timeout, 5s), Payloads{R"({"ts":1700000000000,"v":21,"q":"bad","err":"timeout"})"});
  EXPECT_TRUE(point.bad(Failure::Timeout, 6s).empty());
  EXPECT_EQ(point.bad(Failure::PortLost, 7s), Payloads{R"({"ts":1700000000000,"v":21,"q":"bad","err":"port-lost"})"});
  EXPECT_EQ(point.good(21.0, 8s), Payloads{R"({"ts":1700000008000,"v":21,"q":"good"})"});
}

TEST(Mapper, APointThatWasNeverReadHasNoMadeUpValue) {
  Point point({});
  EXPECT_EQ(point.bad(Failure::Timeout, 3s), Payloads{R"({"ts":1700000003000,"v":null,"q":"bad","err":"timeout"})"});
  EXPECT_EQ(point.status().value, "");
  EXPECT_EQ(point.status().failure, Failure::Timeout);
}

TEST(Mapper, TheDeadbandIsMeasuredFromThePublishedValue) {
  PublishRule rule;
  rule.deadband = 0.5;
  rule.heartbeat = 0s;
  Point point(rule);
  EXPECT_EQ(point.good(10.0, 0s).size(), 1u);
  EXPECT_TRUE(point.good(10.3, 1s).empty());
  EXPECT_EQ(point.good(10.5, 2s).size(), 1u) << "small steps add up";
  EXPECT_TRUE(point.good(10.1, 3s).empty());
}

TEST(Mapper, AChangeWithinTheMinimumIntervalIsPublishedByALaterPoll) {
  PublishRule rule;
  rule.min_interval = 1s;
  Point point(rule);
  EXPECT_EQ(point.good(1.0, 0ms).size(), 1u);
  EXPECT_TRUE(point.good(2.0, 500ms).empty());
  EXPECT_EQ(point.good(2.0, 1000ms).size(), 1u);
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

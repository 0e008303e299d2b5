#include "drivers/serial/parser.hpp"

#include <gtest/gtest.h>

#include <chrono>

#include "drivers/freshness.hpp"

namespace ferrule::drivers::serial {
namespace {

using namespace std::chrono_literals;

Encoding of(Type type) {
  Encoding encoding;
  encoding.type = type;
  return encoding;
}

TEST(SerialText, IsANumberOnlyWhenAllOfItIs) {
  const auto real = of(Type::Float64);
  EXPECT_EQ(decode_text(" +12.50 ", real).value, Value(12.5));
  EXPECT_EQ(decode_text("1e3", real).value, Value(1000.0));
  EXPECT_EQ(decode_text("-12,5", real, true).value, Value(-12.5));
  for (const auto* text : {"", " ", "-", "+-1", "1.2.3", "12 kg", "nan", "inf", "0x10", "1,5", "1e999"}) {
    EXPECT_EQ(decode_text(text, real).failure, Failure::Invalid) << text;
  }
  EXPECT_EQ(decode_text(std::string(65, '1'), real).failure, Failure::Invalid);
}

TEST(SerialText, KeepsIntegersExactAndInTheirRange) {
  EXPECT_EQ(decode_text("18446744073709551615", of(Type::Uint64)).value, Value(std::uint64_t{18446744073709551615U}));
  EXPECT_EQ(decode_text("-128", of(Type::Int8)).value, Value(std::int64_t{-128}));
  EXPECT_EQ(decode_text("128", of(Type::Int8)).failure, Failure::Invalid);
  EXPECT_EQ(decode_text("-1", of(Type::Uint16)).failure, Failure::Invalid);
  EXPECT_EQ(decode_text("1.0", of(Type::Int32)).failure, Failure::Invalid);
  EXPECT_EQ(decode_text("FFFE", of(Type::Int16), false, true).value, Value(std::int64_t{-2}));
  EXPECT_EQ(decode_text("0xff", of(Type::Uint8), false, true).value, Value(std::uint64_t{255}));
}

TEST(SerialText, KnowsWordsForABool) {
  EXPECT_EQ(decode_text("ON", of(Type::Bool)).value, Value(true));
  EXPECT_EQ(decode_text("0", of(Type::Bool)).value, Value(false));
  EXPECT_EQ(decode_text("2", of(Type::Bool)).failure, Failure::Invalid);
}

TEST(SerialText, ThatIsNotUtf8IsLatin1) {
  EXPECT_EQ(decode_text("20 \xB0"
                        "C ",
                        of(Type::String))
                .value,
            Value(std::string("20 \u00b0C")));
}

TEST(SerialBytes, HaveEveryOrderAndOddPlaces) {
  auto encoding = of(Type::Uint32);
  const std::string bytes("\x01\x02\x03\x04", 4);
  EXPECT_EQ(decode_bytes(bytes, encoding).value, Value(std::uint64_t{0x01020304}));
  encoding.byte_order = ByteOrder::DCBA;
  EXPECT_EQ(decode_bytes(bytes, encoding).value, Value(std::uint64_t{0x04030201}));
  EXPECT_EQ(decode_bytes("\xFF", of(Type::Int8)).value, Value(std::int64_t{-1}));
  EXPECT_EQ(decode_bytes("", of(Type::Int8)).failure, Failure::Invalid);
  auto text = of(Type::String);
  text.length = 3;
  EXPECT_EQ(decode_bytes("abc", text).value, Value(std::string("abc")));
}

TEST(SerialPattern, ThatWouldRunForeverGivesUpInstead) {
  auto pattern = Pattern::compile("^(a+)+$");
  ASSERT_TRUE(pattern);
  const auto before = std::chrono::steady_clock::now();
  EXPECT_FALSE(pattern->match(std::string(4000, 'a') + "b"));
  EXPECT_EQ(pattern->gave_up(), 1U);
  EXPECT_LT(std::chrono::steady_clock::now() - before, 10s) << "2^4000 steps else";
  EXPECT_TRUE(pattern->match("aaa"));
}

TEST(SerialPattern, FindsGroupsByNameAndNumber) {
  auto pattern = Pattern::compile("(?<a>x)?(?<b>y)");
  ASSERT_TRUE(pattern);
  EXPECT_EQ(pattern->group("b"), 2U);
  EXPECT_EQ(pattern->group("1"), 1U);
  EXPECT_FALSE(pattern->group("c"));
  EXPECT_FALSE(pattern->group("3"));
  ASSERT_TRUE(pattern->match("y"));
  EXPECT_FALSE(pattern->group_text(1));
  EXPECT_EQ(pattern->group_text(2), "y");
}

class FreshnessTest : public ::testing::Test {
 protected:
  FreshnessTest() {
    freshness.add(5s);
    freshness.add(60s);
  }
  static std::vector<std::size_t> stale(Freshness& freshness, TimePoint now) {
    std::vector<std::size_t> points;
    freshness.tell_stale(now, [&](std::size_t point) { points.push_back(point); });
    return points;
  }
  const TimePoint start{1h};
  Freshness freshness;
};

TEST_F(FreshnessTest, TellsAPointOnceThatWasNotHeardAgain) {
  freshness.opened(start);
  freshness.heard(0, start + 1s);
  freshness.heard(1, start + 1s);
  EXPECT_TRUE(stale(freshness, start + 5900ms).empty());
  EXPECT_EQ(stale(freshness, start + 6s), std::vector<std::size_t>{0});
  EXPECT_TRUE(stale(freshness, start + 7s).empty());
  freshness.heard(0, start + 8s);
  EXPECT_EQ(stale(freshness, start + 13s), std::vector<std::size_t>{0});
}

TEST_F(FreshnessTest, TellsAPointThatWasNeverHeardWhileOthersAre) {
  freshness.opened(start);
  freshness.heard(1, start + 1s);
  EXPECT_EQ(stale(freshness, start + 5s), std::vector<std::size_t>{0});
}

TEST_F(FreshnessTest, CallsADeviceSilentWhenNoValueIsGoodAnyMore) {
  freshness.opened(start);
  EXPECT_FALSE(freshness.is_silent(start + 59s));
  EXPECT_TRUE(stale(freshness, start + 59s).empty()) << "it has said nothing yet";
  EXPECT_TRUE(freshness.is_silent(start + 60s));
  freshness.heard(0, start + 61s);
  EXPECT_FALSE(freshness.is_silent(start + 62s));
}

}  // namespace
}  // namespace ferrule::drivers::serial

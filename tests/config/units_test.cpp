#include "config/units.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace ferrule::config {
namespace {

using std::chrono::milliseconds;

std::uint64_t some(std::mt19937_64& random) { return random() >> (random() % 64); }  // of every magnitude

TEST(Duration, ReadsBackWhatItWrites) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 20000; ++i) {
    const milliseconds duration{static_cast<std::int64_t>(some(random) >> 1U)};
    const auto text = duration_text(duration);
    const auto again = parse_duration(text);
    ASSERT_TRUE(again) << text;
    ASSERT_EQ(*again, duration) << text;
  }
}

TEST(Duration, ReadsEachUnitAndTheirSums) {
  EXPECT_EQ(parse_duration("500ms"), milliseconds{500});
  EXPECT_EQ(parse_duration("1s"), milliseconds{1000});
  EXPECT_EQ(parse_duration("5m"), milliseconds{300'000});
  EXPECT_EQ(parse_duration("2h"), milliseconds{7'200'000});
  EXPECT_EQ(parse_duration("30d"), milliseconds{2'592'000'000});
  EXPECT_EQ(parse_duration("1h30m"), milliseconds{5'400'000});
  EXPECT_EQ(parse_duration("1d2h3m4s5ms"), milliseconds{93'784'005});
  EXPECT_EQ(parse_duration("90m"), milliseconds{5'400'000});
  EXPECT_EQ(parse_duration("0"), milliseconds{0});
  EXPECT_EQ(parse_duration("0s"), milliseconds{0});
}

TEST(Duration, IsWrittenInTheBiggestUnits) {
  EXPECT_EQ(duration_text(milliseconds{0}), "0s");
  EXPECT_EQ(duration_text(milliseconds{500}), "500ms");
  EXPECT_EQ(duration_text(milliseconds{90'000}), "1m30s");
  EXPECT_EQ(duration_text(milliseconds{-1500}), "-1s500ms");
  EXPECT_EQ(duration_text(milliseconds::max()), "106751991167d7h12m55s807ms");
  EXPECT_EQ(duration_text(milliseconds::min()), "-106751991167d7h12m55s808ms");
  EXPECT_EQ(parse_duration("106751991167d7h12m55s807ms"), milliseconds::max());
}

struct Wrong {
  std::string_view word;
  std::string message;
  std::string hint;
};

TEST(Duration, SaysWhatIsWrongAndWhatToWrite) {
  const std::string shape = "must be a duration, e.g. 500ms, 10s or 1h30m";
  const std::string units = "; units are ms, s, m, h and d";
  const Wrong table[] = {
      {"500", "needs a unit, e.g. 500ms or 500s", ""},
      {"1.5", "needs a unit, e.g. 1.5s", ""},
      {"", shape, ""},
      {"fast", shape, ""},
      {"ms", shape, ""},
      {"1s..2s", shape, ""},
      {"1s 5", shape, ""},
      {"1h30", "needs a unit, e.g. 30ms or 30s", ""},
      {"5 ", shape, ""},
      {"-5s", "must not be negative", ""},
      {"1.5s", "must be a whole number of its unit", "did you mean 1s500ms?"},
      {"0.25h", "must be a whole number of its unit", "did you mean 15m?"},
      {"0.0001s", "must be a whole number of its unit", ""},
      {"5 s", "must have no blank before its unit", "did you mean 5s?"},
      {"5sec", "has no unit \"sec\"" + units, "did you mean 5s?"},
      {"90 seconds", "has no unit \"seconds\"" + units, "did you mean 1m30s?"},
      {"5S", "has no unit \"S\"" + units, "did you mean 5s?"},
      {"5M", "has no unit \"M\"" + units, ""},
      {"2w", "has no unit \"w\"" + units, ""},
      {"5us", "has no unit \"us\"" + units, ""},
      {"30m1h", "must name its units from big to small, each once, e.g. 1h30m", ""},
      {"1s1s", "must name its units from big to small, each once, e.g. 1h30m", ""},
      {"106751991167d7h12m55s808ms", "is too long a duration", ""},
      {"99999999999999999999d", "is too long a duration", ""},
      {"18446744073709551615ms", "is too long a duration", ""},
  };
  for (const auto& row : table) {
    const auto result = parse_duration(row.word);
    ASSERT_FALSE(result) << row.word;
    EXPECT_EQ(result.error().message, row.message) << row.word;
    EXPECT_EQ(result.error().hint, row.hint) << row.word;
  }
}

TEST(Size, ReadsBackWhatItWrites) {
  std::mt19937_64 random(2);
  constexpr std::uint64_t kFactors[] = {1, 1000, 1024, 1'000'000, 1U << 20U, 1'000'000'000, 1U << 30U};
  for (int i = 0; i < 20000; ++i) {
    const auto factor = kFactors[random() % std::size(kFactors)];
    const auto bytes = some(random) / factor * factor;
    const auto text = size_text(bytes);
    const auto again = parse_size(text);
    ASSERT_TRUE(again) << text;
    ASSERT_EQ(*again, bytes) << text;
  }
}

TEST(Size, ReadsPowersOf1000AndOf1024) {
  EXPECT_EQ(parse_size("100B"), 100U);
  EXPECT_EQ(parse_size("64KiB"), 65536U);
  EXPECT_EQ(parse_size("64KB"), 64000U);
  EXPECT_EQ(parse_size("64kB"), 64000U);
  EXPECT_EQ(parse_size("512MB"), 512'000'000U);
  EXPECT_EQ(parse_size("1MiB"), 1048576U);
  EXPECT_EQ(parse_size("2GB"), 2'000'000'000U);
  EXPECT_EQ(parse_size("1TiB"), 1ULL << 40U);
  EXPECT_EQ(parse_size("0"), 0U);
  EXPECT_EQ(parse_size("18446744073709551615B"), std::numeric_limits<std::uint64_t>::max());
}

TEST(Size, SaysWhatIsWrongAndWhatToWrite) {
  const std::string units = "; units are B, KB, MB, GB, TB and KiB, MiB, GiB, TiB";
  const Wrong table[] = {
      {"512", "needs a unit, e.g. 512B, 512KB or 512MiB", ""},
      {"", "must be a size, e.g. 512MB or 64KiB", ""},
      {"big", "must be a size, e.g. 512MB or 64KiB", ""},
      {"1MB2KB", "must be a size, e.g. 512MB or 64KiB", ""},
      {"-1MB", "must be a size, e.g. 512MB or 64KiB", ""},
      {"512mb", "has no unit \"mb\"" + units, "did you mean 512MB?"},
      {"64kib", "has no unit \"kib\"" + units, "did you mean 64KiB?"},
      {"512M", "has no unit \"M\"" + units, "did you mean 512MB?"},
      {"512X", "has no unit \"X\"" + units, ""},
      {"1.5GB", "must be a whole number of its unit", "did you mean 1500MB?"},
      {"512 MB", "must have no blank before its unit", "did you mean 512MB?"},
      {"18446744073709551616B", "is too big a size", ""},
      {"99999999999TiB", "is too big a size", ""},
  };
  for (const auto& row : table) {
    const auto result = parse_size(row.word);
    ASSERT_FALSE(result) << row.word;
    EXPECT_EQ(result.error().message, row.message) << row.word;
    EXPECT_EQ(result.error().hint, row.hint) << row.word;
  }
}

TEST(Units, SurviveEveryWord) {
  std::mt19937_64 random(3);
  constexpr std::string_view kLetters = "0123456789.. -+smhdKMGTiB\xc3\xff\n";
  for (int i = 0; i < 50000; ++i) {
    std::string word;
    for (auto n = random() % 24; n > 0; --n) word += kLetters[random() % kLetters.size()];
    const auto duration = parse_duration(word);
    if (duration) {
      EXPECT_GE(duration->count(), 0) << word;
    } else {
      EXPECT_FALSE(duration.error().message.empty()) << word;
    }
    const auto size = parse_size(word);
    if (!size) {
      EXPECT_FALSE(size.error().message.empty()) << word;
    }
  }
}

}  // namespace
}  // namespace ferrule::config

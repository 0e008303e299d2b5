// Topic names, filters, share names and UTF-8.
#include "mqtt/topic.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace ferrule::mqtt {
namespace {

bool matches(std::string filter, std::string_view topic) {
  const auto parsed = TopicFilter::parse(filter);
  EXPECT_TRUE(parsed) << filter;
  return parsed && parsed->matches(topic);
}

std::string statement_of(const Decoded<void>& checked) { return checked ? "" : checked.error().statement; }

TEST(Utf8, AcceptsEveryCodePointThatIsACharacter) {
  for (char32_t c = 1; c <= 0x10FFFF; ++c) {
    std::string text;
    if (c < 0x80) {
      text = {static_cast<char>(c)};
    } else if (c < 0x800) {
      text = {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 0x3F))};
    } else if (c < 0x10000) {
      text = {static_cast<char>(0xE0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 0x3F)),
              static_cast<char>(0x80 | (c & 0x3F))};
    } else {
      text = {static_cast<char>(0xF0 | c >> 18), static_cast<char>(0x80 | (c >> 12 & 0x3F)),
              static_cast<char>(0x80 | (c >> 6 & 0x3F)), static_cast<char>(0x80 | (c & 0x3F))};
    }
    const bool surrogate = c >= 0xD800 && c <= 0xDFFF;  // [MQTT-1.5.4-1]
    ASSERT_EQ(is_valid_utf8(text), !surrogate) << std::hex << static_cast<std::uint32_t>(c);
  }
}

TEST(Utf8, RefusesWhatIsNotWellFormedWhereverItStands) {
  const std::vector<std::string> bad = {std::string(1, '\0'),
                                        "\x80",
                                        "\xBF",
                                        "\xC0\x80",
                                        "\xC1\xBF",
                                        "\xC3",
                                        "\xC3(",
                                        "\xE0\x80\x80",
                                        "\xE0\x9F\xBF",
                                        "\xE2\x82",
                                        "\xE2(\xA1",
                                        "\xE2\x82(",
                                        "\xED\xA0\x80",
                                        "\xED\xBF\xBF",
                                        "\xF0\x80\x80\x80",
                                        "\xF0\x8F\xBF\xBF",
                                        "\xF0\x9F\x98",
                                        "\xF0\x9F(\x80",
                                        "\xF4\x90\x80\x80",
                                        "\xF5\x80\x80\x80",
                                        "\xFF",
                                        "\xFE"};
  for (const std::string& sequence : bad) {
    for (std::size_t before = 0; before <= 17; ++before) {
      for (const std::size_t behind : {0, 1, 7, 8, 20}) {
        const std::string text = std::string(before, 'a') + sequence + std::string(behind, 'b');
        ASSERT_FALSE(is_valid_utf8(text)) << before << " " << behind;
        ASSERT_TRUE(is_valid_utf8(std::string(before, 'a') + "\xC3\xA9" + std::string(behind, 'b')));
      }
    }
  }
}

TEST(TopicName, NamesTheStatementThatItViolates) {
  EXPECT_EQ(statement_of(check_topic_name("")), "MQTT-4.7.3-1");
  EXPECT_EQ(statement_of(check_topic_name(std::string(65536, 'a'))), "MQTT-4.7.3-3");
  EXPECT_EQ(statement_of(check_topic_name(std::string(65535, 'a'))), "");
  EXPECT_EQ(statement_of(check_topic_name(std::string_view("a\0b", 3))), "MQTT-4.7.3-2");
  EXPECT_EQ(statement_of(check_topic_name("\xED\xA0\x80")), "MQTT-1.5.4-1");
  EXPECT_EQ(statement_of(check_topic_name("a/+/b")), "MQTT-4.7.0-1");
  EXPECT_EQ(statement_of(check_topic_name("a#")), "MQTT-4.7.0-1");
  EXPECT_EQ(statement_of(check_topic_name(std::string(127, '/'))), "");
  EXPECT_EQ(statement_of(check_topic_name(std::string(128, '/'))), "MQTT5 4.7.3");
  EXPECT_TRUE(is_valid_topic_name("/"));
  EXPECT_TRUE(is_valid_topic_name("Accounts payable"));
  EXPECT_TRUE(is_valid_topic_name("$SYS/x"));
  EXPECT_EQ(Topic::parse("a/#").error(), Reason::TopicNameInvalid);
  EXPECT_EQ(Topic::parse("a/b")->text(), "a/b");
}

TEST(TopicName, IsCheckedTheSameInEveryAlignment) {
  const std::vector<std::string> kPieces = {"a", "/", "/", "~", "+", "#", "\xC3\xA9", "\x80", std::string(1, '\0')};
  std::mt19937 random(11);
  std::size_t valid = 0;
  for (int round = 0; round < 100'000; ++round) {
    std::string text;
    const std::size_t kinds = random() % 4 == 0 ? kPieces.size() : 4;  // mostly valid ones
    for (auto n = 1 + random() % 300; n > 0; --n) text += kPieces[random() % (random() % 64 == 0 ? kinds : 4)];
    const bool expected = is_valid_utf8(text) && text.find_first_of("+#") == std::string::npos &&
                          std::count(text.begin(), text.end(), '/') < 128;
    ASSERT_EQ(is_valid_topic_name(text), expected) << text;
    valid += expected;
  }
  EXPECT_GT(valid, 10'000u);
  EXPECT_LT(valid, 90'000u);
}

TEST(TopicFilter, NamesTheStatementThatItViolates) {
  for (const char* good : {"#", "+", "/", "/#", "+/+", "a/+/b", "a/#", "+/#", "a//b", "$SYS/#", "a/+"}) {
    EXPECT_EQ(statement_of(check_topic_filter(good)), "") << good;
  }
  for (const char* bad : {"a#", "#a", "a/#/b", "##", "#/", "+#"}) {
    EXPECT_EQ(statement_of(check_topic_filter(bad)), bad[0] == '+' ? "MQTT-4.7.1-2" : "MQTT-4.7.1-1") << bad;
  }
  for (const char* bad : {"a+", "+a", "a+b", "++", "/+a", "a/b+/c"}) {
    EXPECT_EQ(statement_of(check_topic_filter(bad)), "MQTT-4.7.1-2") << bad;
  }
  EXPECT_EQ(statement_of(check_topic_filter("")), "MQTT-4.7.3-1");
  EXPECT_EQ(statement_of(check_topic_filter(std::string(128, '/'))), "MQTT5 4.7.3");
  EXPECT_FALSE(TopicFilter::parse("$share/g/a"));
  EXPECT_FALSE(TopicFilter::parse("$share/g"));
  EXPECT_TRUE(TopicFilter::parse("$share"));  // one level, like any other
}

TEST(TopicFilter, MatchesAsTheSpecificationsExamplesSay) {
  for (const char* topic :
       {"sport/tennis/player1", "sport/tennis/player1/ranking", "sport/tennis/player1/score/wimbledon"}) {
    EXPECT_TRUE(matches("sport/tennis/player1/#", topic));
  }
  EXPECT_TRUE(matches("sport/#", "sport"));
  EXPECT_TRUE(matches("#", "a"));
  EXPECT_TRUE(matches("sport/tennis/+", "sport/tennis/player1"));
  EXPECT_FALSE(matches("sport/tennis/+", "sport/tennis/player1/ranking"));
  EXPECT_FALSE(matches("sport/+", "sport"));
  EXPECT_TRUE(matches("sport/+", "sport/"));
  EXPECT_TRUE(matches("+/+", "/finance"));
  EXPECT_TRUE(matches("/+", "/finance"));
  EXPECT_FALSE(matches("+", "/finance"));
  EXPECT_TRUE(matches("+/tennis/#", "x/tennis"));
  EXPECT_TRUE(matches("a/+/#", "a/b"));
  EXPECT_FALSE(matches("a/+/#", "a"));
  EXPECT_FALSE(matches("a/b", "a/b/c"));
  EXPECT_FALSE(matches("a/b/c", "a/b"));
  EXPECT_FALSE(matches("a/b", "a/B"));
  EXPECT_FALSE(matches("a/b", "a//b"));
  EXPECT_TRUE(matches("//", "//"));
  EXPECT_FALSE(matches("//", "/"));
  EXPECT_FALSE(matches("/", "//"));
}

TEST(TopicFilter, KeepsWildcardsAwayFromTopicsThatBeginWithADollar) {  // [MQTT-4.7.2-1]
  EXPECT_FALSE(matches("#", "$SYS/uptime"));
  EXPECT_FALSE(matches("+/uptime", "$SYS/uptime"));
  EXPECT_TRUE(matches("$SYS/#", "$SYS/uptime"));
  EXPECT_TRUE(matches("$SYS/+", "$SYS/uptime"));
  EXPECT_TRUE(matches("a/+", "a/$x"));
}

TEST(ShareFilter, SplitsGroupAndFilter) {
  const auto shared = split_share("$share/g/a/+/#");
  ASSERT_TRUE(shared);
  EXPECT_EQ(shared->group, "g");
  EXPECT_EQ(shared->filter, "a/+/#");
  const auto plain = split_share("a/$share/b");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->group, "");
  EXPECT_EQ(plain->filter, "a/$share/b");
  EXPECT_EQ(split_share("$share/g//")->filter, "/");
}

TEST(ShareFilter, NamesTheStatementThatItViolates) {
  const auto statement = [](std::string_view text) { return std::string(split_share(text).error().statement); };
  EXPECT_EQ(statement("$share/ab"), "MQTT-4.8.2-2");
  EXPECT_EQ(statement("$share/"), "MQTT-4.8.2-2");
  EXPECT_EQ(statement("$share/ab/"), "MQTT-4.8.2-2");
  EXPECT_EQ(statement("$share//a"), "MQTT-4.8.2-1");
  EXPECT_EQ(statement("$share/#/a"), "MQTT-4.8.2-2");
  EXPECT_EQ(statement("$share/g/a#"), "MQTT-4.7.1-1");
}

TEST(Reason, HasTheSpecificationsNames) {
  EXPECT_EQ(name(Reason::QuotaExceeded), "Quota exceeded");
  EXPECT_EQ(name(Reason::WildcardSubscriptionsNotSupported), "Wildcard Subscriptions not supported");
  EXPECT_EQ(name(static_cast<Reason>(0x7F)), "Unknown reason");
  for (int code = 0; code < 256; ++code) {  // named exactly when some packet may carry it
    EXPECT_EQ(name(static_cast<Reason>(code)) == "Unknown reason",
              packets_allowing(static_cast<std::uint8_t>(code)) == 0);
  }
}

}  // namespace
}  // namespace ferrule::mqtt

#include "config/error.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "config/utf8.hpp"

namespace ferrule::config {
namespace {

TEST(Mistake, IsPlaceThenPathThenMessageThenLineAndCaret) {
  const Mistake mistake{{"/etc/ferrule.yaml", 3, 7}, "a.b", "must be 1, is 2", "  key: 2", 0};
  EXPECT_EQ(mistake.text(),
            "/etc/ferrule.yaml:3:7: error: a.b: must be 1, is 2\n"
            "  key: 2\n"
            "      ^");
}

TEST(Mistake, LeavesOutWhatItDoesNotKnow) {
  EXPECT_EQ((Mistake{{"f", 0, 0}, "", "is empty", "", 0}.text()), "f: error: is empty");
  EXPECT_EQ((Mistake{{"f", 4, 0}, "", "is odd", "line", 0}.text()), "f:4: error: is odd");
  EXPECT_EQ((Mistake{{"f", 4, 2}, "p", "is odd", "", 0}.text()), "f:4:2: error: p: is odd");
  EXPECT_EQ((Mistake{{}, "--option", "is odd", "", 0}.text()), "error: --option: is odd");
}

TEST(Mistake, PutsTheCaretBelowItsCharacterAsATerminalShowsIt) {
  EXPECT_EQ((Mistake{{"f", 1, 3}, "", "m", "\tkx: 1", 0}.text()), "f:1:3: error: m\n\tkx: 1\n\t ^");
  EXPECT_EQ((Mistake{{"f", 1, 5}, "", "m", "\u00e9\u00e9: x", 0}.text()), "f:1:5: error: m\n\u00e9\u00e9: x\n    ^");
  EXPECT_EQ((Mistake{{"f", 1, 5}, "", "m", "\u4e2d\u4e2d: x", 0}.text()), "f:1:5: error: m\n\u4e2d\u4e2d: x\n      ^");
  EXPECT_EQ((Mistake{{"f", 1, 3}, "", "m", "e\u0301x", 0}.text()), "f:1:3: error: m\ne\u0301x\n ^");
}

TEST(Mistake, ShowsALongLineAroundTheCaretOnly) {
  const auto line = std::string(500, 'a') + "X" + std::string(500, 'b');
  const auto text = Mistake{{"f", 1, 501}, "", "m", line, 0}.text();
  const auto expected = "f:1:501: error: m\n..." + std::string(80, 'a') + "X" + std::string(79, 'b') + "...\n" +
                        std::string(83, ' ') + "^";
  EXPECT_EQ(text, expected);
  const auto begin = Mistake{{"f", 1, 1}, "", "m", line, 0}.text();
  EXPECT_EQ(begin, "f:1:1: error: m\n" + std::string(160, 'a') + "...\n^");
}

TEST(Mistake, KeepsTheCaretAtTheEndOfAShorterLine) {
  EXPECT_EQ((Mistake{{"f", 1, 99}, "", "m", "abc", 0}.text()), "f:1:99: error: m\nabc\n   ^");
}

TEST(Mistake, SendsNoControlCharacterToTheTerminal) {
  EXPECT_EQ((Mistake{{"f\n", 0, 0}, "a\x1b[2J", "is \x07\u009b", "", 0}.text()),
            "f\\x0a: error: a\\x1b[2J: is \\x07\\x9b");
}

TEST(Error, ShowsEveryMistakeAndThenCounts) {
  std::vector<Mistake> mistakes(250, Mistake{{"f", 0, 0}, "", "wrong", "", 0});
  const Error error(mistakes, 50);
  const std::string text = error.what();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 100);
  EXPECT_TRUE(text.ends_with("\n... and 200 more")) << text;
  EXPECT_EQ(error.mistakes().size(), 250U);
}

TEST(Error, EndsWithTheSysexitsCodeOfAConfigurationErrorUnlessTold) {
  EXPECT_EQ(Error({"f", 0, 0}, "", "m").exit_code(), 78);
  EXPECT_EQ(Error({"f", 0, 0}, "", "m", 69).exit_code(), 69);
  EXPECT_STREQ(Error({"f", 2, 3}, "p", "m").what(), "f:2:3: error: p: m");
}

TEST(Utf8, RefusesWhatRfc3629Refuses) {
  EXPECT_EQ(first_invalid_utf8("plain \u00e9 \u4e2d \U0001F600"), std::string_view::npos);
  EXPECT_EQ(first_invalid_utf8("ab\xC0\x80"), 2U);        // overlong
  EXPECT_EQ(first_invalid_utf8("\xE0\x80\x80"), 0U);      // overlong
  EXPECT_EQ(first_invalid_utf8("\xED\xA0\x80"), 0U);      // surrogate
  EXPECT_EQ(first_invalid_utf8("\xF4\x90\x80\x80"), 0U);  // beyond U+10FFFF
  EXPECT_EQ(first_invalid_utf8("\xF0\x80\x80\x80"), 0U);  // overlong
  EXPECT_EQ(first_invalid_utf8("a\x80"), 1U);             // no beginning
  EXPECT_EQ(first_invalid_utf8("a\xE4\xB8"), 1U);         // no end
}

TEST(Utf8, ShortensBetweenCharacters) {
  EXPECT_EQ(shortened("\u00e9\u00e9\u00e9", 2), "\u00e9\u00e9...");
  EXPECT_EQ(shortened("\u00e9\u00e9", 2), "\u00e9\u00e9");
  EXPECT_EQ(shortened("", 0), "");
}

}  // namespace
}  // namespace ferrule::config

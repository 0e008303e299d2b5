// What a broken or malicious file may cost: never a crash, never much time or memory.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <ctime>
#include <random>

#include "tests/config/reading.hpp"

namespace ferrule::config {
namespace {

using namespace std::chrono_literals;

// Asks everything of every node, to a depth and breadth that aliases cannot blow up.
void read_all(const Node& node, int depth) {
  node.text();
  node.secret();
  node.boolean(false);
  node.integer(0, -5, 5);
  node.number(0);
  node.duration(1s);
  node.duration_range({1s, 2s});
  node.size(0);
  if (depth == 0) return;
  int left = 4;
  if (node.is_map()) {
    for (const auto& [key, value] : node.entries())
      if (--left >= 0) read_all(value, depth - 1);
    node["absent"].required_text();
  } else {
    for (const auto& item : node.items())
      if (--left >= 0) read_all(item, depth - 1);
  }
}

void expect_no_crash(const std::string& yaml) {
  try {
    const auto document = Document::parse(yaml, "f");
    read_all(document.root(), 5);
    document.finish();
  } catch (const Error& error) {
    ASSERT_FALSE(error.mistakes().empty()) << yaml;
    ASSERT_TRUE(std::string_view(error.what()).starts_with("f")) << yaml;
  }
}

TEST(Hostile, RandomBytesAreRefusedOrRead) {
  std::mt19937 random(5);
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    for (auto n = random() % 60; n > 0; --n)
      text += static_cast<char>(i % 2 == 0 ? random() % 256 : 32 + random() % 95);
    expect_no_crash(text);
  }
}

TEST(Hostile, RandomYamlIsRefusedOrRead) {
  const std::string tokens[] = {
      "a",           "b: ",        "- ",         "? ",           ": ",     "[",      "]",         "{",
      "}",           ",",          "\n",         "\n  ",         "\n\t",   "\"",     "'",         "|",
      "|-\n",        ">+2\n",      "&x ",        "*x",           "!env ",  "!!str ", "!<tag:a> ", "!",
      "%YAML 1.1\n", "%TAG ! a\n", "---",        "...",          "---\n",  "# c",    "@",         "~",
      "null",        "<<: ",       "0x1F",       "\\",           "\\x41",  "\u00e9", "\u4e2d",    "\r\n",
      "\r",          "1:30",       "password: ", "\xEF\xBB\xBF", "\u2028", "''",     "\"\"",      "|9\n",
      "!credential "};
  std::mt19937 random(6);
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    for (auto n = random() % 40; n > 0; --n) text += tokens[random() % std::size(tokens)];
    expect_no_crash(text);
  }
}

TEST(Hostile, DamagedConfigurationIsRefusedOrRead) {
  const std::string whole =
      "version: 1\ngateway: {id: plant1}\nbuses:\n  line1:\n    type: modbus-rtu\n    line: {baud: 9600, parity: "
      "even}\n"
      "    timeout: 500ms\ndevices:\n  meter1: &m\n    bus: line1\n    points:\n      voltage: {address: 0x0000, unit: "
      "\"\u00b0C\"}\n"
      "  meter2: *m\nuplinks:\n  hq: {out: [{from: \"plant1/#\"}], password: !env X}\n";
  std::mt19937 random(7);
  for (int i = 0; i < 10000; ++i) {
    auto text = whole;
    for (auto n = 1 + random() % 3; n > 0 && !text.empty(); --n) {
      const auto at = random() % text.size();
      switch (random() % 4) {
        case 0:
          text.erase(at, 1 + random() % 20);
          break;
        case 1:
          text.insert(at, 1, "\n\t\"'[]{}:#&*!|>%-,"[random() % 18]);
          break;
        case 2:
          text[at] = static_cast<char>(random() % 256);
          break;
        default:
          text.resize(at + 1);
          break;
      }
    }
    expect_no_crash(text);
  }
}

TEST(Hostile, AliasesCannotMultiply) {
  std::string yaml = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 20; ++i) {
    const auto last = "*a" + std::to_string(i - 1);
    const auto name = "a" + std::to_string(i);
    yaml += name + ": &" + name + " [" + last;
    for (int j = 1; j < 10; ++j) yaml += ", " + last;
    yaml += "]\n";
  }
  const auto text = messages(yaml, [](const Node&) {});
  EXPECT_TRUE(text.ends_with("is where the configuration grows beyond 2000000 values, aliases included")) << text;
}

TEST(Hostile, AliasesCannotNestDeeply) {
  std::string yaml = "a0: &a0 [x]\n";
  for (int i = 1; i < 100; ++i) yaml += fmt::format("a{0}: &a{0} [*a{1}]\n", i, i - 1);
  EXPECT_EQ(messages(yaml, [](const Node&) {}), "f:64:12: error: is nested deeper than 64 levels");
}

TEST(Hostile, BracketsCannotNestDeeply) {
  const auto nested = [](int levels) {
    const auto n = static_cast<std::size_t>(levels);
    return "a: " + std::string(n, '{') + std::string(n, '}') + "\n";
  };
  const auto look = [](const Node& root) { root["a"].ignore(); };
  EXPECT_TRUE(messages(nested(5), look).find("deeper") == std::string::npos);
  EXPECT_TRUE(messages(nested(100), look).ends_with("is nested deeper than 64 levels"));
  EXPECT_EQ(messages("a: " + std::string(1'000'000, '['), look),
            "f:1:10004: error: has too many open brackets before it");
  std::string levels;
  for (int i = 0; i < 63; ++i) levels += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
  EXPECT_EQ(messages(levels, look), "");
  for (int i = 63; i < 65; ++i) levels += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
  EXPECT_EQ(messages(levels, look), "f:65:65: error: is nested deeper than 64 levels");
}

TEST(Hostile, HugeLineIsNotShown) {
  const auto text =
      complaints("a: " + std::string(100'000, 'x') + "\n", [](const Node& root) { root["a"].integer(0); });
  EXPECT_EQ(text, "f:1:4: error: a: must be an integer, is \"" + std::string(60, 'x') + "...\"");
}

TEST(Hostile, HundredThousandLinesLoadFast) {
  std::string yaml = "points:\n";
  for (int i = 0; i < 100'000; ++i) yaml += fmt::format("  point{0}: {{address: {0}, type: int16, unit: V}}\n", i);
  const auto begin = std::clock();
  const auto document = Document::parse(yaml, "f");
  std::int64_t sum = 0;
  for (const auto& [name, point] : document.root()["points"].entries()) {
    sum += point["address"].integer(0, 0, 100'000);
    point["type"].text();
    point["unit"].text();
    point["scale"].number(1);
  }
  document.finish();
  const auto seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  EXPECT_EQ(sum, 4'999'950'000);
  EXPECT_LT(seconds, 10) << "about 1 s of CPU time without sanitizers";
}

TEST(Hostile, HundredThousandMistakesAreFoundFast) {
  std::string yaml = "points:\n";
  for (int i = 0; i < 100'000; ++i) yaml += "  point: {address: x}\n";
  const auto begin = std::clock();
  const auto text = complaints(yaml, [](const Node& root) { root["points"]["point"]["address"].integer(0); });
  EXPECT_TRUE(text.ends_with("more")) << text.size();
  EXPECT_LT(static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC, 10);
}

}  // namespace
}  // namespace ferrule::config

// What the typed readers give for right input, for nothing, and outside a document.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/config/reading.hpp"

namespace ferrule::config {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

enum class When { Change, Poll };
constexpr Choice<When> kWhen[] = {{"change", When::Change}, {"poll", When::Poll}};

TEST(Values, AreReadAsTheirType) {
  const auto document = Document::parse(R"(
text: plain words   # not this
quoted: "a: b\t"
version: 1.10
leading: 010
yes: no
flag: true
count: -42
plus: +7
hex: 0xfF
big: 9223372036854775807
small: -9223372036854775808
ratio: 0.1
exponent: -1.5e3
whole: 3
point: .5
wait: 1h30m
retry: 1s..60s
spaced: "500ms .. 5s"
room: 64KiB
when: poll
block: |
  two
  lines
)",
                                        "f");
  const auto root = document.root();
  EXPECT_EQ(root["text"].text(), "plain words");
  EXPECT_EQ(root["quoted"].text(), "a: b\t");
  EXPECT_EQ(root["version"].text(), "1.10");
  EXPECT_EQ(root["leading"].text(), "010");
  EXPECT_EQ(root["yes"].text(), "no");
  EXPECT_TRUE(root["flag"].boolean(false));
  EXPECT_EQ(root["count"].integer(0), -42);
  EXPECT_EQ(root["plus"].integer(0), 7);
  EXPECT_EQ(root["hex"].integer(0), 255);
  EXPECT_EQ(root["big"].integer(0), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(root["small"].integer(0), std::numeric_limits<std::int64_t>::min());
  EXPECT_DOUBLE_EQ(root["ratio"].number(0), 0.1);
  EXPECT_DOUBLE_EQ(root["exponent"].number(0), -1500);
  EXPECT_DOUBLE_EQ(root["whole"].number(0), 3);
  EXPECT_DOUBLE_EQ(root["point"].number(0), 0.5);
  EXPECT_EQ(root["wait"].duration(1s), 90min);
  EXPECT_EQ(root["retry"].duration_range({}), std::pair(Milliseconds(1s), Milliseconds(60s)));
  EXPECT_EQ(root["spaced"].duration_range({}), std::pair(Milliseconds(500), Milliseconds(5s)));
  EXPECT_EQ(root["room"].size(0), 65536U);
  EXPECT_EQ(root["when"].one_of(When::Change, kWhen), When::Poll);
  EXPECT_EQ(root["block"].text(), "two\nlines\n");
  EXPECT_NO_THROW(document.finish());
}

TEST(Values, FallBackWhenAbsentEmptyOrNull) {
  const auto document = Document::parse("empty:\ntilde: ~\nnull_word: null\nquoted: \"\"\n", "f");
  const auto root = document.root();
  for (const auto* key : {"absent", "empty", "tilde", "null_word"}) {
    const auto node = root[key];
    EXPECT_FALSE(node.present()) << key;
    EXPECT_EQ(node.text("d"), "d");
    EXPECT_EQ(node.secret("d"), "d");
    EXPECT_TRUE(node.boolean(true));
    EXPECT_EQ(node.integer(5, 1, 9), 5);
    EXPECT_DOUBLE_EQ(node.number(0.5), 0.5);
    EXPECT_EQ(node.duration(2s), 2s);
    EXPECT_EQ(node.duration_range({1s, 2s}), std::pair(Milliseconds(1s), Milliseconds(2s)));
    EXPECT_EQ(node.size(7), 7U);
    EXPECT_EQ(node.one_of(When::Poll, kWhen), When::Poll);
    EXPECT_TRUE(node.entries().empty());
    EXPECT_TRUE(node.items().empty());
    EXPECT_FALSE(node["deeper"]["still"].present());
    EXPECT_EQ(node["deeper"].path(), std::string(key) + ".deeper");
  }
  EXPECT_EQ(root["quoted"].text("d"), "");
  EXPECT_NO_THROW(document.finish());
}

TEST(Values, FallBackAfterAMistake) {
  const auto document = Document::parse("a: x\nb: [1]\nc: 300\n", "f");
  const auto root = document.root();
  EXPECT_EQ(root["a"].integer(5), 5);
  EXPECT_TRUE(root["a"].boolean(true));
  EXPECT_EQ(root["a"].duration(2s), 2s);
  EXPECT_EQ(root["a"].size(7), 7U);
  EXPECT_EQ(root["a"].one_of(When::Poll, kWhen), When::Poll);
  EXPECT_EQ(root["b"].text("d"), "d");
  EXPECT_EQ(root["c"].integer(5, 1, 247), 5);
  EXPECT_EQ(root["c"].required_integer(1, 247), 1);
}

TEST(Node, OutsideADocumentIsAbsentAndSilent) {
  const Node node;
  EXPECT_FALSE(node.present());
  EXPECT_FALSE(node.is_map() || node.is_list() || node.is_scalar());
  EXPECT_FALSE(node["a"]["b"].present());
  EXPECT_TRUE(node.entries().empty());
  EXPECT_TRUE(node.items().empty());
  EXPECT_EQ(node.path(), "");
  EXPECT_EQ(node.where().line, 0);
  EXPECT_EQ(node.text("d"), "d");
  EXPECT_EQ(node.required_text(), "");
  EXPECT_EQ(node.secret("d"), "d");
  EXPECT_EQ(node.required_secret(), "");
  EXPECT_TRUE(node.boolean(true));
  EXPECT_EQ(node.integer(3, 5, 9), 3);
  EXPECT_EQ(node.required_integer(5, 9), 5);
  EXPECT_DOUBLE_EQ(node.number(1.5), 1.5);
  EXPECT_EQ(node.duration(1s), 1s);
  EXPECT_EQ(node.duration_range({1s, 2s}).second, 2s);
  EXPECT_EQ(node.size(4), 4U);
  EXPECT_EQ(node.one_of(When::Poll, kWhen), When::Poll);
  node.ignore();
  node.mistake("nobody hears this");
}

TEST(Node, KnowsItsPathAndPlace) {
  const auto document =
      Document::parse("devices:\n  meter1:\n    points: [{name: a}, {name: b}]\n  \"a.b c\": 1\n", "f");
  const auto devices = document.root()["devices"];
  const auto point = devices["meter1"]["points"].items()[1];
  EXPECT_EQ(point.path(), "devices.meter1.points[1]");
  EXPECT_EQ(point["name"].path(), "devices.meter1.points[1].name");
  EXPECT_EQ(point["name"].where().line, 3);
  EXPECT_EQ(point["name"].where().column, 32);
  EXPECT_EQ(point["absent"].where().column, 25);
  EXPECT_EQ(devices["a.b c"].path(), "devices.\"a.b c\"");
  EXPECT_EQ(devices["meter1"]["bus"].where().line, 2) << "the key of the map that lacks it";
  EXPECT_EQ(devices["meter1"]["bus"].where().column, 3);
  EXPECT_EQ(document.root()["absent"].where().line, 0);
  EXPECT_EQ(document.root()["absent"].where().file, "f");
}

TEST(Node, ListsAMapInFileOrder) {
  const auto document = Document::parse("z: 1\na: 2\nm: 3\n0: 4\n\"\": 5\n", "f");
  std::vector<std::string> keys;
  for (const auto& [key, value] : document.root().entries()) keys.push_back(key);
  EXPECT_THAT(keys, ElementsAre("z", "a", "m", "0", ""));
  EXPECT_NO_THROW(document.finish());
}

TEST(Node, ReadsAnAliasAsItsAnchor) {
  const auto document = Document::parse("a: &x {port: 502, list: &l [1, 2]}\nb: *x\nc: *l\nk: &k name\n*k : 5\n", "f");
  const auto root = document.root();
  EXPECT_EQ(root["a"]["port"].integer(0), 502);
  EXPECT_EQ(root["b"]["port"].integer(0), 502);
  EXPECT_EQ(root["b"]["port"].path(), "b.port");
  EXPECT_EQ(root["b"]["list"].items()[1].integer(0), 2);
  EXPECT_EQ(root["c"].items()[0].integer(0), 1);
  EXPECT_EQ(root["k"].text(), "name");
  EXPECT_EQ(root["name"].integer(0), 5);
  EXPECT_NO_THROW(document.finish());
}

TEST(Node, IsCheapToKeep) { EXPECT_LE(sizeof(Node), 4 * sizeof(void*)); }

TEST(Node, OutlivesTheMoveOfItsDocument) {
  auto document = Document::parse("a: {b: 1}\n", "f");
  const auto node = document.root()["a"];
  const auto moved = std::move(document);
  EXPECT_EQ(node["b"].integer(0), 1);
  EXPECT_NO_THROW(moved.finish());
}

TEST(Document, KnowsItsFileAndDirectory) {
  EXPECT_EQ(Document::parse("a: 1", "/etc/ferrule/plant.yaml").directory(), "/etc/ferrule");
  EXPECT_EQ(Document::parse("a: 1", "plant.yaml").directory(), ".");
  EXPECT_EQ(Document::parse("a: 1", "plant.yaml").file(), "plant.yaml");
}

}  // namespace
}  // namespace ferrule::config

// One table: a wrong file, and exactly what is said about it.
#include <gtest/gtest.h>

#include "tests/config/reading.hpp"

namespace ferrule::config {
namespace {

using namespace std::chrono_literals;

constexpr Choice<int> kWhen[] = {{"change", 1}, {"poll", 2}};

// A section of every type; reads the same keys whatever the file is like.
void read(const Node& root) {
  root["version"].integer(1, 1, 1);
  const auto meter = root["meter"];
  meter["unit_id"].integer(1, 1, 247);
  meter["timeout"].duration(500ms, 10ms, 1min);
  meter["retry"].duration_range({1s, 60s});
  meter["cache"].size(1000, 1000, 64'000'000);
  meter["enabled"].boolean(true);
  meter["scale"].number(1, -1000, 1000);
  meter["floor"].number(0);
  meter["name"].text();
  meter["when"].one_of(1, kWhen);
  for (const auto& item : root["list"].items()) item["qos"].integer(0, 0, 2);
}

struct Row {
  std::string name;
  std::string yaml;
  std::string expected;
};

void PrintTo(const Row& row, std::ostream* out) { *out << row.name; }

class Wrong : public testing::TestWithParam<Row> {};

TEST_P(Wrong, InputIsDescribedExactly) { EXPECT_EQ(complaints(GetParam().yaml, read), GetParam().expected); }

const Row kValues[] = {
    {"TooBig", "meter: {unit_id: 300}\n",
     "f:1:18: error: meter.unit_id: must be between 1 and 247, is 300\n"
     "meter: {unit_id: 300}\n"
     "                 ^"},
    {"OnlyOneIsRight", "version: 2\n",
     "f:1:10: error: version: must be 1, is 2\n"
     "version: 2\n"
     "         ^"},
    {"Octal", "meter:\n  unit_id: 010\n",
     "f:2:12: error: meter.unit_id: must not begin with 0, is 010: some YAML readers take that for octal (did you mean "
     "10?)\n"
     "  unit_id: 010\n"
     "           ^"},
    {"Sexagesimal", "meter:\n  unit_id: 1:30\n",
     "f:2:12: error: meter.unit_id: must be an integer, is \"1:30\" (some YAML readers take this for a number of base "
     "60; write it "
     "in decimal)\n"
     "  unit_id: 1:30\n"
     "           ^"},
    {"Underscore", "meter:\n  unit_id: 1_0\n",
     "f:2:12: error: meter.unit_id: must be an integer, is \"1_0\" (did you mean 10?)\n"
     "  unit_id: 1_0\n"
     "           ^"},
    {"WholeNumberWithPoint", "meter:\n  unit_id: 5.0\n",
     "f:2:12: error: meter.unit_id: must be an integer, is \"5.0\" (did you mean 5?)\n"
     "  unit_id: 5.0\n"
     "           ^"},
    {"OctalWithO", "meter:\n  unit_id: 0o17\n",
     "f:2:12: error: meter.unit_id: must be an integer, is \"0o17\" (write it in decimal or as 0x...)\n"
     "  unit_id: 0o17\n"
     "           ^"},
    {"QuotedInteger", "meter:\n  unit_id: \"5\"\n",
     "f:2:12: error: meter.unit_id: must be an integer, is text in quotes (write 5 without quotes)\n"
     "  unit_id: \"5\"\n"
     "           ^"},
    {"IntegerTaggedAsText", "meter:\n  unit_id: !!str 5\n",
     "f:2:12: error: meter.unit_id: must be an integer, is text in quotes (write 5 without quotes)\n"
     "  unit_id: !!str 5\n"
     "           ^"},
    {"BeyondSixtyFourBits", "meter:\n  unit_id: 9223372036854775808\n",
     "f:2:12: error: meter.unit_id: is 9223372036854775808, which does not fit into 64 bits\n"
     "  unit_id: 9223372036854775808\n"
     "           ^"},
    {"HexWithoutDigits", "meter:\n  unit_id: 0x\n",
     "f:2:12: error: meter.unit_id: must be an integer, is \"0x\"\n"
     "  unit_id: 0x\n"
     "           ^"},
    {"MapForInteger", "meter:\n  unit_id: {a: 1}\n",
     "f:2:12: error: meter.unit_id: must be an integer, is a map\n"
     "  unit_id: {a: 1}\n"
     "           ^"},
    {"ListForText", "meter:\n  name:\n    - a\n",
     "f:3:5: error: meter.name: must be text, is a list\n"
     "    - a\n"
     "    ^"},
    {"Yes", "meter:\n  enabled: yes\n",
     "f:2:12: error: meter.enabled: must be true or false, is \"yes\" (did you mean true?)\n"
     "  enabled: yes\n"
     "           ^"},
    {"Off", "meter:\n  enabled: Off\n",
     "f:2:12: error: meter.enabled: must be true or false, is \"Off\" (did you mean false?)\n"
     "  enabled: Off\n"
     "           ^"},
    {"TrueInCapitals", "meter:\n  enabled: TRUE\n",
     "f:2:12: error: meter.enabled: must be true or false, is \"TRUE\" (did you mean true?)\n"
     "  enabled: TRUE\n"
     "           ^"},
    {"QuotedBoolean", "meter:\n  enabled: 'true'\n",
     "f:2:12: error: meter.enabled: must be true or false, is text in quotes (write true without quotes)\n"
     "  enabled: 'true'\n"
     "           ^"},
    {"DecimalComma", "meter:\n  scale: 1,5\n",
     "f:2:10: error: meter.scale: must be a number, is \"1,5\" (did you mean 1.5?)\n"
     "  scale: 1,5\n"
     "         ^"},
    {"NotANumber", "meter:\n  scale: .nan\n",
     "f:2:10: error: meter.scale: must be a finite number, is .nan\n"
     "  scale: .nan\n"
     "         ^"},
    {"Infinity", "meter:\n  scale: -.inf\n",
     "f:2:10: error: meter.scale: must be a finite number, is -.inf\n"
     "  scale: -.inf\n"
     "         ^"},
    {"NumberBeyondADouble", "meter:\n  scale: 1e999\n",
     "f:2:10: error: meter.scale: is 1e999, which does not fit into a double\n"
     "  scale: 1e999\n"
     "         ^"},
    {"NumberOutOfRange", "meter:\n  scale: -1000.5\n",
     "f:2:10: error: meter.scale: must be between -1000 and 1000, is -1000.5\n"
     "  scale: -1000.5\n"
     "         ^"},
    {"NumberWithLeadingZero", "meter:\n  scale: 01.5\n",
     "f:2:10: error: meter.scale: must not begin with 0, is 01.5: some YAML readers take that for octal (did you mean "
     "1.5?)\n"
     "  scale: 01.5\n"
     "         ^"},
    {"DurationWithoutUnit", "meter:\n  timeout: 500\n",
     "f:2:12: error: meter.timeout: needs a unit, e.g. 500ms or 500s, is \"500\"\n"
     "  timeout: 500\n"
     "           ^"},
    {"DurationOutOfRange", "meter:\n  timeout: 90s\n",
     "f:2:12: error: meter.timeout: must be between 10ms and 1m, is 1m30s\n"
     "  timeout: 90s\n"
     "           ^"},
    {"RangeOfOne", "meter:\n  retry: 5s\n",
     "f:2:10: error: meter.retry: must be a range such as 1s..60s, is \"5s\" (did you mean 5s..5s?)\n"
     "  retry: 5s\n"
     "         ^"},
    {"RangeUpsideDown", "meter:\n  retry: 60s..1s\n",
     "f:2:10: error: meter.retry: must be a range from small to big, is 60s..1s (did you mean 1s..1m?)\n"
     "  retry: 60s..1s\n"
     "         ^"},
    {"RangeWithoutUnit", "meter:\n  retry: 1..60s\n",
     "f:2:10: error: meter.retry: the first end of the range needs a unit, e.g. 1ms or 1s\n"
     "  retry: 1..60s\n"
     "         ^"},
    {"SizeTooBig", "meter:\n  cache: 1GB\n",
     "f:2:10: error: meter.cache: must be between 1KB and 64MB, is 1GB\n"
     "  cache: 1GB\n"
     "         ^"},
    {"SizeWithoutUnit", "meter:\n  cache: 5000\n",
     "f:2:10: error: meter.cache: needs a unit, e.g. 5000B, 5000KB or 5000MiB, is \"5000\"\n"
     "  cache: 5000\n"
     "         ^"},
    {"WordNearAnother", "meter:\n  when: chnge\n",
     "f:2:9: error: meter.when: must be one of change, poll; is \"chnge\" (did you mean change?)\n"
     "  when: chnge\n"
     "        ^"},
    {"WordNearNone", "meter:\n  when: sometimes\n",
     "f:2:9: error: meter.when: must be one of change, poll; is \"sometimes\"\n"
     "  when: sometimes\n"
     "        ^"},
    {"EmptyItem", "list: [{qos: 1}, , {qos: 5}]\n",
     "f:1:16: error: list[1]: is empty\n"
     "list: [{qos: 1}, , {qos: 5}]\n"
     "               ^\n"
     "f:1:26: error: list[2].qos: must be between 0 and 2, is 5\n"
     "list: [{qos: 1}, , {qos: 5}]\n"
     "                         ^"},
    {"EmptyItemOfABlock", "list:\n  - qos: 1\n  -\n  - qos: 2\n",
     "f:3:3: error: list[1]: is empty\n"
     "  -\n"
     "  ^"},
    {"MapForAList", "list: {qos: 1}\n",
     "f:1:7: error: list: must be a list, is a map\n"
     "list: {qos: 1}\n"
     "      ^"},
    {"ValueForAMap", "meter: 5\n",
     "f:1:8: error: meter: must be a map, is a single value\n"
     "meter: 5\n"
     "       ^"},
    {"EnvironmentForAnInteger", "meter: {unit_id: !env HOME}\n",
     "f:1:18: error: meter.unit_id: must be an integer; !env, !file and !credential give text only\n"
     "meter: {unit_id: !env HOME}\n"
     "                 ^"},
    {"WideCharactersBefore", "meter: {name: \u4e2d\u4e2d, unit_id: 0}\n",
     "f:1:28: error: meter.unit_id: must be between 1 and 247, is 0\n"
     "meter: {name: \u4e2d\u4e2d, unit_id: 0}\n"
     "                             ^"},
};

const Row kKeys[] = {
    {"UnknownKey", "meter:\n  unit_id: 1\n  timout: 1s\n",
     "f:3:3: error: meter.timout: unknown key (did you mean \"timeout\"?)\n"
     "  timout: 1s\n"
     "  ^"},
    {"UnknownKeyLikeNone", "meter:\n  colour: red\n",
     "f:2:3: error: meter.colour: unknown key\n"
     "  colour: red\n"
     "  ^"},
    {"UnknownSectionOnce", "colours:\n  red: {a: 1, b: 2}\n  green: 5\nversion: 1\n",
     "f:1:1: error: colours: unknown key\n"
     "colours:\n"
     "^"},
    {"KeyThatIsThereIsNotSuggested", "meter:\n  timeout: 1s\n  timeouts: 2s\n",
     "f:3:3: error: meter.timeouts: unknown key\n"
     "  timeouts: 2s\n"
     "  ^"},
    {"KeyTwice", "meter:\n  unit_id: 1\n  name: a\n  unit_id: 2\n  unit_id: 3\n",
     "f:4:3: error: meter.unit_id: is given twice; the first is in line 2\n"
     "  unit_id: 2\n"
     "  ^\n"
     "f:5:3: error: meter.unit_id: is given twice; the first is in line 2\n"
     "  unit_id: 3\n"
     "  ^"},
    {"SectionTwice", "meter: {unit_id: 1}\n\"meter\": {unit_id: 2}\n",
     "f:2:1: error: meter: is given twice; the first is in line 1\n"
     "\"meter\": {unit_id: 2}\n"
     "^"},
    {"KeyTwiceInAnItem", "list: [{qos: 1, qos: 2}]\n",
     "f:1:17: error: list[0].qos: is given twice; the first is in line 1\n"
     "list: [{qos: 1, qos: 2}]\n"
     "                ^"},
    {"KeyThatIsAMap", "meter:\n  ? {a: 1}\n  : 2\n",
     "f:2:5: error: meter: has a key that is a map; a key must be text\n"
     "  ? {a: 1}\n"
     "    ^"},
    {"NullKey", "meter:\n  ~: 1\n",
     "f:2:3: error: meter: has a key that is empty or null (write \"null\" in quotes if that is its name)\n"
     "  ~: 1\n"
     "  ^"},
    {"MergeKey", "meter:\n  <<: {unit_id: 1}\n",
     "f:2:3: error: meter: has a merge key (<<), which is not supported (write the keys out)\n"
     "  <<: {unit_id: 1}\n"
     "  ^"},
    {"NoColon", "meter:\n  unit_id: 1\n  name\n",
     "f:3:3: error: meter.name: has no colon behind it, and no value\n"
     "  name\n"
     "  ^"},
    {"UnknownTag", "meter:\n  name: !include other.yaml\n",
     "f:2:9: error: meter.name: file other.yaml does not exist\n"
     "  name: !include other.yaml\n"
     "        ^"},
    {"TagOfAnotherType", "meter:\n  unit_id: !!float 5\n",
     "f:2:12: error: meter.unit_id: has a tag that means nothing here: !!float (known tags: !env NAME, !file PATH, !credential NAME, !include PATH)\n"
     "  unit_id: !!float 5\n"
     "           ^"},
    {"KeyWithADotIsQuoted", "meter:\n  \"a.b\": 1\n",
     "f:2:3: error: meter.\"a.b\": unknown key\n"
     "  \"a.b\": 1\n"
     "  ^"},
    {"UmlautsCountAsOneColumn", "meter: {\u00fc\u00fc: 1, x: 2}\n",
     "f:1:9: error: meter.\u00fc\u00fc: unknown key\n"
     "meter: {\u00fc\u00fc: 1, x: 2}\n"
     "        ^\n"
     "f:1:16: error: meter.x: unknown key\n"
     "meter: {\u00fc\u00fc: 1, x: 2}\n"
     "               ^"},
    {"WindowsLines", "version: 1\r\nmeter:\r\n  unit_id: 300\r\n  nam: \"a\r\n    b\"\r\n",
     "f:3:12: error: meter.unit_id: must be between 1 and 247, is 300\n"
     "  unit_id: 300\n"
     "           ^\n"
     "f:4:3: error: meter.nam: unknown key (did you mean \"name\"?)\n"
     "  nam: \"a\n"
     "  ^"},
    {"ByteOrderMark", "\xEF\xBB\xBFversion: 2\n",
     "f:1:10: error: version: must be 1, is 2\n"
     "version: 2\n"
     "         ^"},
    {"AliasToldOnce", "list:\n  - &a {qos: 7, x: 1}\n  - *a\n",
     "f:2:14: error: list[0].qos: must be between 0 and 2, is 7\n"
     "  - &a {qos: 7, x: 1}\n"
     "             ^\n"
     "f:2:17: error: list[0].x: unknown key\n"
     "  - &a {qos: 7, x: 1}\n"
     "                ^"},
    {"AllAtOnceInFileOrder", "nonsense: 1\nmeter:\n  unit_id: 0\n  unit_id: 1\n  timout: 1s\nversion: 2\n",
     "f:1:1: error: nonsense: unknown key\n"
     "nonsense: 1\n"
     "^\n"
     "f:3:12: error: meter.unit_id: must be between 1 and 247, is 0\n"
     "  unit_id: 0\n"
     "           ^\n"
     "f:4:3: error: meter.unit_id: is given twice; the first is in line 3\n"
     "  unit_id: 1\n"
     "  ^\n"
     "f:5:3: error: meter.timout: unknown key (did you mean \"timeout\"?)\n"
     "  timout: 1s\n"
     "  ^\n"
     "f:6:10: error: version: must be 1, is 2\n"
     "version: 2\n"
     "         ^"},
};

const Row kYaml[] = {
    {"SecondDocument", "version: 1\n---\nversion: 1\n",
     "f:2:1: error: begins a second document (a configuration file holds one; remove the ---)\n"
     "---\n"
     "^"},
    {"TextBehindTheEnd", "version: 1\n...\nmeter:\n",
     "f:3:1: error: is not valid YAML: does not belong to the map before it (is its indentation right?)\n"
     "meter:\n"
     "^"},
    {"Tab", "meter:\n\tunit_id: 1\n",
     "f:2:1: error: has a tab in its indentation (indent with blanks)\n"
     "\tunit_id: 1\n"
     "^"},
    {"QuoteNeverClosed", "meter:\n  name: \"abc\n  unit_id: 1\n",
     "f:2:9: error: is not valid YAML: this quote is never closed\n"
     "  name: \"abc\n"
     "        ^"},
    {"AliasOfItself", "meter: &m {name: *m}\n",
     "f:1:18: error: is an alias of a value that it is a part of\n"
     "meter: &m {name: *m}\n"
     "                 ^"},
    {"ListAtTheTop", "- version: 1\n",
     "f:1:1: error: must be a map of sections, is a list\n"
     "- version: 1\n"
     "^"},
    {"TextAtTheTop", "# a comment\nhello\n",
     "f:2:1: error: must be a map of sections, is a single value\n"
     "hello\n"
     "^"},
    {"CommentsOnly", "# nothing\n\n", "f: error: is empty"},
};

std::string row_name(const testing::TestParamInfo<Row>& info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(Value, Wrong, testing::ValuesIn(kValues), row_name);
INSTANTIATE_TEST_SUITE_P(Key, Wrong, testing::ValuesIn(kKeys), row_name);
INSTANTIATE_TEST_SUITE_P(Yaml, Wrong, testing::ValuesIn(kYaml), row_name);

struct Foreign {
  std::string yaml;
  std::string begin;
  std::string end;  // of the first line
};

// What yaml-cpp finds, in its words, which its versions choose differently: the line is right, and the hint is ours.
TEST(Yaml, MistakesHaveTheirLineAndAHint) {
  const std::string bad = " error: is not valid YAML: ";
  const Foreign table[] = {
      {"name: 'abc", "f:1:", "(a quote that is opened in line 1 or below is never closed)"},
      {"list: [{qos: 1}, {qos: 2}\nversion: 1\n", "f:2:", "(a bracket or a comma is missing in line 1 or below)"},
      {"meter: {a: 1\nversion: 1\n", "f:2:", "(a bracket or a comma is missing in line 1 or below)"},
      {"meter: a: b\n", "f:1:", "(text that contains \": \" must be in quotes)"},
      {"meter:\n  unit_id: 1\n name: a\n", "f:3:", "(is the indentation right?)"},
      {"meter: @home\n", "f:1:", "(text that begins with a sign such as @ ` or % must be in quotes)"},
      {"meter: *nobody\n", "f:1:8:", ""},
      {"meter: !<tag\n", "f:", ""},
      {"meter: \"\\q\"\n", "f:1:", ""},
  };
  for (const auto& row : table) {
    const auto text = messages(row.yaml, read);
    EXPECT_TRUE(text.starts_with(row.begin)) << text;
    EXPECT_TRUE(text.ends_with(row.end)) << text;
    EXPECT_NE(text.find(bad), std::string::npos) << text;
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
  }
}

TEST(Yaml, MistakesBeforeASyntaxErrorAreToldToo) {
  const auto text = messages("version: 1\nversion: 2\nmeter: [\n", read);
  EXPECT_TRUE(text.starts_with(
      "f:2:1: error: version: is given twice; the first is in line 1\nf:4:1: error: is not valid YAML: "))
      << text;
}

TEST(Required, NamesTheMapThatLacksIt) {
  const auto read_required = [](const Node& root) {
    root["bus"].required_text();
    const auto meter = root["devices"]["meter1"];
    meter["bus"].required_text();
    meter["unit_id"].required_integer(1, 247);
    meter["name"].required_text();
    meter["topic"].required_text();
    root["gateway"]["id"].required_text();
  };
  EXPECT_EQ(complaints("devices:\n  meter1:\n    name:\n    topic: ''\n", read_required),
            "f: error: bus: is required\n"
            "f: error: gateway.id: is required\n"
            "f:2:3: error: devices.meter1.bus: is required\n"
            "  meter1:\n"
            "  ^\n"
            "f:2:3: error: devices.meter1.unit_id: is required\n"
            "  meter1:\n"
            "  ^\n"
            "f:3:5: error: devices.meter1.name: is required, but empty\n"
            "    name:\n"
            "    ^\n"
            "f:4:12: error: devices.meter1.topic: must not be empty\n"
            "    topic: ''\n"
            "           ^");
}

TEST(Required, IsNotToldBelowAValueOfTheWrongType) {
  EXPECT_EQ(messages("devices: 5\n", [](const Node& root) { root["devices"]["meter1"]["bus"].required_text(); }),
            "f:1:10: error: devices: must be a map, is a single value");
}

TEST(Unknown, SectionThatNobodyLookedIntoIsToldOnce) {
  const auto touch = [](const Node& root) { root["lost"]; };
  EXPECT_EQ(messages("lost: {a: 1, b: {c: 2}}\n", touch), "f:1:1: error: lost: is read by nothing (remove it)");
  EXPECT_EQ(messages("lost: [1, 2]\n", touch), "f:1:1: error: lost: is read by nothing (remove it)");
  EXPECT_EQ(messages("lost: {}\n", touch), "");
}

TEST(Unknown, IgnoredSubtreeIsKnown) {
  const auto ignore = [](const Node& root) { root["later"].ignore(); };
  EXPECT_EQ(messages("later: {a: 1, b: {c: [1, 2]}}\n", ignore), "");
  EXPECT_EQ(messages("later: {a: 1, a: 2}\n", ignore),
            "f:1:15: error: later.a: is given twice; the first is in line 1");
}

TEST(Unknown, IsToldOnceHoweverOftenOneFinishes) {
  const auto document = Document::parse("a: 1\n", "f");
  for (int i = 0; i < 2; ++i) {
    try {
      document.finish();
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.mistakes().size(), 1U);
      EXPECT_EQ(error.exit_code(), 78);
    }
  }
}

TEST(ReadersOwnMistake, StandsAtTheValueWithItsHint) {
  EXPECT_EQ(complaints("bus: lin1\n",
                       [](const Node& root) { root["bus"].mistake("there is no bus lin1", "did you mean line1?"); }),
            "f:1:6: error: bus: there is no bus lin1 (did you mean line1?)\n"
            "bus: lin1\n"
            "     ^");
}

TEST(Mistakes, BeyondAHundredAreCounted) {
  std::string yaml;
  for (int i = 0; i < 5000; ++i) yaml += "key" + std::to_string(i) + ": 1\n";
  const auto text = complaints(yaml, [](const Node&) {});
  EXPECT_TRUE(text.starts_with("f: error: is read by nothing")) << "nobody looked into the root";
  const auto all = complaints(yaml, [](const Node& root) { root["version"]; });
  EXPECT_TRUE(all.starts_with("f:1:1: error: key0: unknown key\nkey0: 1\n^\nf:2:1: ")) << all.substr(0, 200);
  EXPECT_TRUE(all.ends_with("f:100:1: error: key99: unknown key\nkey99: 1\n^\n... and 4900 more"))
      << all.substr(all.size() - 100);
}

}  // namespace
}  // namespace ferrule::config

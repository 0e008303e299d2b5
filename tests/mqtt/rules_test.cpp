// Lists of what is allowed and denied, against the plain definition of matching.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "mqtt/rules.hpp"
#include "mqtt/topic.hpp"

namespace ferrule::mqtt {
namespace {

const RuleNames kNames{"press4", "hmi"};

bool allows(std::vector<Rule> rules, std::string_view topic, RuleNames names = kNames) {
  const RuleList list(std::move(rules));
  return Rights({&list, nullptr, nullptr}, names).allow(topic);
}

Coverage coverage(std::vector<Rule> rules, std::string_view filter, RuleNames names = kNames) {
  const RuleList list(std::move(rules));
  return Rights({&list, nullptr, nullptr}, names).coverage(filter);
}

TEST(Rules, DenyWhatNobodyMentions) {
  EXPECT_TRUE(Rights().allow("anything"));
  EXPECT_FALSE(allows({}, "plant1/x"));
  EXPECT_TRUE(allows({{"plant1/#"}}, "plant1/x"));
  EXPECT_TRUE(allows({{"plant1/#"}}, "plant1"));
  EXPECT_FALSE(allows({{"plant1/#"}}, "plant2/x"));
  EXPECT_TRUE(allows({{"plant1/+/set"}}, "plant1/a/set"));
  EXPECT_FALSE(allows({{"plant1/+/set"}}, "plant1/a/b/set"));
}

TEST(Rules, ADenialWinsWhereverItStands) {
  EXPECT_FALSE(allows({{"a/#"}, {"a/secret/#", false}}, "a/secret/x"));
  EXPECT_FALSE(allows({{"a/secret/#", false}, {"a/#"}}, "a/secret/x"));
  EXPECT_TRUE(allows({{"a/secret/#", false}, {"a/#"}}, "a/open"));
}

TEST(Rules, TheNearestListThatMentionsATopicDecides) {
  const RuleList user({{"plant1/#"}}), client({{"plant1/x", false}}), everyone({{"plant1/#", false}, {"public/#"}});
  EXPECT_TRUE(Rights({&user, &client, &everyone}, kNames).allow("plant1/x"));
  EXPECT_TRUE(Rights({&user, &client, &everyone}, kNames).allow("public/x"));
  EXPECT_FALSE(Rights({nullptr, &client, &everyone}, kNames).allow("plant1/x"));
  EXPECT_FALSE(Rights({nullptr, nullptr, &everyone}, kNames).allow("plant1/x"));
}

TEST(Rules, WildcardsInFrontDoNotReachDollarTopics_MQTT_4_7_2_1) {
  EXPECT_FALSE(allows({{"#"}}, "$SYS/broker/uptime"));
  EXPECT_FALSE(allows({{"+/broker/#"}}, "$SYS/broker/uptime"));
  EXPECT_TRUE(allows({{"$SYS/#"}}, "$SYS/broker/uptime"));
  EXPECT_EQ(coverage({{"#"}}, "$SYS/#"), Coverage::None);
  EXPECT_EQ(coverage({{"$SYS/#"}}, "#"), Coverage::None);
}

TEST(Rules, NamesStandForTheClientAndTheUser) {
  EXPECT_TRUE(allows({{"clients/%c/#"}}, "clients/press4/x"));
  EXPECT_FALSE(allows({{"clients/%c/#"}}, "clients/press5/x"));
  EXPECT_TRUE(allows({{"%u/dev-%c-%u/up"}}, "hmi/dev-press4-hmi/up"));
  EXPECT_FALSE(allows({{"%u/dev-%c-%u/up"}}, "hmi/dev-press4-hmi2/up"));
  EXPECT_FALSE(allows({{"users/%u/#"}}, "users//x", {"press4", ""}));  // anonymous
}

TEST(Rules, NamesWithWildcardsOpenNothing) {
  for (const char* name : {"+", "#", "a/b", "a+", "", "/"}) {
    EXPECT_FALSE(allows({{"%c/#"}}, "a/b/x", {name, "hmi"})) << name;
    EXPECT_EQ(coverage({{"x/%c/#"}}, "x/a/b/#", {name, "hmi"}), Coverage::None) << name;
    EXPECT_FALSE(fits_a_level(name)) << name;
  }
  EXPECT_FALSE(allows({{"%c/#"}}, "$SYS/x", {"$SYS", "hmi"}));
  EXPECT_EQ(coverage({{"%c/#"}}, "$SYS/#", {"$SYS", "hmi"}), Coverage::None);
}

TEST(Rules, SayHowMuchOfAFilterIsAllowed) {
  EXPECT_EQ(coverage({{"plant1/#"}}, "#"), Coverage::Some);
  EXPECT_EQ(coverage({{"plant1/#"}}, "plant1/+/x"), Coverage::All);
  EXPECT_EQ(coverage({{"plant1/#"}}, "plant2/#"), Coverage::None);
  EXPECT_EQ(coverage({{"plant1/#"}, {"plant1/secret/#", false}}, "plant1/#"), Coverage::Some);
  EXPECT_EQ(coverage({{"plant1/#"}, {"plant1/secret/#", false}}, "plant1/secret/x"), Coverage::None);
  EXPECT_EQ(coverage({{"plant1/#"}, {"plant1/secret/#", false}}, "plant1/open/#"), Coverage::All);
  const RuleList user({{"plant1/secret", false}}), everyone({{"#"}});
  EXPECT_EQ(Rights({&user, nullptr, &everyone}, kNames).coverage("plant1/#"), Coverage::Some);
  EXPECT_EQ(Rights({&user, nullptr, &everyone}, kNames).coverage("plant2/#"), Coverage::All);
  const RuleList near({{"a/b"}}), far({{"a/#", false}});
  EXPECT_EQ(Rights({&near, nullptr, &far}, kNames).coverage("a/#"), Coverage::Some);
}

// Random lists, few words: what the tree says against what the rules say one by one.

rc::Gen<std::string> words(std::vector<std::string> some) {
  return rc::gen::map(rc::gen::nonEmpty(rc::gen::container<std::vector<std::string>>(rc::gen::elementOf(some))),
                      [](std::vector<std::string> levels) {
                        if (levels.size() > 4) levels.resize(4);
                        std::string text;
                        for (std::size_t i = 0; i < levels.size(); ++i) text += (i > 0 ? "/" : "") + levels[i];
                        if (text.empty()) text = "a";
                        return text;
                      });
}

rc::Gen<std::string> any_topic() { return words({"a", "b", "", "$x", "press4"}); }

rc::Gen<std::string> any_filter(bool with_names) {
  std::vector<std::string> some = {"a", "b", "", "$x", "+", "press4"};
  if (with_names) some.push_back("%c");
  return rc::gen::map(rc::gen::pair(words(some), rc::gen::inRange(0, 3)), [](std::pair<std::string, int> made) {
    return made.second == 0 ? made.first + "/#" : made.second == 1 && made.first == "a" ? "#" : made.first;
  });
}

std::vector<Rule> any_rules(bool with_names) {
  std::vector<Rule> rules;
  for (int i = *rc::gen::inRange(0, 5); i > 0; --i)
    rules.push_back({*any_filter(with_names), *rc::gen::inRange(0, 3) > 0});
  return rules;
}

RC_GTEST_PROP(Rules, DecideAsTheirFiltersMatch, ()) {
  const auto rules = any_rules(true);
  for (int i = 0; i < 30; ++i) {
    const auto topic = *any_topic();
    bool allowed = false, denied = false;
    for (const Rule& rule : rules) {
      std::string text = rule.filter;
      for (auto at = text.find("%c"); at != std::string::npos; at = text.find("%c")) text.replace(at, 2, "press4");
      if (!TopicFilter::parse(text)->matches(topic)) continue;
      (rule.allow ? allowed : denied) = true;
    }
    RC_ASSERT(allows(rules, topic) == (allowed && !denied));
  }
}

RC_GTEST_PROP(Rules, CoverageHoldsForEveryTopicOfTheFilter, ()) {
  const auto rules = any_rules(false);
  const auto filter = *any_filter(false);
  const auto covered = coverage(rules, filter);
  for (int i = 0; i < 30; ++i) {
    const auto topic = *any_topic();
    if (!TopicFilter::parse(filter)->matches(topic)) continue;
    if (covered == Coverage::All) RC_ASSERT(allows(rules, topic));
    if (covered == Coverage::None) RC_ASSERT(!allows(rules, topic));
  }
}

}  // namespace
}  // namespace ferrule::mqtt

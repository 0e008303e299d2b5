// Subscriptions and retained publications against the plain definition of matching.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "mqtt/packet_id_set.hpp"
#include "mqtt/retained.hpp"
#include "mqtt/ring.hpp"
#include "mqtt/subscription_tree.hpp"

namespace ferrule::mqtt {
namespace {

struct Someone final : Subscriber {
  void be(bool online, bool ready) {
    online_ = online;
    ready_ = ready;
  }
};

std::set<const Subscriber*> receivers(SubscriptionTree& tree, std::string_view topic,
                                      const Subscriber* publisher = nullptr) {
  Matches matches;
  tree.match(topic, publisher, matches);
  std::set<const Subscriber*> found;
  for (const Match& match : matches.all()) EXPECT_TRUE(found.insert(match.subscriber).second) << "twice for " << topic;
  return found;
}

/// Few words, so that topics and filters meet; with the empty level and one too long for a node.
rc::Gen<std::string> level() {
  return rc::gen::element<std::string>("a", "b", "", "$x", "a-level-that-needs-the-heap");
}

rc::Gen<std::string> joined(const rc::Gen<std::string>& levels) {
  return rc::gen::map(rc::gen::container<std::vector<std::string>>(levels), [](std::vector<std::string> parts) {
    std::string topic;
    parts.resize(std::min<std::size_t>(parts.size(), 6));
    for (const auto& part : parts) topic += part + "/";
    return topic.empty() ? std::string("a") : topic.substr(0, topic.size() - 1);
  });
}

rc::Gen<std::string> topics() {
  return rc::gen::suchThat(joined(level()), [](const std::string& topic) { return is_valid_topic_name(topic); });
}

rc::Gen<std::string> filters() {
  return rc::gen::suchThat(
      rc::gen::apply([](const std::string& head, bool multi) { return multi ? head + "/#" : head; },
                     joined(rc::gen::oneOf(level(), rc::gen::just(std::string("+")))), rc::gen::arbitrary<bool>()),
      [](const std::string& filter) { return is_valid_topic_filter(filter); });
}

RC_GTEST_PROP(SubscriptionTree, FindsExactlyTheFiltersThatMatch, ()) {
  SubscriptionTree tree;
  std::vector<std::unique_ptr<Someone>> people;
  std::vector<std::set<std::string>> wanted;  // by the same index
  for (int i = 0; i < 4; ++i) {
    people.push_back(std::make_unique<Someone>());
    wanted.emplace_back();
  }
  const auto steps = *rc::gen::container<std::vector<std::tuple<std::size_t, std::string, bool>>>(
      rc::gen::tuple(rc::gen::inRange<std::size_t>(0, 4), filters(), rc::gen::arbitrary<bool>()));
  for (const auto& [who, filter, remove] : steps) {
    if (remove) {
      RC_ASSERT(tree.remove(*people[who], "", filter) == (wanted[who].erase(filter) == 1));
    } else {
      const bool is_new = tree.add(*people[who], "", filter, {}, 0) == SubscriptionTree::Added::New;
      RC_ASSERT(is_new == wanted[who].insert(filter).second);
    }
  }
  for (const auto& topic : *rc::gen::container<std::vector<std::string>>(topics())) {
    std::set<const Subscriber*> expected;
    for (std::size_t who = 0; who < people.size(); ++who) {
      const auto matches = [&](const std::string& filter) { return TopicFilter::parse(filter)->matches(topic); };
      if (std::ranges::any_of(wanted[who], matches)) expected.insert(people[who].get());
    }
    RC_ASSERT(receivers(tree, topic) == expected);
  }
  for (std::size_t who = 0; who < people.size(); ++who) {
    std::set<std::string> listed;
    for (const auto& subscription : tree.subscriptions_of(*people[who])) listed.insert(subscription.filter);
    RC_ASSERT(listed == wanted[who]);
    tree.remove_all(*people[who]);
  }
  RC_ASSERT(tree.size() == 0U);
  RC_ASSERT(receivers(tree, "a").empty());
}

RC_GTEST_PROP(Retained, FindsExactlyTheTopicsThatMatch, ()) {
  Retained retained(1000);
  std::map<std::string, std::string> expected;
  const auto steps = *rc::gen::container<std::vector<std::pair<std::string, std::string>>>(
      rc::gen::pair(topics(), rc::gen::element<std::string>("", "1", "2")));
  for (const auto& [topic, payload] : steps) {
    Publication publication;
    publication.topic = topic;
    publication.payload = payload;
    retained.keep(publication);
    if (payload.empty()) {
      expected.erase(topic);
    } else {
      expected[topic] = payload;
    }
  }
  RC_ASSERT(retained.size() == expected.size());
  for (const auto& filter : *rc::gen::container<std::vector<std::string>>(filters())) {
    std::map<std::string, std::string> found;
    std::vector<Retained::Id> ids;
    retained.find(filter, ids);
    for (const auto id : ids) {
      const auto publication = retained.get(id, {});
      RC_ASSERT(found.emplace(publication->topic, publication->payload).second);
    }
    std::map<std::string, std::string> matching;
    for (const auto& entry : expected) {
      if (TopicFilter::parse(filter)->matches(entry.first)) matching.insert(entry);
    }
    RC_ASSERT(found == matching);
  }
}

TEST(SubscriptionTree, MergesAllSubscriptionsOfOneSubscriber) {
  SubscriptionTree tree;
  Someone one;
  tree.add(one, "", "a/+", {.qos = Qos::AtMostOnce, .retain_as_published = true}, 0);
  tree.add(one, "", "a/#", {.qos = Qos::ExactlyOnce}, 7);
  tree.add(one, "", "a/b", {.qos = Qos::AtLeastOnce}, 9);
  tree.add(one, "", "#", {.qos = Qos::AtLeastOnce}, 11);
  Matches matches;
  tree.match("a/b", nullptr, matches);
  ASSERT_EQ(matches.all().size(), 1U);
  const Match& match = matches.all()[0];
  EXPECT_EQ(match.qos, Qos::ExactlyOnce);
  EXPECT_TRUE(match.retain_as_published);
  const auto identifiers = matches.identifiers(match);
  EXPECT_EQ((std::multiset<std::uint32_t>(identifiers.begin(), identifiers.end())),
            (std::multiset<std::uint32_t>{7, 9, 11}));
}

TEST(SubscriptionTree, NoLocalCountsPerSubscription) {
  SubscriptionTree tree;
  Someone one;
  tree.add(one, "", "a", {.no_local = true}, 1);
  EXPECT_TRUE(receivers(tree, "a", &one).empty());
  tree.add(one, "", "+", {}, 2);
  EXPECT_EQ(receivers(tree, "a", &one).size(), 1U);
}

TEST(SubscriptionTree, TakesTurnsWithinAGroupAndPrefersTheReady) {
  SubscriptionTree tree;
  Someone people[3];
  for (Someone& someone : people) {
    someone.be(true, true);
    tree.add(someone, "g", "t", {}, 0);
  }
  std::multiset<const Subscriber*> turns;
  for (int i = 0; i < 9; ++i) turns.insert(*receivers(tree, "t").begin());
  for (const Someone& someone : people) EXPECT_EQ(turns.count(&someone), 3U);
  people[0].be(true, false);
  people[1].be(false, false);
  EXPECT_EQ(receivers(tree, "t"), std::set<const Subscriber*>{&people[2]});
  people[2].be(false, false);
  EXPECT_EQ(receivers(tree, "t"), std::set<const Subscriber*>{&people[0]});
  EXPECT_EQ(tree.shared(), 3U);
  EXPECT_FALSE(tree.remove(people[0], "other", "t"));
  for (Someone& someone : people) EXPECT_TRUE(tree.remove(someone, "g", "t"));
  EXPECT_TRUE(receivers(tree, "t").empty());
}

TEST(SubscriptionTree, NoticesWhatCameAndWentBetweenTwoPublicationsToOneTopic) {
  SubscriptionTree tree;
  Someone one, two;
  const auto both = std::set<const Subscriber*>{&one, &two};
  tree.add(one, "", "a/b", {}, 0);
  EXPECT_EQ(receivers(tree, "a/b"), std::set<const Subscriber*>{&one});
  tree.add(two, "", "a/#", {}, 0);
  EXPECT_EQ(receivers(tree, "a/b"), both);
  EXPECT_EQ(receivers(tree, "a/b"), both);
  EXPECT_TRUE(receivers(tree, "b").empty());
  tree.remove_all(one);
  EXPECT_EQ(receivers(tree, "a/b"), std::set<const Subscriber*>{&two});
  tree.remove(two, "", "a/#");
  tree.add(one, "", "+/b", {}, 0);  // in the place of a node that is gone
  EXPECT_EQ(receivers(tree, "a/b"), std::set<const Subscriber*>{&one});
  tree.add(two, "g", "a/b", {}, 0);
  EXPECT_EQ(receivers(tree, "a/b"), both);
  tree.remove_all(two);
  EXPECT_EQ(receivers(tree, "a/b"), std::set<const Subscriber*>{&one});
}

TEST(SubscriptionTree, WalksTheDeepestTopicsAndFilters) {
  SubscriptionTree tree;
  Someone one;
  std::string topic = "a", filter = "+";
  for (std::size_t i = 1; i < kMaxTopicLevels; ++i) {
    topic += "/a";
    filter += "/+";
  }
  tree.add(one, "", filter, {}, 0);
  EXPECT_EQ(receivers(tree, topic).size(), 1U);
  EXPECT_TRUE(receivers(tree, topic + "/a").empty());
  tree.remove_all(one);
}

TEST(SubscriptionTree, HoldsAHundredThousandSubscriptions) {
  SubscriptionTree tree;
  Someone one;
  for (int i = 0; i < 100'000; ++i)
    tree.add(one, "", "plant/line" + std::to_string(i % 100) + "/" + std::to_string(i), {}, 0);
  EXPECT_EQ(tree.size(), 100'000U);
  EXPECT_EQ(receivers(tree, "plant/line42/142").size(), 1U);
  EXPECT_TRUE(receivers(tree, "plant/line42/143").empty());
  tree.remove_all(one);
  EXPECT_EQ(tree.size(), 0U);
}

TEST(Retained, KeepsAllThatTravelsWithAPublication) {
  using namespace std::chrono_literals;
  const std::chrono::steady_clock::time_point start{1h};
  Retained retained(2);
  Publication publication;
  publication.topic = "a/b";
  publication.payload = "payload";
  publication.properties = "properties";
  publication.origin = "origin";
  publication.qos = Qos::ExactlyOnce;
  publication.published = start;
  publication.expires = start + 10s;
  EXPECT_EQ(retained.keep(publication), Retained::Kept::Stored);
  std::vector<Retained::Id> ids;
  retained.find("a/b", ids);
  ASSERT_EQ(ids.size(), 1U);
  const auto got = retained.get(ids[0], start);
  EXPECT_EQ(got->topic, "a/b");
  EXPECT_EQ(got->payload, "payload");
  EXPECT_EQ(got->properties, "properties");
  EXPECT_EQ(got->origin, "origin");
  EXPECT_EQ(got->qos, Qos::ExactlyOnce);
  EXPECT_TRUE(got->retain);
  EXPECT_EQ(got->published, start);
  EXPECT_EQ(got->expires, start + 10s);
  EXPECT_EQ(retained.get(ids[0], start + 10s), nullptr);
  publication.expires.reset();
  retained.keep(publication);
  std::vector<RetainedRow> rows;
  retained.drop_expired(start + 20s, rows);
  EXPECT_EQ(retained.size(), 1U);
  publication.topic = "c";
  EXPECT_EQ(retained.keep(publication), Retained::Kept::Stored);
  publication.topic = "d";
  EXPECT_EQ(retained.keep(publication), Retained::Kept::Full);
  publication.topic = "c";
  EXPECT_EQ(retained.keep(publication), Retained::Kept::Stored);
  publication.payload.clear();
  EXPECT_EQ(retained.keep(publication), Retained::Kept::Removed);
  EXPECT_EQ(retained.keep(publication), Retained::Kept::NothingToRemove);
}

RC_GTEST_PROP(PacketIdSet, IsASet, ()) {
  PacketIdSet set;
  std::set<std::uint16_t> expected;
  for (const auto& [id, erase] : *rc::gen::container<std::vector<std::pair<std::uint8_t, bool>>>(
           rc::gen::pair(rc::gen::arbitrary<std::uint8_t>(), rc::gen::arbitrary<bool>()))) {
    if (erase) {
      RC_ASSERT(set.erase(id) == (expected.erase(id) == 1));
    } else {
      RC_ASSERT(set.insert(id) == expected.insert(id).second);
    }
    RC_ASSERT(set.contains(id) == !erase);
    RC_ASSERT(set.size() == expected.size());
  }
}

TEST(PacketIdSet, TakesEveryIdentifier) {
  PacketIdSet set;
  for (std::uint32_t id = 1; id <= 65535; ++id) EXPECT_TRUE(set.insert(static_cast<std::uint16_t>(id)));
  EXPECT_FALSE(set.insert(65535));
  for (std::uint32_t id = 1; id <= 65535; ++id) EXPECT_TRUE(set.erase(static_cast<std::uint16_t>(id)));
  EXPECT_EQ(set.size(), 0U);
}

TEST(Ring, IsFirstInFirstOutThroughItsWrapAround) {
  Ring<int> ring;
  int in = 0, out = 0;
  for (int round = 1; round < 40; ++round) {
    for (int i = 0; i < round; ++i) ring.push_back(in++);
    EXPECT_EQ(ring[ring.size() - 1], in - 1);
    for (int i = 0; i < round - 1; ++i) EXPECT_EQ(ring.pop_front(), out++);
  }
  while (!ring.empty()) EXPECT_EQ(ring.pop_front(), out++);
  EXPECT_EQ(in, out);
}

}  // namespace
}  // namespace ferrule::mqtt

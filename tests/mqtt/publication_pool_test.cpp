// Publications that take over the memory of those before them.
#include "mqtt/publication_pool.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <set>
#include <string>

namespace ferrule::mqtt::testing {
namespace {

TEST(PublicationPool, GivesTheSameOneAgainWhileNobodyKeepsIt) {
  PublicationPool pool;
  const Publication* first = &pool.take();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(&pool.take(), first);
  EXPECT_EQ(pool.size(), 0U);
}

TEST(PublicationPool, NeverGivesOutWhatSomebodyHas) {
  PublicationPool pool;
  std::deque<PublicationPtr> kept;
  for (int i = 0; i < 2000; ++i) {
    pool.take().payload = std::to_string(i);
    kept.push_back(pool.last());
    if (i % 3 == 0) kept.pop_front();
    if (i % 7 == 1) kept.pop_back();
  }
  std::set<std::string> payloads;
  for (const auto& publication : kept) payloads.insert(publication->payload);
  EXPECT_EQ(payloads.size(), kept.size());
  EXPECT_LE(pool.size(), PublicationPool::kMost);
}

TEST(PublicationPool, KeepsAsManyAsAreUnderWayAtOnce) {
  PublicationPool pool;
  std::deque<PublicationPtr> kept;
  std::set<const Publication*> places;
  for (int i = 0; i < 2000; ++i) {
    places.insert(&pool.take());
    kept.push_back(pool.last());
    if (kept.size() > 20) kept.pop_front();
  }
  EXPECT_LE(places.size(), 25U);
}

TEST(PublicationPool, LetsGoOfLargeOnes) {
  PublicationPool pool;
  pool.take().payload.assign(100'000, 'x');
  const std::weak_ptr<const Publication> large = pool.last();
  pool.take();
  EXPECT_TRUE(large.expired());

  pool.take().payload.assign(100'000, 'x');
  PublicationPtr kept = pool.last();
  pool.take();
  EXPECT_EQ(kept.use_count(), 1);
}

}  // namespace
}  // namespace ferrule::mqtt::testing

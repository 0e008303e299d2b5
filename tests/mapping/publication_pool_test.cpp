#include "mapping/publication_pool.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace ferrule::mapping {
namespace {

TEST(PublicationPool, UsesTheMemoryOfOneThatIsDone) {
  PublicationPool pool;
  auto first = pool.take();
  first->payload = std::string(200, 'x');
  first->topic = "a/b";
  first->properties = "p";
  first->origin = "o";
  first->expires = std::chrono::steady_clock::time_point{};
  const auto* place = first.get();
  const auto* bytes = first->payload.data();
  first.reset();
  const auto second = pool.take();
  ASSERT_EQ(second.get(), place);
  EXPECT_EQ(second->payload.data(), bytes);
  EXPECT_EQ(second->topic + second->payload + second->properties + second->origin, "");
  EXPECT_FALSE(second->expires);
}

TEST(PublicationPool, NeverGivesOutWhatSomebodyHolds) {
  PublicationPool pool;
  const auto held = pool.take();
  EXPECT_NE(pool.take().get(), held.get());
}

TEST(PublicationPool, MayEndBeforeItsPublications) {
  std::shared_ptr<mqtt::Publication> publication;
  {
    PublicationPool pool;
    publication = pool.take();
  }
  publication->payload = std::string(200, 'x');
  EXPECT_EQ(publication->payload.size(), 200u);
}

TEST(PublicationPool, TakesBackFromOtherThreads) {
  PublicationPool pool;
  std::vector<std::jthread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) {
        std::vector<std::shared_ptr<const mqtt::Publication>> held;
        for (int j = 0; j < 5; ++j) {
          auto publication = pool.take();
          EXPECT_EQ(publication->payload, "");
          publication->payload = "busy";
          held.push_back(std::move(publication));
        }
      }
    });
  }
}

}  // namespace
}  // namespace ferrule::mapping

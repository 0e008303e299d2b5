#include "gateway/way_in.hpp"

#include <gtest/gtest.h>

namespace ferrule::gateway {
namespace {

bridge::InRoute route(const char* from, const char* to) { return {*mqtt::TopicFilter::parse(from), to}; }

TEST(WayIn, IsFoundWhereARouteMakesTheTopic) {
  const auto leads = [](const char* from, const char* to) {
    return leads_to({route(from, to)}, "ferrule/plant1/config/set");
  };
  EXPECT_TRUE(leads("fleet/plant1/config/set", "ferrule/{topic:1..}"));
  EXPECT_TRUE(leads("fleet/#", "ferrule/{topic:1..}"));
  EXPECT_TRUE(leads("sites/+/plant1/config/+", "ferrule/{topic:2..}"));
  EXPECT_TRUE(leads("#", "{topic}"));
  EXPECT_TRUE(leads("ferrule/+/config", "{topic}/set"));
  EXPECT_TRUE(leads("anything", "ferrule/plant1/config/set"));
  EXPECT_FALSE(leads("fleet/plant2/config/set", "ferrule/{topic:1..}"));
  EXPECT_FALSE(leads("plant1/+/+/set", "{topic}"));
  EXPECT_FALSE(leads("fleet/#", "{topic}"));
  EXPECT_FALSE(leads_to({}, "ferrule/plant1/config/set"));
}

TEST(WayIn, IsNotFoundWhereARouteAboveTakesItElsewhere) {
  EXPECT_FALSE(leads_to({route("#", "elsewhere/{topic}"), route("a/#", "{topic:1..}")}, "config/set"));
  EXPECT_TRUE(leads_to({route("b/#", "elsewhere/{topic}"), route("a/#", "{topic:1..}")}, "config/set"));
}

}  // namespace
}  // namespace ferrule::gateway

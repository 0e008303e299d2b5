#include "gateway/acknowledgements.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

namespace ferrule::gateway {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class AcknowledgementsTest : public ::testing::Test {
 protected:
  AcknowledgementsTest() { desk.take_for({{"plant1/boiler/supply/alarm/hot/ack", 2, 7, 1}}); }

  void publish(std::string topic, std::string client, bool retain = false) {
    mqtt::Publication publication;
    publication.topic = std::move(topic);
    publication.origin = std::move(client);
    publication.retain = retain;
    EXPECT_EQ(desk.append(std::make_shared<const mqtt::Publication>(publication), true).value(), mqtt::Ticket{0});
    EXPECT_THAT(published, IsEmpty()) << "nothing is published from within the broker's round";
    for (const auto& task : std::exchange(posted, {})) task();
  }

  bool is_active = true;
  std::vector<std::string> acknowledged, published, notes;
  std::vector<std::function<void()>> posted;
  Acknowledgements desk{{[this](const AlarmPlace& place, std::string by) -> mqtt::PublicationPtr {
                           acknowledged.push_back(std::to_string(place.bus) + ' ' + std::to_string(place.point) + ' ' +
                                                  std::to_string(place.alarm) + ' ' + by);
                           if (!is_active) return nullptr;
                           auto news = std::make_shared<mqtt::Publication>();
                           news->topic = "plant1/boiler/supply/alarm/hot";
                           return news;
                         },
                         [this](const mqtt::PublicationPtr& news) { published.push_back(news->topic); },
                         [this](std::function<void()> task) { posted.push_back(std::move(task)); },
                         [this](std::string_view who, std::string_view what) {
                           notes.push_back(std::string(who) + ": " + std::string(what));
                         }}};
};

TEST_F(AcknowledgementsTest, ReachTheirAlarmAndAreAudited) {
  EXPECT_TRUE(desk.subscribes("plant1/boiler/supply/alarm/hot/ack"));
  EXPECT_FALSE(desk.subscribes("plant1/boiler/supply/alarm/hot"));
  publish("plant1/boiler/supply/alarm/hot/ack", "hmi");
  EXPECT_THAT(acknowledged, ElementsAre("2 7 1 hmi"));
  EXPECT_THAT(published, ElementsAre("plant1/boiler/supply/alarm/hot"));
  EXPECT_THAT(notes, ElementsAre("client hmi: plant1/boiler/supply/alarm/hot"));
}

TEST_F(AcknowledgementsTest, OfAnAlarmThatAReloadTookAwayChangeNothing) {
  mqtt::Publication publication;
  publication.topic = "plant1/boiler/supply/alarm/hot/ack";
  publication.origin = "hmi";
  EXPECT_TRUE(desk.append(std::make_shared<const mqtt::Publication>(publication), true));
  desk.take_for({});
  for (const auto& task : std::exchange(posted, {})) task();
  EXPECT_THAT(acknowledged, IsEmpty());
}

TEST_F(AcknowledgementsTest, OfNothingChangeNothing) {
  is_active = false;
  publish("plant1/boiler/supply/alarm/hot/ack", "hmi");
  publish("plant1/boiler/supply/alarm/cold/ack", "hmi");
  EXPECT_THAT(published, IsEmpty());
  EXPECT_THAT(notes, IsEmpty());
}

TEST_F(AcknowledgementsTest, ThatAreRetainedAreRefused) {
  publish("plant1/boiler/supply/alarm/hot/ack", "hmi", true);
  EXPECT_THAT(acknowledged, IsEmpty());
  EXPECT_THAT(notes, ElementsAre("client hmi: plant1/boiler/supply/alarm/hot/ack: refused: it is retained"));
}

}  // namespace
}  // namespace ferrule::gateway

// An uplink that goes over to other settings, or ends, while the gateway runs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/bridge/uplink_fixture.hpp"

namespace ferrule::bridge {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

class ChangeTest : public testing::UplinkFixture {
 protected:
  void change() {
    settings_.out.front().to = "sites/{topic}";
    uplink_->change(settings_, 0ms);
  }
  std::vector<std::string> sent() const {
    std::vector<std::string> all;
    for (const auto& one : link_->sent) all.push_back(one.topic + " " + one.payload);
    return all;
  }
};

TEST_F(ChangeTest, KeepsWhatWaitsAndTakesWhatComesMeanwhile) {
  settings_.window = 100;
  start();
  append("in flight");
  offline();
  append("waits");
  const auto* before = link_;
  change();
  append("meanwhile");
  EXPECT_EQ(link_, before);
  EXPECT_EQ(link_->disconnects, 1);
  desk_.run_posted();
  ASSERT_NE(link_, before);
  EXPECT_EQ(link_->connects, 1);
  EXPECT_EQ(status().state, UplinkState::Connecting);
  online();
  append("after");
  EXPECT_THAT(sent(), ElementsAre("plant/a in flight", "plant/a waits", "plant/a meanwhile", "sites/plant/a after"));
  EXPECT_EQ(status().connections, 2U);
}

TEST_F(ChangeTest, TakesWhatTheOldLinkHasSaidBeforeItsEnd) {
  start();
  append("one");
  append("two");
  link_->events.on_settled(link_->sent.front().seq, mqtt::Reason::Success);
  change();
  desk_.run_posted();
  online();
  EXPECT_THAT(link_->take_payloads(), ElementsAre("two"));
  EXPECT_EQ(status().acknowledged, 1U);
}

TEST_F(ChangeTest, OfTwoChangesAtOnceTheLastCounts) {
  start();
  change();
  settings_.out.front().to = "last/{topic}";
  uplink_->change(settings_, 0ms);
  desk_.run_posted();
  online();
  append("x");
  EXPECT_THAT(sent(), ElementsAre("last/plant/a x"));
}

TEST_F(ChangeTest, EndsWhileTheStoreLivesOnAndLeavesItsFile) {
  start();
  offline();
  append("waits");
  uplink_->stop(0ms);
  EXPECT_FALSE(uplink_->is_over());
  ASSERT_TRUE(desk_.run_until([&] {
    uplink_->tick();
    return uplink_->is_over();
  }));
  uplink_.reset();
  store_.reset();
  start();
  EXPECT_THAT(drain(), ElementsAre("waits"));
}

}  // namespace
}  // namespace ferrule::bridge

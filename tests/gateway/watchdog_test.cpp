#include "gateway/watchdog.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <sstream>

namespace ferrule::gateway {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;
using Time = std::chrono::steady_clock::time_point;

class WatchdogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    spdlog::set_default_logger(
        std::make_shared<spdlog::logger>("", std::make_shared<spdlog::sinks::ostream_sink_mt>(lines_)));
  }
  void TearDown() override { spdlog::set_default_logger(before_); }

  bool look(std::chrono::seconds later) {
    now_ += later;
    return watchdog_.all_move({{"bus line1", bus_, 60s}, {"the store", store_, 120s}}, now_);
  }
  /// What was logged since the last time.
  std::string log() {
    auto text = lines_.str();
    lines_.str({});
    return text;
  }

  Watchdog watchdog_;
  Time now_ = Time{} + 1h;
  Time bus_ = now_;
  Time store_ = Time::max();  // waits for work

 private:
  const std::shared_ptr<spdlog::logger> before_ = spdlog::default_logger();
  std::ostringstream lines_;
};

TEST_F(WatchdogTest, FeedsWhileEveryThreadWaitsOrIsNotLaterThanItsPatience) {
  EXPECT_TRUE(look(60s));
  EXPECT_TRUE(look(0s));
  bus_ = now_ + 30min;  // a poll in half an hour
  store_ = now_;        // a commit begins
  EXPECT_TRUE(look(115s));
  EXPECT_TRUE(look(5s));
  EXPECT_EQ(log(), "");
}

TEST_F(WatchdogTest, FeedsNoMoreWhenAThreadIsStuckAndNamesIt) {
  store_ = now_;
  bus_ = now_ + 200s;
  EXPECT_TRUE(look(121s));  // at first sight it may be the whole machine that stood still
  EXPECT_EQ(log(), "");
  EXPECT_FALSE(look(5s));
  const auto told = log();
  EXPECT_THAT(told, HasSubstr("thread of the store is stuck for 126 s"));
  EXPECT_THAT(told, Not(HasSubstr("line1")));
  EXPECT_EQ(watchdog_.verdict(), "the store is stuck");
  EXPECT_FALSE(look(5s));
  EXPECT_EQ(log(), "");  // once
}

TEST_F(WatchdogTest, FeedsAgainWhenTheThreadMoves) {
  look(61s);
  EXPECT_EQ(watchdog_.verdict(), "");
  EXPECT_FALSE(look(5s));
  log();
  bus_ = now_;
  EXPECT_TRUE(look(5s));
  EXPECT_THAT(log(), HasSubstr("thread of bus line1 moves again"));
  EXPECT_EQ(watchdog_.verdict(), "");
  EXPECT_TRUE(look(5s));
  EXPECT_EQ(log(), "");
}

TEST_F(WatchdogTest, TakesThreadsThatAreLateButMovedForAlive) {
  EXPECT_TRUE(look(10min));  // the machine slept
  bus_ = now_ - 5min;        // it has moved since, and is late again
  EXPECT_TRUE(look(5s));
  EXPECT_FALSE(look(5s));
}

TEST_F(WatchdogTest, FeedsNoMoreWhileAnyOfSeveralIsStuck) {
  store_ = now_;
  look(200s);
  EXPECT_FALSE(look(5s));
  EXPECT_EQ(watchdog_.verdict(), "bus line1, the store are stuck");
  bus_ = now_;
  EXPECT_FALSE(look(5s));
  store_ = Time::max();
  EXPECT_TRUE(look(5s));
}

}  // namespace
}  // namespace ferrule::gateway

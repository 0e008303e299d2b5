#include "bridge/keep_alive.hpp"

#include <gtest/gtest.h>

namespace ferrule::bridge {
namespace {

using namespace std::chrono_literals;
using Due = KeepAlive::Due;

const KeepAlive::Time kStart{1h};

// FAULTS 15
TEST(KeepAlive, AsksAfterAnIntervalOfSilenceAndGivesUpAfterHalfOfAnother) {
  KeepAlive keep_alive(30s, kStart);
  EXPECT_EQ(keep_alive.next(), kStart + 30s);
  EXPECT_EQ(keep_alive.due(kStart + 29s), Due::Nothing);
  EXPECT_EQ(keep_alive.due(kStart + 30s), Due::Ping);
  keep_alive.sent(kStart + 30s);
  EXPECT_EQ(keep_alive.due(kStart + 44s), Due::Nothing);
  EXPECT_EQ(keep_alive.due(kStart + 45s), Due::GiveUp);
}

TEST(KeepAlive, AnAnswerBeginsAnotherInterval) {
  KeepAlive keep_alive(30s, kStart);
  EXPECT_EQ(keep_alive.due(kStart + 30s), Due::Ping);
  keep_alive.sent(kStart + 30s);
  keep_alive.received(kStart + 31s);
  EXPECT_EQ(keep_alive.due(kStart + 59s), Due::Nothing);
  EXPECT_EQ(keep_alive.due(kStart + 60s), Due::Ping);
}

TEST(KeepAlive, AsksAlsoWhenOnlyOneSideIsSilent) {
  KeepAlive sender(30s, kStart);
  sender.sent(kStart + 25s);
  EXPECT_EQ(sender.due(kStart + 30s), Due::Ping);
  KeepAlive receiver(30s, kStart);
  receiver.received(kStart + 25s);
  EXPECT_EQ(receiver.due(kStart + 30s), Due::Ping);
}

TEST(KeepAlive, NeverAsksWithoutAnInterval) {
  KeepAlive keep_alive(0s, kStart);
  EXPECT_EQ(keep_alive.due(kStart + 24h), Due::Nothing);
  EXPECT_EQ(keep_alive.next(), KeepAlive::Time::max());
}

}  // namespace
}  // namespace ferrule::bridge

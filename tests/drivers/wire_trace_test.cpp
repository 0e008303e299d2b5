#include "drivers/wire_trace.hpp"

#include <gmock/gmock.h>

namespace ferrule::drivers {
namespace {

using Kind = WireEvent::Kind;

TEST(WireTrace, KeepsNothingWhileNobodyWatches) {
  WireTrace trace;
  trace.note(Kind::Sent, "abc");
  EXPECT_FALSE(trace.watched());
  EXPECT_TRUE(trace.take().events.empty());
  trace.watch([] {});
  trace.note(Kind::Sent, "abc");
  trace.unwatch();
  trace.note(Kind::Sent, "def");
  EXPECT_TRUE(trace.take().events.empty());
}

TEST(WireTrace, TellsOncePerBatchThatThereIsNews) {
  WireTrace trace;
  int told = 0;
  trace.watch([&] { ++told; });
  trace.note(Kind::Sent, "a");
  trace.note(Kind::Received, "b");
  EXPECT_EQ(told, 1);
  const auto news = trace.take();
  ASSERT_EQ(news.events.size(), 2U);
  EXPECT_EQ(news.events[0].kind, Kind::Sent);
  EXPECT_EQ(news.events[1].data, "b");
  EXPECT_EQ(news.lost, 0U);
  trace.note(Kind::Closed);
  EXPECT_EQ(told, 2);
}

TEST(WireTrace, LeavesOutAndCountsWhatASlowWatcherDoesNotTake) {
  WireTrace trace;
  trace.watch([] {});
  for (std::size_t i = 0; i < WireTrace::kMostEvents + 3; ++i) trace.note(Kind::Sent, "a");
  auto news = trace.take();
  EXPECT_EQ(news.events.size(), WireTrace::kMostEvents);
  EXPECT_EQ(news.lost, 3U);
  const std::string large(WireTrace::kMostBytes / 2 + 1, 'x');
  trace.note(Kind::Received, large);
  trace.note(Kind::Received, large);
  news = trace.take();
  EXPECT_EQ(news.events.size(), 1U);
  EXPECT_EQ(news.lost, 1U);
}

}  // namespace
}  // namespace ferrule::drivers

#include "gateway/metrics.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "drivers/bus.hpp"

namespace ferrule::gateway {
namespace {

using namespace std::chrono_literals;

TEST(MetricsText, WritesAFamilyAndItsSamples) {
  MetricsText out;
  out.counter("polls_total", "Polls.");
  out.sample({{"bus", "a"}, {"result", "ok"}}, 3);
  out.sample({{"bus", "b"}, {"result", "ok"}}, 18446744073709551615.0);
  out.gauge("up", "Whether it is up.");
  out.sample({}, 0.5);
  EXPECT_EQ(
      out.text(),
      "# HELP polls_total Polls.\n# TYPE polls_total counter\npolls_total{bus=\"a\",result=\"ok\"} 3\n"
      "polls_total{bus=\"b\",result=\"ok\"} 1.8446744073709552e+19\n# HELP up Whether it is up.\n# TYPE up gauge\n"
      "up 0.5\n");
}

TEST(MetricsText, EscapesLabels) {
  MetricsText out;
  out.gauge("g", "G.");
  out.sample({{"name", "a\"b\\c\nd\xC3\xA9"}}, 1);
  EXPECT_NE(out.text().find("g{name=\"a\\\"b\\\\c\\nd\xC3\xA9\"} 1\n"), std::string::npos);
}

TEST(MetricsText, WritesInfinityAsPrometheusDoes) {
  MetricsText out;
  out.gauge("g", "G.");
  out.sample({}, std::numeric_limits<double>::infinity());
  EXPECT_TRUE(out.text().ends_with("g +Inf\n"));
}

TEST(PollTimes, CountEachTimeAtTheFirstBoundThatHoldsIt) {
  drivers::PollTimes times;
  times.add(1ms);
  times.add(1ms + 1ns);
  times.add(3s);
  EXPECT_EQ(times.counts.front(), 1U);
  EXPECT_EQ(times.counts[1], 1U);
  EXPECT_EQ(times.counts.back(), 1U);
  EXPECT_EQ(times.sum, 3002ms + 1ns);
}

}  // namespace
}  // namespace ferrule::gateway

#include "gateway/demo_screen.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ferrule::gateway {
namespace {

using namespace std::chrono_literals;
using mapping::PointStatus;

// What three shows of eleven points and a full queue print.
std::string printed(Window (*window)()) {
  DemoScreen screen(window);
  PointStatus point{"sensor", "temperature", "MWh", "4200.0174", {}, {}, {}};
  point.seen = std::chrono::steady_clock::now() + 1h;  // an age that does not change meanwhile: 0.0 s
  const std::vector<PointStatus> points(11, point);
  const DemoLedger ledger("demo/", "cloud/");
  bridge::UplinkStatus uplink;
  uplink.state = bridge::UplinkState::BackingOff;
  uplink.queued = 99999;
  testing::internal::CaptureStdout();
  for (int i = 0; i < 3; ++i) screen.show(42s, points, uplink, ledger);
  return testing::internal::GetCapturedStdout();
}

std::size_t longest_line(const std::string& text) {
  std::size_t longest = 0;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    longest = std::max(longest, end - at);
    at = end + 1;
  }
  return longest;
}

std::size_t occurrences(std::string_view text, std::string_view word) {
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find(word, at)) != std::string_view::npos; ++at) ++count;
  return count;
}

TEST(DemoScreen, RedrawsInPlaceWithLinesThatDoNotWrap) {
  const auto text = printed([] { return Window{24, 80}; });
  EXPECT_NE(text.find("\x1b[15A\x1b[J"), std::string::npos);  // 11 points, 3 lines around them and the queue's
  EXPECT_LT(longest_line(text.substr(0, text.find('\x1b'))), 80u);
}

TEST(DemoScreen, PrintsPlainLinesWhereTheTableHasNoRoom) {
  const auto low = printed([] { return Window{15, 80}; });
  const auto narrow = printed([] { return Window{24, 76}; });
  const auto pipe = printed([] { return Window{}; });
  EXPECT_EQ(pipe.find('\x1b'), std::string::npos) << pipe;
  EXPECT_EQ(low, pipe);
  EXPECT_EQ(narrow, pipe);
}

TEST(DemoScreen, ShowsTheTableNowAndThenInAPipe) {
  const auto text = printed([] { return Window{}; });
  EXPECT_EQ(occurrences(text, "device "), 1u) << text;
  EXPECT_EQ(occurrences(text, "t=42 s"), 3u) << text;
}

}  // namespace
}  // namespace ferrule::gateway

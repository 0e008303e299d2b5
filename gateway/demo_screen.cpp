#include "gateway/demo_screen.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <string_view>

namespace ferrule::gateway {

namespace {

using mapping::PointStatus;

constexpr std::size_t kTableEvery = 5;      // shows, where it is not redrawn
constexpr std::size_t kQueueBar = 40;       // characters
constexpr std::size_t kWidestLine = 76;     // of the table, and the queue's without its bar
constexpr std::size_t kPlainColumns = 120;  // for lines that nothing is redrawn over

std::string age(const PointStatus& point) {
  if (point.value.empty()) return "-";
  const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - point.seen).count();
  return fmt::format("{:.1f} s", std::max(0.0, seconds));
}

std::string quality(const PointStatus& point) {
  if (point.value.empty() && point.failure == drivers::Failure::None) return "waiting";
  if (point.failure == drivers::Failure::None) return std::string(name(point.quality));
  return fmt::format("{}: {}", name(point.quality), name(point.failure));
}

std::string table(const std::vector<PointStatus>& points) {
  std::string text =
      fmt::format("  {:<10} {:<14} {:>12} {:<6} {:<16} {:>8}\n", "device", "point", "value", "unit", "quality", "age");
  for (const auto& point : points) {
    fmt::format_to(std::back_inserter(text), "  {:<10} {:<14} {:>12} {:<6} {:<16} {:>8}\n", point.device, point.point,
                   point.value.empty() ? "-" : point.value, point.unit, quality(point), age(point));
  }
  return text;
}

/// Shorter than `columns`: a line that wraps would take two.
std::string queue_line(std::chrono::milliseconds elapsed, const bridge::UplinkStatus& uplink, const DemoLedger& ledger,
                       std::size_t columns) {
  auto line = fmt::format("t={:>2} s  uplink {:<11} queue {:>5}  published {:>5}  in the cloud {:>5}",
                          std::chrono::duration_cast<std::chrono::seconds>(elapsed).count(), name(uplink.state),
                          uplink.queued, ledger.published_count(), ledger.arrived_count());
  const auto room = columns > line.size() + 3 ? columns - line.size() - 3 : 0;
  const auto bar = std::min({kQueueBar, room, static_cast<std::size_t>((uplink.queued + 4) / 5)});
  return line += fmt::format("  {}\n", std::string(bar, '#'));
}

}  // namespace

Window terminal_window() {
  winsize size{};
  const char* terminal = std::getenv("TERM");
  if (terminal == nullptr || std::string_view(terminal) == "dumb") return {};
  if (isatty(STDOUT_FILENO) != 1 || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return {};
  return {size.ws_row, size.ws_col};
}

void DemoScreen::erase_table() {
  if (table_lines_ > 0) fmt::print("\x1b[{}A\x1b[J", table_lines_);
  table_lines_ = 0;
}

void DemoScreen::say(const std::string& line) {
  erase_table();
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

void DemoScreen::show(std::chrono::milliseconds elapsed, const std::vector<PointStatus>& points,
                      const bridge::UplinkStatus& uplink, const DemoLedger& ledger) {
  erase_table();
  const Window window = window_();
  std::string text = '\n' + table(points) + '\n';
  const auto lines = static_cast<std::size_t>(std::ranges::count(text, '\n')) + 1;
  const bool in_place = window.rows > lines && window.columns > kWidestLine;
  if (!in_place && shown_ % kTableEvery != 0) text.clear();
  text += queue_line(elapsed, uplink, ledger, in_place ? window.columns : kPlainColumns);
  ++shown_;
  if (in_place) table_lines_ = lines;
  fmt::print("{}", text);
  std::fflush(stdout);
}

void DemoScreen::show_verdict(const Verdict& verdict) {
  erase_table();
  fmt::print("\n  {:<44} {:>7}\n", "published by the gateway", verdict.published);
  fmt::print("  {:<44} {:>7}\n", "arrived in the cloud", verdict.arrived);
  fmt::print("  {:<44} {:>7}\n", "missing", verdict.missing);
  fmt::print("  {:<44} {:>7}\n", "arrived twice", verdict.repeated);
  fmt::print("  {:<44} {:>7}\n", "arrived but never published", verdict.foreign);
  fmt::print("  {:<44} {:>7}\n\n", "in order", verdict.in_order ? "yes" : "NO");
  fmt::print("{}\n", verdict.good() ? "Every message reached the cloud exactly once and in order."
                                    : "NOT every message reached the cloud exactly once and in order.");
  std::fflush(stdout);
}

}  // namespace ferrule::gateway

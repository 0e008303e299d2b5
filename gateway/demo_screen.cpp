#include "gateway/demo_screen.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iterator>

namespace ferrule::gateway {

namespace {

constexpr std::size_t kTableEvery = 5;  // shows, in a pipe
constexpr std::size_t kQueueBar = 40;   // characters

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

std::string queue_line(std::chrono::milliseconds elapsed, const bridge::UplinkStatus& uplink,
                       const DemoLedger& ledger) {
  auto line = fmt::format("t={:>2} s  uplink {:<11} queue {:>5}  published {:>5}  in the cloud {:>5}",
                          std::chrono::duration_cast<std::chrono::seconds>(elapsed).count(), name(uplink.state),
                          uplink.queued, ledger.published_count(), ledger.arrived_count());
  return line += fmt::format("  {}\n", std::string(std::min<std::size_t>(kQueueBar, (uplink.queued + 4) / 5), '#'));
}

}  // namespace

DemoScreen::DemoScreen() : terminal_(isatty(STDOUT_FILENO) == 1) {}

void DemoScreen::erase_table() {
  if (terminal_ && table_lines_ > 0) fmt::print("\x1b[{}A\x1b[J", table_lines_);
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
  std::string text;
  if (terminal_ || shown_ % kTableEvery == 0) text = '\n' + table(points) + '\n';
  text += queue_line(elapsed, uplink, ledger);
  ++shown_;
  if (terminal_) table_lines_ = static_cast<std::size_t>(std::ranges::count(text, '\n'));
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

#include "drivers/modbus/budget.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "drivers/modbus/client.hpp"
#include "drivers/modbus/decode.hpp"
#include "drivers/modbus/planner.hpp"

namespace ferrule::drivers::modbus {

namespace {

using Seconds = std::chrono::duration<double>;

constexpr Seconds kAnswerDelay{0.015};  // between the two frames
constexpr int kRequestBytes = 8;
constexpr int kAnswerOverhead = 5;
constexpr std::array kBauds{9600, 19200, 38400, 57600, 115200};
constexpr std::array kGaps{16, 32, 64, 125};

Seconds cost(const Block& block, const Timing& timing, bool ascii) {
  const int data = is_bits(block.table) ? (block.count + 7) / 8 : 2 * block.count;
  const int bytes = kRequestBytes + kAnswerOverhead + data;
  const int characters = ascii ? 2 * (bytes + 1) : bytes;  // see AsciiFramer::wire_size, for two frames
  return Seconds(timing.character) * characters + 2 * Seconds(timing.gap) + kAnswerDelay;
}

LineBudget measure(const BusSettings& settings) {
  const auto timing = line_timing(settings);
  LineBudget budget;
  for (const auto& device : settings.devices) {
    if (is_broadcast(settings, device)) continue;
    for (const auto& block : plan(device, 0)) {
      budget.utilisation += cost(block, timing, is_ascii(settings.type)) / Seconds(block.interval);
      ++budget.requests;
    }
  }
  return budget;
}

std::string percent(double share) { return fmt::format("{:.0f} %", std::ceil(share * 100)); }

// In this order: a setting of ours, a setting of every device on the line, and fewer values.
std::string advice(const BusSettings& settings, double utilisation) {
  auto changed = settings;
  for (const auto gap : kGaps) {
    for (auto& device : changed.devices) {
      device.max_gap = std::max(device.max_gap, static_cast<std::uint16_t>(gap));
    }
    if (const auto now = measure(changed).utilisation; now <= kMostUtilisation) {
      return fmt::format("max_gap: {} on its devices brings it to {}", gap, percent(now));
    }
  }
  changed = settings;
  for (const auto baud : kBauds) {
    changed.line.baud = std::max(settings.line.baud, baud);
    if (const auto now = measure(changed).utilisation; now <= kMostUtilisation) {
      return fmt::format("{} baud brings it to {}", changed.line.baud, percent(now));
    }
  }
  const double factor = std::ceil(utilisation / kMostUtilisation * 10) / 10;
  return fmt::format("intervals {} times as long bring it to {}", factor, percent(utilisation / factor));
}

}  // namespace

std::optional<LineBudget> line_budget(const BusSettings& settings) {
  if (!is_serial(settings.type)) return std::nullopt;
  auto budget = measure(settings);
  if (budget.utilisation > kMostUtilisation) budget.advice = advice(settings, budget.utilisation);
  return budget;
}

}  // namespace ferrule::drivers::modbus

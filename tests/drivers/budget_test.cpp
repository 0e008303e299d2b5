#include "drivers/modbus/budget.hpp"

#include <gtest/gtest.h>

namespace ferrule::drivers::modbus {
namespace {

using namespace std::chrono_literals;

// A line of `devices` units with `points` registers each, `apart` addresses from one to the next.
BusSettings line(int devices, int points, std::chrono::milliseconds interval, int apart = 1, int baud = 9600) {
  BusSettings settings;
  settings.type = BusType::ModbusRtu;
  settings.line.baud = baud;
  for (int unit = 1; unit <= devices; ++unit) {
    auto& device = settings.devices.emplace_back();
    device.unit_id = static_cast<std::uint8_t>(unit);
    for (int i = 0; i < points; ++i) {
      auto& point = device.points.emplace_back();
      point.address = static_cast<std::uint16_t>(i * apart);
      point.interval = interval;
    }
  }
  return settings;
}

TEST(LineBudget, CountsBytesSilenceAndTheDevicesTime) {
  // One read of ten registers: 8 + 25 bytes of 11 bits at 9600 baud, twice 3.5 such bytes of silence, 15 ms.
  const auto budget = line_budget(line(1, 10, 1s));
  ASSERT_TRUE(budget);
  EXPECT_EQ(budget->requests, 1u);
  EXPECT_NEAR(budget->utilisation, (33 + 7) * 11 / 9600.0 + 0.015, 1e-6);
  EXPECT_EQ(budget->advice, "");
}

TEST(LineBudget, GrowsWithDevicesAndShorterIntervals) {
  const auto one = line_budget(line(1, 10, 1s))->utilisation;
  EXPECT_NEAR(line_budget(line(4, 10, 1s))->utilisation, 4 * one, 1e-9);
  EXPECT_NEAR(line_budget(line(1, 10, 500ms))->utilisation, 2 * one, 1e-9);
}

TEST(LineBudget, AdvisesToReadOverGapsFirst) {
  // Twelve registers, each ten apart: twelve requests, or one once gaps of nine are read over.
  const auto budget = line_budget(line(1, 12, 500ms, 10));
  EXPECT_EQ(budget->requests, 12u);
  EXPECT_GT(budget->utilisation, kMostUtilisation);
  EXPECT_EQ(budget->advice, "max_gap: 16 on its devices brings it to 59 %");
}

TEST(LineBudget, AdvisesAFasterLineWhenThereAreNoGaps) {
  const auto budget = line_budget(line(8, 60, 1s));
  EXPECT_GT(budget->utilisation, kMostUtilisation);
  EXPECT_EQ(budget->advice, "19200 baud brings it to 77 %");
}

TEST(LineBudget, AdvisesLongerIntervalsWhenTheDevicesThemselvesAreTooSlow) {
  const auto budget = line_budget(line(30, 1, 500ms, 1, 115200));
  EXPECT_GT(budget->utilisation, 1);
  EXPECT_EQ(budget->advice, "intervals 1.5 times as long bring it to 80 %");
}

TEST(LineBudget, LeavesOutBroadcastsAndOtherBuses) {
  auto settings = line(1, 1, 1s);
  settings.devices[0].unit_id = 0;
  EXPECT_EQ(line_budget(settings)->requests, 0u);
  settings.type = BusType::ModbusTcp;
  EXPECT_FALSE(line_budget(settings));
}

}  // namespace
}  // namespace ferrule::drivers::modbus

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "drivers/modbus/decode.hpp"
#include "drivers/modbus/simulator.hpp"

namespace ferrule::drivers::modbus {
namespace {

using testing::ElementsAre;

PointSettings point(Table table, std::uint16_t address, Type type, const std::string& unit, double scale = 1,
                    double offset = 0) {
  PointSettings settings;
  settings.table = table;
  settings.address = address;
  settings.type = type;
  settings.unit = unit;
  settings.scale = scale;
  settings.offset = offset;
  return settings;
}

TEST(SimulatedPlant, GivesEveryPointOfABusAWaveform) {
  BusSettings bus;
  bus.devices.resize(2);
  bus.devices[0].unit_id = 4;
  bus.devices[0].points = {point(Table::Input, 0, Type::Float32, "V"), point(Table::Coil, 0, Type::Bool, "")};
  bus.devices[1].unit_id = 9;
  bus.devices[1].points = {point(Table::Holding, 7, Type::Int16, "°C", 0.1)};
  Faults faults;
  faults.drop = 0.05;
  const auto slaves = simulated_slaves(bus, faults);
  ASSERT_EQ(slaves.size(), 2u);
  EXPECT_EQ(slaves[0].unit_id, 4);
  ASSERT_EQ(slaves[0].points.size(), 2u);
  EXPECT_EQ(slaves[0].points[0].encoding.table, Table::Input);
  EXPECT_EQ(slaves[0].points[0].waveform.low, 225);
  EXPECT_EQ(slaves[0].points[0].waveform.high, 235);
  EXPECT_EQ(slaves[1].unit_id, 9);
  EXPECT_EQ(slaves[1].points.at(0).encoding.address, 7);
  EXPECT_EQ(slaves[1].faults.drop, 0.05);
}

TEST(SimulatedPlant, UndoesScaleAndOffset) {
  const auto tenths = plausible_waveform(point(Table::Holding, 0, Type::Int16, "°C", 0.1, -10));
  EXPECT_DOUBLE_EQ(tenths.low, 280);
  EXPECT_DOUBLE_EQ(tenths.high, 720);
  const auto upside_down = plausible_waveform(point(Table::Holding, 0, Type::Int16, "V", -1));
  EXPECT_DOUBLE_EQ(upside_down.low, -235);
  EXPECT_DOUBLE_EQ(upside_down.high, -225);
}

TEST(SimulatedPlant, KeepsWithinWhatTheTypeCanHold) {
  for (const auto type : {Type::Bool, Type::Int8, Type::Int16, Type::Uint16, Type::Int32, Type::Uint32, Type::Int64,
                          Type::Uint64, Type::Float16, Type::Float32, Type::Float64, Type::Bcd16, Type::Bcd32}) {
    for (const auto* unit : {"Wh", "var", "Pa", ""}) {
      for (const double scale : {1e-6, 1.0, -0.001, 1000.0}) {
        const auto simulated = point(Table::Holding, 0, type, unit, type == Type::Bool ? 1 : scale);
        const auto wave = plausible_waveform(simulated);
        std::vector<std::uint16_t> registers(registers_of(simulated));
        EXPECT_LE(wave.low, wave.high);
        EXPECT_TRUE(encode(wave.low, simulated, registers)) << unit << " " << scale;
        EXPECT_TRUE(encode(wave.high, simulated, registers)) << unit << " " << scale;
      }
    }
  }
}

TEST(SimulatedPlant, SimulatesTheFirstOfOverlappingPoints) {
  BusSettings bus;
  bus.devices.resize(1);
  bus.devices[0].points = {point(Table::Holding, 1, Type::Uint32, ""), point(Table::Holding, 0, Type::Uint32, ""),
                           point(Table::Holding, 2, Type::Uint16, ""), point(Table::Input, 2, Type::Uint16, ""),
                           point(Table::Holding, 3, Type::Uint16, "")};
  const auto slaves = simulated_slaves(bus);
  std::vector<int> addresses;
  for (const auto& simulated : slaves.at(0).points) addresses.push_back(simulated.encoding.address);
  EXPECT_THAT(addresses, ElementsAre(1, 2, 3));
}

}  // namespace
}  // namespace ferrule::drivers::modbus

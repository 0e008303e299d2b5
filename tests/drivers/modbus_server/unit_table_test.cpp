#include "drivers/modbus_server/unit_table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace ferrule::drivers::modbus_server {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;

ExposedPoint point(PointIndex index, Table table, std::uint16_t address, Type type, bool writable = false) {
  ExposedPoint exposed;
  exposed.point = index;
  exposed.encoding = {.table = table, .address = address, .type = type};
  exposed.writable = writable;
  return exposed;
}

class ModbusServerTable : public testing::Test {
 protected:
  void make(std::vector<ExposedPoint> points) {
    points_ = std::move(points);
    table_ = std::make_unique<UnitTable>(points_);
  }
  std::uint8_t refresh(Table table, std::uint16_t address, std::uint16_t count) {
    return table_->refresh({3, table, address, count},
                           [this](const ExposedPoint& exposed) { return shown[exposed.point]; });
  }
  std::vector<std::uint16_t> registers(Table table, std::uint16_t address, std::uint16_t count) {
    const auto span = table_->image().registers(table, address, count);
    return {span.begin(), span.end()};
  }
  tl::expected<std::vector<PointWrite>, std::uint8_t> writes(Table table, std::uint16_t address,
                                                             std::vector<std::uint16_t> values) {
    const auto count = static_cast<std::uint16_t>(values.size());
    return table_->writes({16, table, address, count, true, std::move(values)});
  }

  std::map<PointIndex, Shown> shown;

 private:
  std::vector<ExposedPoint> points_;
  std::unique_ptr<UnitTable> table_;
};

Shown good(Value value) { return {std::move(value), Quality::Good, Failure::None}; }
Shown bad(Failure failure) { return {false, Quality::Bad, failure}; }

TEST_F(ModbusServerTable, ShowsEachPointInItsRegisters) {
  auto scaled = point(1, Table::Holding, 12, Type::Int16);
  scaled.encoding.scale = 0.1;
  auto swapped = point(2, Table::Holding, 13, Type::Uint32);
  swapped.encoding.byte_order = ByteOrder::CDAB;
  make({point(0, Table::Holding, 10, Type::Float32), scaled, swapped});
  shown = {{0, good(1.0)}, {1, good(-12.3)}, {2, good(std::uint64_t{0x12345678})}};
  EXPECT_EQ(refresh(Table::Holding, 10, 5), 0);
  EXPECT_THAT(registers(Table::Holding, 10, 5), ElementsAre(0x3F80, 0, 0xFF85, 0x5678, 0x1234));
}

TEST_F(ModbusServerTable, RefusesWhatIsNoWholePoint) {
  make({point(3, Table::Input, 10, Type::Uint16), point(0, Table::Holding, 10, Type::Float32),
        point(1, Table::Holding, 12, Type::Uint16), point(2, Table::Holding, 14, Type::Uint16)});
  for (PointIndex i = 0; i < 4; ++i) shown[i] = good(std::uint64_t{1});
  EXPECT_EQ(refresh(Table::Holding, 10, 3), 0);
  EXPECT_EQ(refresh(Table::Holding, 10, 1), kIllegalAddress) << "half a value";
  EXPECT_EQ(refresh(Table::Holding, 11, 2), kIllegalAddress) << "half a value";
  EXPECT_EQ(refresh(Table::Holding, 12, 3), kIllegalAddress) << "a gap";
  EXPECT_EQ(refresh(Table::Holding, 14, 2), kIllegalAddress) << "beyond the last";
  EXPECT_EQ(refresh(Table::Holding, 9, 1), kIllegalAddress) << "before the first";
  EXPECT_EQ(refresh(Table::Coil, 10, 1), kIllegalAddress) << "another table";
  EXPECT_EQ(refresh(Table::Input, 10, 1), 0);
}

TEST_F(ModbusServerTable, SaysWhyThereIsNoValueAndNeverMakesOneUp) {
  make({point(0, Table::Holding, 0, Type::Uint16)});
  EXPECT_EQ(refresh(Table::Holding, 0, 1), kTargetFailed) << "not read yet";
  for (const auto failure :
       {Failure::Timeout, Failure::BadReply, Failure::UnitOffline, Failure::PortLost, Failure::Stale}) {
    shown[0] = bad(failure);
    EXPECT_EQ(refresh(Table::Holding, 0, 1), kTargetFailed) << name(failure);
  }
  for (const auto failure : {Failure::Invalid, Failure::DeviceBusy, Failure::PointRejected}) {
    shown[0] = bad(failure);
    EXPECT_EQ(refresh(Table::Holding, 0, 1), kDeviceFailure) << name(failure);
  }
  shown[0] = good(65536.0);
  EXPECT_EQ(refresh(Table::Holding, 0, 1), kDeviceFailure) << "does not fit, and is not cut";
  shown[0] = good(std::string("text"));
  EXPECT_EQ(refresh(Table::Holding, 0, 1), kDeviceFailure);
  shown[0] = {std::int64_t{7}, Quality::Uncertain, Failure::Clamped};
  EXPECT_EQ(refresh(Table::Holding, 0, 1), 0);
}

TEST_F(ModbusServerTable, ShowsTheSentinelWhereOneIsConfigured) {
  auto first = point(0, Table::Holding, 0, Type::Int32);
  first.sentinel = 0x80000000;
  auto second = point(1, Table::Holding, 2, Type::Uint16);
  second.sentinel = 0xFFFF;
  make({first, second});
  shown = {{0, bad(Failure::Timeout)}, {1, good(70000.0)}};
  EXPECT_EQ(refresh(Table::Holding, 0, 3), 0);
  EXPECT_THAT(registers(Table::Holding, 0, 3), ElementsAre(0x8000, 0, 0xFFFF));
  EXPECT_EQ(writes(Table::Holding, 2, {0xFFFF}).error(), kIllegalAddress) << "it is not writable";
}

TEST_F(ModbusServerTable, PacksBitsOfSeveralPointsIntoOneRegister) {
  auto low = point(0, Table::Input, 5, Type::Bool);
  low.encoding.bit_count = 1;
  auto high = point(1, Table::Input, 5, Type::Bool);
  high.encoding.bit = 15;
  high.encoding.bit_count = 1;
  make({low, high});
  shown = {{0, good(true)}, {1, good(true)}};
  EXPECT_EQ(refresh(Table::Input, 5, 1), 0);
  EXPECT_THAT(registers(Table::Input, 5, 1), ElementsAre(0x8001));
  shown[0] = good(false);
  EXPECT_EQ(refresh(Table::Input, 5, 1), 0);
  EXPECT_THAT(registers(Table::Input, 5, 1), ElementsAre(0x8000));
}

TEST_F(ModbusServerTable, TakesAWriteApartIntoThePointsItIsAbout) {
  auto scaled = point(1, Table::Holding, 2, Type::Int16, true);
  scaled.encoding.scale = 0.5;
  make({point(0, Table::Holding, 0, Type::Float32, true), scaled, point(2, Table::Holding, 3, Type::Uint16)});
  const auto both = writes(Table::Holding, 0, {0x3F80, 0, 0xFFFF});
  ASSERT_TRUE(both);
  ASSERT_EQ(both->size(), 2U);
  EXPECT_EQ((*both)[0].value, Value(1.0));
  EXPECT_EQ((*both)[1].value, Value(-0.5));
  EXPECT_EQ(writes(Table::Holding, 2, {1, 1}).error(), kIllegalAddress) << "the second is not writable";
  EXPECT_EQ(writes(Table::Holding, 0, {1}).error(), kIllegalAddress) << "half a value";
  EXPECT_EQ(writes(Table::Holding, 0, {0x7FC0, 0}).error(), kIllegalValue) << "not a number";
}

TEST(ModbusServerPlaces, CollideWhenABitIsOfBoth) {
  const Encoding word{.address = 4, .type = Type::Uint16};
  const Encoding wide{.address = 3, .type = Type::Uint32};
  Encoding low{.address = 4, .type = Type::Uint8};
  Encoding high = low;
  high.high_byte = true;
  EXPECT_TRUE(collide(word, wide));
  EXPECT_TRUE(collide(word, low));
  EXPECT_FALSE(collide(low, high));
  EXPECT_FALSE(collide(word, {.address = 5, .type = Type::Uint16}));
  low.address = 3;
  EXPECT_TRUE(collide(low, wide)) << "a byte in a value of two registers";
}

}  // namespace
}  // namespace ferrule::drivers::modbus_server

// Values as the requests that write them: the bytes of Modbus AP v1.1b3.
#include "drivers/modbus/write.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scripted_peer.hpp"

namespace ferrule::drivers::modbus {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Encoding at(std::uint16_t address, Type type = Type::Uint16, Table table = Table::Holding) {
  Encoding encoding;
  encoding.table = table;
  encoding.address = address;
  encoding.type = type;
  return encoding;
}

Encoding field(std::uint16_t address, Type type, std::uint8_t bit, std::uint8_t count) {
  auto encoding = at(address, type);
  encoding.bit = bit;
  encoding.bit_count = count;
  return encoding;
}

// The request in hex, or why there is none.
std::string pdu(const Value& value, const Encoding& encoding, std::uint8_t function,
                const std::vector<std::uint16_t>& registers = {}) {
  const auto result = write_pdu(value, encoding, function, registers);
  return result ? to_hex(*result) : "[" + result.error() + "]";
}

Value signed_value(std::int64_t value) { return value; }

TEST(WritePdu, SendsTheBytesOfTheSpecification) {
  EXPECT_EQ(pdu(true, at(0xAC, Type::Bool, Table::Coil), 5), "05 00 ac ff 00");
  EXPECT_EQ(pdu(false, at(0xAC, Type::Bool, Table::Coil), 5), "05 00 ac 00 00");
  EXPECT_EQ(pdu(signed_value(1), at(0x13, Type::Bool, Table::Coil), 15), "0f 00 13 00 01 01 01");
  EXPECT_EQ(pdu(signed_value(3), at(1), 6), "06 00 01 00 03");
  EXPECT_EQ(pdu(signed_value(0x000A0102), at(1, Type::Uint32), 16), "10 00 01 00 02 04 00 0a 01 02");
  EXPECT_EQ(pdu(signed_value(0xFF), at(14), 23), "17 00 0e 00 01 00 0e 00 01 02 00 ff");
}

TEST(WritePdu, MasksABitFieldIntoItsRegister) {
  EXPECT_EQ(pdu(true, field(4, Type::Bool, 2, 1), 22), "16 00 04 ff fb 00 04");
  EXPECT_EQ(pdu(false, field(4, Type::Bool, 2, 1), 22), "16 00 04 ff fb 00 00");
  EXPECT_EQ(pdu(signed_value(5), field(4, Type::Uint16, 8, 4), 22), "16 00 04 f0 ff 05 00");
  auto swapped = field(4, Type::Bool, 0, 1);
  swapped.byte_order = ByteOrder::BADC;
  EXPECT_EQ(pdu(true, swapped, 22), "16 00 04 fe ff 01 00");
  auto high = at(4, Type::Int8);
  high.high_byte = true;
  EXPECT_EQ(pdu(signed_value(-1), high, 22), "16 00 04 00 ff ff 00");
}

TEST(WritePdu, KeepsTheOtherBitsOfADeviceThatCannotMask) {
  EXPECT_TRUE(needs_registers(field(4, Type::Bool, 2, 1), 6));
  EXPECT_FALSE(needs_registers(field(4, Type::Bool, 2, 1), 22));
  EXPECT_EQ(pdu(true, field(4, Type::Bool, 2, 1), 6, {0xA000}), "06 00 04 a0 04");
  EXPECT_EQ(pdu(false, field(4, Type::Bool, 2, 1), 16, {0xA00F}), "10 00 04 00 01 02 a0 0b");
  EXPECT_EQ(pdu(signed_value(3), field(4, Type::Uint32, 15, 2), 16, {0x1234, 0x0001}), "10 00 04 00 02 04 12 35 80 01");
}

TEST(WritePdu, UndoesScaleOffsetAndScaleFactor) {
  auto tenths = at(0, Type::Int16);
  tenths.scale = 0.1;
  EXPECT_EQ(pdu(21.3, tenths, 6), "06 00 00 00 d5");
  EXPECT_EQ(pdu(-0.3, tenths, 6), "06 00 00 ff fd");
  auto moved = at(0, Type::Uint16);
  moved.scale = 2;
  moved.offset = -40;
  EXPECT_EQ(pdu(signed_value(60), moved, 6), "06 00 00 00 32");
  auto factored = at(10);
  factored.scale_factor = 12;
  EXPECT_TRUE(needs_registers(factored, 6));
  EXPECT_EQ(pdu(12.34, factored, 6, {0, 0, 0xFFFE}), "06 00 0a 04 d2");
  EXPECT_EQ(pdu(12000.0, factored, 6, {0, 0, 3}), "06 00 0a 00 0c");
}

TEST(WritePdu, KeepsA64BitIntegerExact) {
  EXPECT_EQ(pdu(std::uint64_t{9'007'199'254'740'993}, at(0, Type::Uint64), 16),
            "10 00 00 00 04 08 00 20 00 00 00 00 00 01");
}

TEST(WritePdu, RefusesWhatTheTypeCannotHold) {
  EXPECT_EQ(pdu(signed_value(65536), at(0), 6), "[the value does not fit into the point's type]");
  EXPECT_EQ(pdu(std::string("on"), at(0), 6), "[the value does not fit into the point's type]");
  EXPECT_EQ(pdu(signed_value(2), at(0, Type::Bool, Table::Coil), 5), "[a coil is true or false]");
  EXPECT_EQ(pdu(signed_value(8), field(4, Type::Uint16, 8, 3), 22), "[the value does not fit into the point's type]");
}

TEST(WriteFunctions, SuitTheValue) {
  EXPECT_THAT(write_functions(at(0, Type::Bool, Table::Coil)), ElementsAre(5, 15));
  EXPECT_THAT(write_functions(at(0)), ElementsAre(6, 16, 23));
  EXPECT_THAT(write_functions(at(0, Type::Float32)), ElementsAre(16, 23));
  EXPECT_THAT(write_functions(field(0, Type::Bool, 1, 1)), ElementsAre(22, 6, 16, 23));
  EXPECT_THAT(write_functions(at(0, Type::Uint16, Table::Input)), IsEmpty());
  EXPECT_THAT(write_functions(at(0, Type::Bool, Table::Discrete)), IsEmpty());
}

TEST(WriteEcho, IsWhatTheDeviceAnswers) {
  const auto echo = [](const char* hex) { return to_hex(write_echo(from_hex(hex))); };
  EXPECT_EQ(echo("06 00 01 00 03"), "06 00 01 00 03");
  EXPECT_EQ(echo("10 00 01 00 02 04 00 0a 01 02"), "10 00 01 00 02");
  EXPECT_EQ(echo("16 00 04 f0 ff 05 00"), "16 00 04 f0 ff 05 00");
  EXPECT_EQ(echo("17 00 0e 00 01 00 0e 00 01 02 00 ff"), "17 02 00 ff");
}

TEST(Holds, ComparesTheBitsThatAreTheValues) {
  EXPECT_TRUE(holds(std::vector<std::uint16_t>{0xA5FF}, signed_value(5), field(0, Type::Uint16, 8, 4)));
  EXPECT_FALSE(holds(std::vector<std::uint16_t>{0xA4FF}, signed_value(5), field(0, Type::Uint16, 8, 4)));
  auto tenths = at(0, Type::Int16);
  tenths.scale = 0.1;
  EXPECT_TRUE(holds(std::vector<std::uint16_t>{213}, 21.3, tenths));
  EXPECT_FALSE(holds(std::vector<std::uint16_t>{214}, 21.3, tenths));
  EXPECT_TRUE(holds(std::vector<std::uint16_t>{1}, true, at(0, Type::Bool, Table::Coil)));
}

}  // namespace
}  // namespace ferrule::drivers::modbus

// Finding units and what they say they are: parsing, scripted devices, and libmodbus's own slaves behind the simulator.
#include "drivers/modbus/scan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "drivers/modbus/identity.hpp"
#include "drivers/modbus/simulator.hpp"
#include "scripted_peer.hpp"

namespace ferrule::drivers::modbus {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(Identity, HasTheObjectsOfTheAnswer) {
  // The example of Modbus AP v1.1b3 6.21, shortened.
  const auto part = parse_identity(from_hex("2b 0e 01 01 00 00 03 00 03 41 42 43 01 02 58 07 02 04 56 32 2e 31"));
  ASSERT_TRUE(part);
  EXPECT_THAT(part->objects, ElementsAre("ABC", "X?", "V2.1"));
  EXPECT_FALSE(part->next);
  EXPECT_EQ(parse_identity(from_hex("2b 0e 01 01 ff 02 01 00 01 41"))->next, 2);
}

TEST(Identity, IsNoneWhenTheAnswerDoesNotHoldWhatItSays) {
  for (const auto* answer : {"", "2b 0e 01 01 00 00", "2b 0d 01 01 00 00 00", "2b 0e 01 01 00 00 01",
                             "2b 0e 01 01 00 00 01 00 04 41 42", "2b 0e 01 01 00 00 02 00 01 41"}) {
    EXPECT_FALSE(parse_identity(from_hex(answer))) << answer;
  }
}

TEST(Identity, OfAServerIdAreItsPrintableRuns) {
  EXPECT_EQ(parse_server_id(from_hex("11 0a b4 ff 4c 4d 42 33 2e 31 00 41")), "LMB3.1");
  for (const auto* answer : {"", "11", "11 05 41 42", "11 03 01 02 03"})
    EXPECT_EQ(parse_server_id(from_hex(answer)), "");
}

TEST(Identity, IsAskedForOverALineOfWhichNobodyKnowsHowLongTheAnswerIs) {
  StopSignal stop;
  PairPort port(stop);
  const auto client = make_rtu_client(port, stop, {200ms, 2ms, 1us});
  ASSERT_TRUE(client->opened());
  ScriptedPeer peer(port.peer);
  peer.expect(to_hex(with_crc("01 2b 0e 01 00"))).reply(with_crc("01 2b 0e 01 01 ff 01 01 00 03 41 42 43"));
  peer.expect(to_hex(with_crc("01 2b 0e 01 01"))).reply(with_crc("01 2b 0e 01 01 00 00 01 01 02 58 31"));
  peer.expect(to_hex(with_crc("02 2b 0e 01 00"))).reply(with_crc("02 ab 01"));
  peer.expect(to_hex(with_crc("02 11"))).reply(with_crc("02 11 06 b4 ff 4c 4d 42 33"));
  peer.expect(to_hex(with_crc("03 2b 0e 01 00"))).reply("03 2b 0e 01 01 00 00 00 12 34");  // a wrong CRC
  peer.expect(to_hex(with_crc("03 11"))).reply(with_crc("04 11 06 b4 ff 4c 4d 42 33"));    // another's answer
  peer.start();
  EXPECT_EQ(identify(*client, 1), "ABC X1");
  EXPECT_EQ(identify(*client, 2), "LMB3");
  EXPECT_EQ(identify(*client, 3), "");
  EXPECT_EQ(peer.finish(), "");
}

SimulatedSlave slave(std::uint8_t unit) { return {unit, {{{Table::Holding, 0, Type::Uint16}, {}}}, {}}; }

/// What a scan finds, as `UNIT LINE IDENTITY`.
std::vector<std::string> found(const BusSettings& bus, const ScanOptions& options) {
  const StopSignal stop;
  std::vector<std::string> units;
  const auto trouble =
      scan(bus, options, stop, {{}, [&](const FoundUnit& unit) {
                                  units.push_back(std::to_string(unit.unit) + " " + unit.line + " " + unit.identity);
                                }});
  EXPECT_EQ(trouble, "");
  return units;
}

TEST(Scan, FindsTheUnitsBehindATcpGateway) {
  const SystemClock clock;
  Simulator simulator(1, clock);
  auto other = slave(7);
  other.points[0].encoding.table = Table::Input;  // refuses what is asked: it is there
  BusSettings bus;
  bus.host = "127.0.0.1";
  bus.port = *simulator.add_tcp(0, {slave(3), other});
  simulator.start();
  EXPECT_THAT(found(bus, {.last_unit = 9, .timeout = 5s, .pause = 0ms}),
              ElementsAre(HasSubstr("3  LMB"), HasSubstr("7  LMB")));
}

TEST(Scan, FindsTheUnitsOfALineAndThenTriesNoOtherSettings) {
  const SystemClock clock;
  Simulator simulator(1, clock);
  BusSettings bus;
  bus.type = BusType::ModbusRtu;
  bus.line.baud = 115200;
  bus.path = *simulator.add_rtu(bus.line, {slave(2)});
  simulator.start();
  EXPECT_THAT(found(bus, {.first_unit = 2, .last_unit = 3, .timeout = 300ms, .pause = 0ms}),
              ElementsAre(HasSubstr("2 115200 8E1 LMB")));
}

TEST(Scan, TriesTheUsualSettingsAfterTheConfiguredOnes) {
  BusSettings bus;
  bus.type = BusType::ModbusRtu;
  bus.line.baud = 19200;
  const auto lines = scanned_lines(bus, {});
  EXPECT_EQ(text(lines[0]), "19200 8E1");
  EXPECT_EQ(text(lines[1]), "9600 8E1");
  EXPECT_EQ(lines.size(), 21u);
  EXPECT_EQ(scanned_lines(bus, {.bauds = {4800}}).size(), 3u);
  bus.type = BusType::ModbusTcp;
  EXPECT_EQ(scanned_lines(bus, {}).size(), 1u);
}

TEST(Scan, SaysWhyItCannot) {
  const StopSignal stop;
  BusSettings bus;
  bus.host = "127.0.0.1";
  bus.port = 1;
  EXPECT_THAT(scan(bus, {}, stop, {}), HasSubstr("Connection refused"));
}

}  // namespace
}  // namespace ferrule::drivers::modbus

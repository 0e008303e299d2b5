#include "drivers/modbus_server/request.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "drivers/modbus/request_framing.hpp"

namespace ferrule::drivers::modbus_server {
namespace {

using Bytes = std::vector<std::uint8_t>;
using testing::ElementsAre;

struct Refused {
  const char* what;
  Bytes pdu;
  std::uint8_t exception;
};

TEST(ModbusServerRequest, RefusesWhatTheSpecificationDoesNotAllow) {
  const Refused cases[] = {
      {"a function that nobody has", {0x41}, kIllegalFunction},
      {"a read-write, which is two requests in one", {23, 0, 0, 0, 1, 0, 0, 0, 1, 2, 0, 1}, kIllegalFunction},
      {"a read without its count", {3, 0, 0}, kIllegalValue},
      {"a read with bytes behind it", {3, 0, 0, 0, 1, 0}, kIllegalValue},
      {"no registers", {3, 0, 0, 0, 0}, kIllegalValue},
      {"126 registers", {4, 0, 0, 0, 126}, kIllegalValue},
      {"2001 bits", {1, 0, 0, 0x07, 0xD1}, kIllegalValue},
      {"registers beyond the last", {3, 0xFF, 0xFF, 0, 2}, kIllegalAddress},
      {"a coil that is neither on nor off", {5, 0, 0, 0x01, 0x00}, kIllegalValue},
      {"fewer bytes than registers", {16, 0, 0, 0, 2, 4, 0, 1, 0}, kIllegalValue},
      {"a byte count of something else", {16, 0, 0, 0, 2, 3, 0, 1, 0, 2}, kIllegalValue},
      {"124 registers to write", {16, 0, 0, 0, 124, 248}, kIllegalValue},
      {"coils beyond the last", {15, 0xFF, 0xFF, 0, 2, 1, 3}, kIllegalAddress},
      {"something else in the tunnel", {43, 13, 0, 0}, kIllegalValue}};
  for (const auto& [what, pdu, exception] : cases) {
    const auto request = parse_request(pdu);
    ASSERT_FALSE(request) << what;
    EXPECT_EQ(request.error(), exception) << what;
  }
}

TEST(ModbusServerRequest, KnowsWhatIsReadAndWritten) {
  const auto read = parse_request(Bytes{4, 0x01, 0x02, 0, 125});
  ASSERT_TRUE(read);
  EXPECT_EQ(read->table, Table::Input);
  EXPECT_EQ(read->address, 0x0102);
  EXPECT_EQ(read->count, 125);
  EXPECT_FALSE(read->writes);
  const auto coils = parse_request(Bytes{15, 0, 7, 0, 10, 2, 0x05, 0x02});
  ASSERT_TRUE(coils);
  EXPECT_TRUE(coils->writes);
  EXPECT_THAT(coils->values, ElementsAre(1, 0, 1, 0, 0, 0, 0, 0, 0, 1));
  EXPECT_THAT(parse_request(Bytes{5, 0, 0, 0xFF, 0})->values, ElementsAre(1));
  EXPECT_THAT(parse_request(Bytes{16, 0, 0, 0, 2, 4, 0x12, 0x34, 0, 1})->values, ElementsAre(0x1234, 1));
  EXPECT_TRUE(parse_request(Bytes{3, 0xFF, 0xFF, 0, 1})) << "the last register is one";
}

TEST(ModbusServerRequest, AnswersInTheFramingOfTheRequest) {
  const Bytes tcp{0x12, 0x34, 0, 0, 0, 6, 17, 3, 0, 0, 0, 1};
  EXPECT_THAT(exception_frame(modbus::Framing::Tcp, tcp, 2), ElementsAre(0x12, 0x34, 0, 0, 0, 3, 17, 0x83, 2));
  // Modbus over serial line V1.02 6.2: the CRC goes out low byte first.
  const Bytes rtu{0x01, 0x03, 0x00, 0x00, 0x00, 0x01, 0x84, 0x0A};
  const auto frame = parse_frame(modbus::Framing::Rtu, rtu);
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->unit, 1);
  EXPECT_EQ(frame->pdu.size(), 5U);
  EXPECT_THAT(exception_frame(modbus::Framing::Rtu, rtu, 2), ElementsAre(0x01, 0x83, 0x02, 0xC0, 0xF1));
}

TEST(ModbusServerRequest, TakesNoDamagedFrameFromALine) {
  Bytes frame{0x01, 0x06, 0x00, 0x00, 0x00, 0x01, 0x48, 0x0A};
  ASSERT_TRUE(parse_frame(modbus::Framing::Rtu, frame));
  for (std::size_t bit = 0; bit < frame.size() * 8; ++bit) {
    auto damaged = frame;
    damaged[bit / 8] = static_cast<std::uint8_t>(damaged[bit / 8] ^ 1U << bit % 8);
    EXPECT_FALSE(parse_frame(modbus::Framing::Rtu, damaged)) << bit;
  }
}

}  // namespace
}  // namespace ferrule::drivers::modbus_server

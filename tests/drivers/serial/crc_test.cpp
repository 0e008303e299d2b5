#include "drivers/serial/crc.hpp"

#include <gtest/gtest.h>

#include <string>

namespace ferrule::drivers::serial {
namespace {

TEST(SerialCrc, GivesTheCheckValueOfTheCatalogueForEveryAlgorithm) {
  for (const auto& model : crc_models()) {
    EXPECT_EQ(Crc(model)("123456789"), model.check) << model.name;
  }
  EXPECT_GE(crc_models().size(), 29U);
}

TEST(SerialCrc, OfAMessageAndItsReflectedCrcIsTheResidue) {
  // A Modbus request with its CRC behind, low byte first: the rest is 0.
  const std::string frame("\x01\x03\x00\x00\x00\x0A\xC5\xCD", 8);
  const auto* modbus = crc_model("CRC-16/MODBUS");
  EXPECT_EQ(Crc(*modbus)(frame), 0U);
  EXPECT_EQ(Crc(*modbus)(frame.substr(0, 6)), 0xCDC5U);
}

TEST(SerialCrc, OfNothingIsWhatTheModelSays) {
  for (const auto& model : crc_models()) {
    if (model.init == 0 && model.xor_out == 0) {
      EXPECT_EQ(Crc(model)(""), 0U) << model.name;
    }
  }
}

TEST(SerialCrc, HasSumsAndXorBesideIt) {
  // From the NMEA 0183 standard's own example of a sentence.
  EXPECT_EQ(xor_of("GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,"), 0x47);
  EXPECT_EQ(sum_of("\xFF\x01"), 0x100U);
}

}  // namespace
}  // namespace ferrule::drivers::serial

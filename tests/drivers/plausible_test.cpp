#include "drivers/modbus/plausible.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ferrule::drivers::modbus {
namespace {

using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::Not;

std::vector<std::string> texts(const std::vector<std::uint16_t>& registers, Table table = Table::Holding) {
  std::vector<std::string> result;
  for (const auto& [yaml, value] : guesses(registers, table, 100)) result.push_back(yaml + " " + value);
  return result;
}

TEST(Guesses, AreBothIntegersOfOneRegisterWhereTheyDiffer) {
  EXPECT_THAT(texts({7}), ElementsAre("{register: holding, address: 100, type: uint16} 7"));
  EXPECT_THAT(texts({0xFFFE}, Table::Input), ElementsAre("{register: input, address: 100, type: uint16} 65534",
                                                         "{register: input, address: 100, type: int16} -2"));
}

TEST(Guesses, FindAFloatInItsByteOrder) {
  EXPECT_THAT(texts({0x4366, 0x199A}),
              Contains("{register: holding, address: 100, type: float32, byte_order: ABCD} 230.1"));
  EXPECT_THAT(texts({0x199A, 0x4366}),
              Contains("{register: holding, address: 100, type: float32, byte_order: CDAB} 230.1"));
  EXPECT_THAT(texts({0x9A19, 0x6643}),
              Contains("{register: holding, address: 100, type: float32, byte_order: DCBA} 230.1"));
}

TEST(Guesses, FindACounterOfTwoRegistersThoughItHasNotCountedMuch) {
  EXPECT_THAT(texts({0x0040, 0x1640}),
              Contains("{register: holding, address: 100, type: uint32, byte_order: ABCD} 4200000"));
  EXPECT_THAT(texts({0, 7}), ElementsAre("{register: holding, address: 100, type: uint16} 0",
                                         "{register: holding, address: 100, type: uint32, byte_order: ABCD} 7",
                                         "{register: holding, address: 100, type: uint32, byte_order: CDAB} 458752",
                                         "{register: holding, address: 100, type: uint32, byte_order: DCBA} 117440512",
                                         "{register: holding, address: 101, type: uint16} 7"));
  EXPECT_THAT(texts({0xFFFB, 0xFFFF}), Contains("{register: holding, address: 100, type: int32, byte_order: CDAB} -5"));
  EXPECT_THAT(texts({0, 0, 0, 1200}),
              Contains("{register: holding, address: 100, type: uint64, byte_order: ABCD} 1200"));
  EXPECT_THAT(texts({0, 0, 0, 0}), Each(testing::HasSubstr("type: uint16}"))) << "nothing can be seen in nothing";
}

TEST(Guesses, ShowATextOnceAndInWhole) {
  const auto found = texts({1, 0x4645, 0x5252, 0x554C, 0x4500});
  EXPECT_THAT(found, Contains("{register: holding, address: 101, type: string, length: 7} FERRULE"));
  EXPECT_THAT(found, Not(Contains(testing::HasSubstr("address: 102, type: string"))));
}

TEST(Guesses, GiveNeitherInfinitiesNorHugeNumbers) {
  for (const auto& text : texts({0x7F80, 0x0000, 0x7FC0, 0x0001})) {
    EXPECT_THAT(text, Not(testing::HasSubstr("inf"))) << text;
    EXPECT_THAT(text, Not(testing::HasSubstr("nan"))) << text;
    EXPECT_THAT(text, Not(testing::HasSubstr("e+"))) << text;
  }
}

}  // namespace
}  // namespace ferrule::drivers::modbus

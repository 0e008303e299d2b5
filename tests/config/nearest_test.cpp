#include <gtest/gtest.h>

#include <array>

#include "config/node.hpp"

namespace ferrule::config {
namespace {

constexpr std::array<std::string_view, 10> kWords = {"unit_id", "timeout",  "retries", "baud", "parity",
                                                     "host",    "interval", "qos",     "port", "byte_order"};

TEST(Nearest, FindsTypingMistakes) {
  EXPECT_EQ(nearest("unit_idd", kWords), "unit_id");
  EXPECT_EQ(nearest("timout", kWords), "timeout");
  EXPECT_EQ(nearest("tiemout", kWords), "timeout");
  EXPECT_EQ(nearest("prot", kWords), "port");
  EXPECT_EQ(nearest("retrys", kWords), "retries");
  EXPECT_EQ(nearest("qso", kWords), "qos");
}

TEST(Nearest, TakesNoNoticeOfCaseAndSeparators) {
  EXPECT_EQ(nearest("Unit-ID", kWords), "unit_id");
  EXPECT_EQ(nearest("BYTE ORDER", kWords), "byte_order");
  EXPECT_EQ(nearest("byteorder", kWords), "byte_order");
}

TEST(Nearest, TakesACommonBeginning) { EXPECT_EQ(nearest("baudrate", kWords), "baud"); }

TEST(Nearest, IsSilentWhenNothingIsNear) {
  EXPECT_EQ(nearest("colour", kWords), "");
  EXPECT_EQ(nearest("x", kWords), "");
  EXPECT_EQ(nearest("", kWords), "");
  EXPECT_EQ(nearest("unit_id", {}), "");
  EXPECT_EQ(nearest(std::string(100'000, 'x'), kWords), "");
}

}  // namespace
}  // namespace ferrule::config

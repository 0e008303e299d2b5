#include "config/format.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "config/error.hpp"
#include "config/node.hpp"

namespace ferrule::config {
namespace {

std::string form(const std::string& text) { return formatted(text, "plant.yaml"); }

TEST(Format, PutsKnownKeysInOrderWithTheCommentsAboveThem) {
  EXPECT_EQ(form("# The plant in the north.\n"
                 "\n"
                 "devices:\n"
                 "    # Two of them.\n"
                 "    meter:\n"
                 "        points: {a: {register: input, address: 1}}   # just one\n"
                 "        bus: line1\n"
                 "    # The end of devices.\n"
                 "# Wires.\n"
                 "buses:\n"
                 "    line1:\n"
                 "        # Where.\n"
                 "        port: /dev/ttyUSB0\n"
                 "        type: modbus-rtu   \n"
                 "\n"
                 "\n"
                 "\n"
                 "version: 1\n"
                 "# No more.\n"),
            "# The plant in the north.\n"
            "\n"
            "version: 1\n"
            "# Wires.\n"
            "buses:\n"
            "  line1:\n"
            "    type: modbus-rtu\n"
            "    # Where.\n"
            "    port: /dev/ttyUSB0\n"
            "devices:\n"
            "  # Two of them.\n"
            "  meter:\n"
            "    bus: line1\n"
            "    points: {a: {register: input, address: 1}}   # just one\n"
            "  # The end of devices.\n"
            "# No more.\n");
}

TEST(Format, KeepsNamesInTheirOrderAndTextsOfSeveralLines) {
  const std::string text =
      "buses:\n"
      "  z: {type: system}\n"
      "  a:\n"
      "    type: modbus-rtu\n"
      "    port: >-\n"
      "      /dev/\n"
      "      # no comment\n"
      "    line: {baud: 9600,\n"
      "           parity: even}\n";
  EXPECT_EQ(form(text), text);
}

TEST(Format, IndentsListsAndTheMapsInThem) {
  EXPECT_EQ(form("uplinks:\n"
                 "  hq:\n"
                 "    out:\n"
                 "    # All.\n"
                 "    - to: \"sites/{topic}\"\n"
                 "      from: '#'\n"
                 "    -   {from: x}\n"
                 "    url: 'mqtt://a'\n"),
            "uplinks:\n"
            "  hq:\n"
            "    url: \"mqtt://a\"\n"
            "    out:\n"
            "      # All.\n"
            "      - from: \"#\"\n"
            "        to: \"sites/{topic}\"\n"
            "      - {from: x}\n");
}

TEST(Format, KeepsSingleQuotesThatMeanSomethingElse) {
  const std::string text = "devices: {a: {match: '\\d+', only: 'it''s', template: 'say \"x\"'}}\n";
  EXPECT_EQ(form(text), text);
}

TEST(Format, LeavesKeysWhereAnAnchorMustStandBeforeItsAliases) {
  const std::string text =
      "devices:\n"
      "  a: &a {bus: x}\n"
      "buses:\n"
      "  b: *a\n";
  EXPECT_EQ(form(text), text);
}

TEST(Format, TouchesNothingInWhatIsNoConfiguration) {
  EXPECT_EQ(form("zebra:  1\nant:\n   bee: 2\n"), "zebra:  1\nant:\n  bee: 2\n");
}

TEST(Format, RefusesWhatHasMistakes) {
  EXPECT_THROW(form("a: [1\n"), Error);
  EXPECT_THROW(form("a: 1\na: 2\n"), Error);
}

TEST(Format, SaysTheSameOfEveryExampleAndIsDoneAtOnce) {
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(FERRULE_SOURCE_DIR "/config/examples")) {
    if (entry.path().extension() != ".yaml") continue;
    std::ifstream file(entry.path());
    std::stringstream text;
    text << file.rdbuf();
    const auto once = formatted(text.str(), entry.path().string());
    EXPECT_EQ(formatted(once, entry.path().string()), once) << entry.path();
    ++files;
  }
  EXPECT_GT(files, 5U);
}

}  // namespace
}  // namespace ferrule::config

#include "gateway/init.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/settings.hpp"

namespace ferrule::gateway {
namespace {

Settings settings_of(const InitOptions& options) { return parse_settings(first_configuration(options), "plant.yaml"); }

TEST(Init, WritesAConfigurationThatRunsThoughNothingIsKnown) {
  const auto settings = settings_of({.file = "plant.yaml", .id = "", .tcp = {}, .rtu = {}, .cloud = ""});
  ASSERT_EQ(settings.buses.size(), 1U);
  EXPECT_EQ(settings.buses.front().type, drivers::BusType::System);
  EXPECT_FALSE(settings.id.empty());
  EXPECT_TRUE(settings.warnings.empty());
}

TEST(Init, HasABusForEachPortAndHost) {
  const auto settings = settings_of({.file = "plant.yaml",
                                     .id = "hall 1",
                                     .tcp = {"10.0.0.5", "plc.example:1502", "fd00::5"},
                                     .rtu = {"/dev/serial/by-id/usb-\"odd\" name"},
                                     .cloud = "mqtts://broker.example:8883"});
  EXPECT_EQ(settings.id, "hall 1");
  ASSERT_EQ(settings.buses.size(), 5U);
  EXPECT_EQ(settings.buses[1].path, "/dev/serial/by-id/usb-\"odd\" name");
  EXPECT_EQ(settings.buses[2].host, "10.0.0.5");
  EXPECT_EQ(settings.buses[2].port, 502);
  EXPECT_EQ(settings.buses[3].host, "plc.example");
  EXPECT_EQ(settings.buses[3].port, 1502);
  EXPECT_EQ(settings.buses[4].host, "fd00::5");
  ASSERT_EQ(settings.uplinks.size(), 1U);
  EXPECT_TRUE(settings.uplinks.front().out.front().from.matches("hall 1/meter1/value"));
}

TEST(Init, WritesNoLineThatAGatewaysNameBrings) {
  const auto text = first_configuration(
      {.file = "plant.yaml", .id = "a\n    url: evil", .tcp = {}, .rtu = {}, .cloud = "mqtts://broker.example"});
  EXPECT_EQ(text.find("\n    url: evil"), std::string::npos);
}

TEST(Init, RefusesWhatMakesNoSense) {
  const InitOptions good{.file = "plant.yaml", .id = "a", .tcp = {}, .rtu = {}, .cloud = ""};
  auto options = good;
  options.tcp = {"10.0.0.5:port"};
  EXPECT_THROW(settings_of(options), config::Error);
  options = good;
  options.cloud = "broker.example";
  EXPECT_THROW(settings_of(options), config::Error);
  options = good;
  options.id = "a/b";
  EXPECT_THROW(settings_of(options), config::Error);
  options = good;
  options.id = "a\nversion: 2";
  EXPECT_THROW(settings_of(options), config::Error);
  options = good;
  options.rtu = {"/dev/ttyUSB0", "/dev/ttyUSB0"};
  EXPECT_THROW(settings_of(options), config::Error);
}

}  // namespace
}  // namespace ferrule::gateway

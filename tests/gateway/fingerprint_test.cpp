#include "gateway/fingerprint.hpp"

#include <gtest/gtest.h>

#include <array>

#include "gateway/settings.hpp"

namespace ferrule::gateway {
namespace {

std::string of(const std::string& text) {
  const auto document = config::Document::parse(text, "plant.yaml");
  return Fingerprint().add(document.root()).value();
}

TEST(FingerprintTest, IsTheSameForTheSameSaidInAnotherWay) {
  EXPECT_EQ(of("a: {b: [1, 2], c: x}\n"), of("# why\na:\n  b:\n    - 1\n    - 2\n  c: x\n"));
}

TEST(FingerprintTest, IsAnotherForAnyOtherContent) {
  EXPECT_NE(of("a: {b: 1}\n"), of("a: {b: 2}\n"));
  EXPECT_NE(of("a: {b: 1}\n"), of("a: {c: 1}\n"));
  EXPECT_NE(of("a: [b, c]\n"), of("a: [bc]\n"));
  EXPECT_NE(of("a: {b: {}, c: 1}\n"), of("a: {b: {c: 1}}\n"));
}

TEST(FingerprintTest, LeavesOutKeysThatDoNotCount) {
  constexpr std::array<std::string_view, 1> without{"users"};
  const auto spelled = [&](const std::string& text) {
    const auto document = config::Document::parse(text, "plant.yaml");
    return Fingerprint().add(document.root(), without).value();
  };
  EXPECT_EQ(spelled("users: {a: 1}\nport: 1\n"), spelled("users: {b: 2}\nport: 1\n"));
  EXPECT_NE(spelled("port: 2\n"), spelled("port: 1\n"));
}

std::string plant(const std::string& template_scale, const std::string& plc_address, const std::string& qos) {
  return "version: 1\n"
         "publish: {qos: " +
         qos +
         "}\n"
         "buses: {a: {type: modbus-tcp, host: a}, b: {type: modbus-tcp, host: b}}\n"
         "templates: {meter: {points: {p: {register: input, address: 0, scale: " +
         template_scale +
         "}}}}\n"
         "devices: {meter: {bus: a, template: meter},\n"
         "          plc: {bus: b, points: {p: {register: input, address: " +
         plc_address + "}}}}\n";
}

TEST(FingerprintTest, OfABusCoversDevicesTemplatesAndRulesThatItHas) {
  const auto of_buses = [](const std::string& text) { return parse_settings(text, "plant.yaml").fingerprints.buses; };
  const auto before = of_buses(plant("1", "5", "1"));
  const auto scaled = of_buses(plant("2", "5", "1"));
  EXPECT_NE(scaled[0], before[0]);
  EXPECT_EQ(scaled[1], before[1]);
  const auto moved = of_buses(plant("1", "6", "1"));
  EXPECT_EQ(moved[0], before[0]);
  EXPECT_NE(moved[1], before[1]);
  const auto published = of_buses(plant("1", "5", "0"));
  EXPECT_NE(published[0], before[0]);
  EXPECT_NE(published[1], before[1]);
}

}  // namespace
}  // namespace ferrule::gateway

#include "gateway/status.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace ferrule::gateway {
namespace {

using nlohmann::json;

drivers::DeviceStatus device(std::string name, bool online, drivers::Failure failure = drivers::Failure::None) {
  drivers::DeviceStatus status;
  status.name = std::move(name);
  status.online = online;
  status.failure = failure;
  return status;
}

drivers::BusStatus bus(bool connected, std::string trouble, std::vector<drivers::DeviceStatus> devices) {
  drivers::BusStatus status;
  status.name = "line1";
  status.connected = connected;
  status.trouble = std::move(trouble);
  status.devices = std::move(devices);
  return status;
}

TEST(Problems, AreNoneWhileAllIsWell) {
  EXPECT_TRUE(conditions({bus(true, "", {device("meter1", true)})}, {}).empty());
}

TEST(Problems, AreNoneBeforeTheFirstPoll) {
  EXPECT_TRUE(conditions({bus(false, "", {device("meter1", false)})}, {}).empty());
}

TEST(Problems, NameADeviceAndWhatItFailsBy) {
  const auto found =
      problems(conditions({bus(true, "", {device("a", true), device("b", false, drivers::Failure::Timeout)})}, {}));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0], "device b: timeout");
}

TEST(Problems, CountABusThatCannotBeOpenedOnce) {
  const auto found = problems(
      conditions({bus(false, "no such file",
                      {device("a", false, drivers::Failure::PortLost), device("b", false, drivers::Failure::PortLost)})},
                 {}));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0], "bus line1: no such file");
}

TEST(Problems, SayHowMuchWaitsForAnUplink) {
  bridge::UplinkStatus uplink;
  uplink.name = "hq";
  uplink.last_error = "connection refused";
  uplink.queued = 312;
  EXPECT_EQ(problems(conditions({}, {uplink})),
            std::vector<std::string>{"uplink hq: connection refused, 312 messages wait"});
}

TEST(StatusText, ShowsProblemsDevicesAndUplinks) {
  const auto text = status_text(json::parse(R"({
    "version": "0.1", "id": "plant1", "uptime": 3725.5, "summary": "1/2 devices ok",
    "problems": ["device b: timeout"],
    "buses": [{"name": "line1", "trouble": "", "devices": [
      {"name": "a", "state": "ok", "failure": null, "polls": 10, "failures": 0, "overruns": 0},
      {"name": "b", "state": "failing", "failure": "timeout", "polls": 9, "failures": 9, "overruns": 1}]}],
    "broker": {"listening": ["127.0.0.1:1883"], "clients": 2, "received": 5, "sent": 6, "dropped": 0},
    "uplinks": [{"name": "hq", "state": "online", "queued": 0, "acknowledged": 12, "dropped": 0, "parked": 0,
                 "last_error": ""}]})"));
  EXPECT_EQ(text, R"(ferrule 0.1 runs plant1 for 1 h 2 min
1 problem:
  device b: timeout

bus            device           state                             polls   failures  overruns
line1
               a                ok                                   10          0         0
               b                failing: timeout                      9          9         1

uplink         state           queue    delivered  dropped   parked  last error
hq             online              0           12        0        0

broker on 127.0.0.1:1883: 2 clients, 5 messages in, 6 out, 0 dropped
)");
}

/// A bus with so many devices, of which the first ones fail.
json bus_of(const std::string& name, int devices, int failing) {
  json all = json::array();
  for (int i = 0; i < devices; ++i) {
    const bool bad = i < failing;
    all.push_back({{"name", name + "d" + std::to_string(i)},
                   {"state", bad ? "failing" : "ok"},
                   {"failure", bad ? json("timeout") : json()},
                   {"polls", 9},
                   {"failures", 0},
                   {"overruns", 0}});
  }
  return {{"name", name}, {"trouble", ""}, {"utilisation", 0.12}, {"devices", all}};
}

std::ptrdiff_t lines_of(const std::string& text) { return std::ranges::count(text, '\n'); }

TEST(StatusText, CountsGoodDevicesAndListsBadOnesWhereThereAreMany) {
  const json status = {{"problems", {"device b1d0: timeout", "device b1d1: timeout"}},
                       {"buses", {bus_of("b0", 100, 0), bus_of("b1", 100, 2)}}};
  const auto text = status_text(status);
  EXPECT_NE(text.find(R"(bus            device           state                             polls   failures  overruns
b0             100 of 100 ok    12 % busy
b1             98 of 100 ok     12 % busy
               b1d0             failing: timeout                      9          0         0
               b1d1             failing: timeout                      9          0         0
)"),
            std::string::npos)
      << text;
  EXPECT_EQ(lines_of(status_text(status, true)), lines_of(text) + 198);
}

TEST(StatusText, HasRoomOnOneScreenHoweverMuchIsWrong) {
  json status = {{"problems", json::array()}, {"buses", json::array()}};
  for (int i = 0; i < 40; ++i) {
    status["buses"].push_back(bus_of("b" + std::to_string(i), 5, i < 20 ? 0 : 5));
    for (int device = 0; device < 5 && i >= 20; ++device) status["problems"].push_back("device: timeout");
  }
  const auto text = status_text(status);
  EXPECT_LE(lines_of(text), 34);
  EXPECT_NE(text.find("  and 94 more: ferrule status --all\n"), std::string::npos) << text;
  EXPECT_NE(text.find("15 more buses with 75 devices: all ok\n"), std::string::npos) << text;
  EXPECT_NE(text.find(" more that are not ok: ferrule status --all\n"), std::string::npos) << text;
  const auto whole = status_text(status, true);
  EXPECT_NE(whole.find("b39d4"), std::string::npos);
  EXPECT_EQ(whole.find(" more"), std::string::npos);
}

TEST(StatusText, LetsNoTerminalCommandsThrough) {
  const auto text = status_text(json::parse(R"({"problems": ["uplink hq: \u001b[2J"], "id": "\u0007x"})"));
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_EQ(text.find('\x07'), std::string::npos);
}

}  // namespace
}  // namespace ferrule::gateway

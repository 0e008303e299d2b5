#include "gateway/status.hpp"

#include <gtest/gtest.h>

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

TEST(StatusText, LetsNoTerminalCommandsThrough) {
  const auto text = status_text(json::parse(R"({"problems": ["uplink hq: \u001b[2J"], "id": "\u0007x"})"));
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_EQ(text.find('\x07'), std::string::npos);
}

}  // namespace
}  // namespace ferrule::gateway

#include "gateway/modbus_servers.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "gateway/settings.hpp"

namespace ferrule::gateway {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string plant(const std::string& server) {
  return "version: 1\n"
         "gateway: {id: plant1}\n"
         "buses: {plc: {type: modbus-tcp, host: a}, line1: {type: modbus-rtu, port: /dev/ttyUSB0}, here: {type: "
         "system}, quick: {type: modbus-tcp, host: b, pipeline: 4}}\n"
         "devices:\n"
         "  meter1: {bus: plc, points: {voltage: {register: input, address: 0, type: float32}}}\n"
         "  pump: {bus: line1, unit_id: 7, points: {speed: {register: holding, address: 0, write: true}}}\n"
         "  drive: {bus: quick, points: {speed: {register: holding, address: 0}}}\n"
         "  box: {bus: here, points: {load: {from: load}}}\n"
         "modbus_servers:\n"
         "  scada: " +
         server + "\n";
}

/// Mistakes of one server, the line that it stands in left out.
std::vector<std::string> mistakes(const std::string& server) {
  std::vector<std::string> texts;
  try {
    parse_settings(plant(server), "plant.yaml");
  } catch (const config::Error& error) {
    for (const auto& mistake : error.mistakes()) {
      texts.push_back(fmt::format("{} {}: {}", mistake.where.column, mistake.path, mistake.message));
    }
  }
  return texts;
}

std::vector<std::string> warnings(const std::string& server) {
  std::vector<std::string> texts;
  for (const auto& warning : parse_settings(plant(server), "plant.yaml").warnings) texts.push_back(warning.message);
  return texts;
}

TEST(ModbusServersSettings, FindThePointsThatAreShown) {
  const auto settings = parse_settings(
      plant("{listen: '127.0.0.1:1502', byte_order: CDAB, address_base: 1, points: ["
            "{from: pump/speed, unit_id: 3, register: holding, address: 10, write: true, invalid: 0xFFFF}, "
            "{from: meter1/voltage, register: input, address: 1, type: int16, scale: 0.1}], "
            "shares: {line1: {max_age: 2s, write: true}}}"),
      "plant.yaml");
  ASSERT_EQ(settings.modbus_servers.size(), 1U);
  const auto& server = settings.modbus_servers.front().server;
  ASSERT_EQ(server.points.size(), 2U) << "in the order of units and registers";
  EXPECT_EQ(server.points[0].name, "meter1/voltage");
  EXPECT_EQ(server.points[0].bus, 0U);
  EXPECT_EQ(server.points[0].encoding.address, 0);
  EXPECT_EQ(server.points[0].encoding.byte_order, drivers::ByteOrder::CDAB);
  EXPECT_EQ(server.points[1].unit, 3);
  EXPECT_EQ(server.points[1].bus, 1U);
  EXPECT_EQ(server.points[1].sentinel, 0xFFFFU);
  EXPECT_TRUE(server.points[1].writable);
  ASSERT_EQ(server.shares.size(), 1U);
  EXPECT_THAT(server.shares[0].units, ElementsAre(7));
}

/// Holding register 0 of unit 1, by a connection of its own; -1: an exception.
int ask(int port) {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::array<std::uint8_t, 12> request{0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1};
  std::array<std::uint8_t, 11> answer{};
  EXPECT_EQ(::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(::send(descriptor, request.data(), request.size(), MSG_NOSIGNAL), std::ssize(request));
  const auto length =
      ::recv(descriptor, answer.data(), 9, MSG_WAITALL);  // of an exception or of what is left of a value
  const bool is_value = length == 9 && answer[7] == 3 && ::recv(descriptor, &answer[9], 2, MSG_WAITALL) == 2;
  ::close(descriptor);
  return is_value ? answer[9] << 8 | answer[10] : -1;
}

TEST(ModbusServers, ShowWhatWasReadBackBeforeTheNextPoll) {
  auto settings = parse_settings(
      plant("{listen: '127.0.0.1:1502', points: [{from: pump/speed, register: holding, address: 0, write: true}]}"),
      "plant.yaml");
  settings.modbus_servers.front().server.port = 0;
  const drivers::SystemClock clock;
  ModbusServers servers(settings.modbus_servers, settings.mappings, ModbusServers::Way{}, clock);
  servers.start();
  const auto name = servers.status().front().port;
  const int port = std::stoi(name.substr(name.rfind(':') + 1));
  EXPECT_EQ(ask(port), -1) << "it was not read yet";
  servers.show(1, 0, std::uint64_t{1450});
  EXPECT_EQ(ask(port), 1450);
  servers.show(0, 0, std::uint64_t{7});  // of a point that nobody is shown
  EXPECT_EQ(ask(port), 1450);
}

TEST(ModbusServersSettings, SayWhatIsWrongAndWhere) {
  const std::pair<const char*, const char*> cases[] = {
      {"{}", "a server without points or shares has nothing to show"},
      {"{listen: localhost, shares: {line1: {}}}", "scada.listen: is where to listen"},
      {"{allow: [10.0.0.0/40], shares: {line1: {}}}", "scada.allow[0]: is an address or a network"},
      {"{points: [{from: meter1/voltag, register: input, address: 0}]}",
       "points[0].from: device meter1 has no point \"voltag\" (did you mean \"voltage\"?)"},
      {"{points: [{from: meter, register: input, address: 0}]}", "is a device and one of its points"},
      {"{points: [{from: meter2/voltage, register: input, address: 0}]}", "there is no device \"meter2\""},
      {"{points: [{from: meter1/voltage, register: input, address: 65535, type: float32}]}", "ends beyond the last"},
      {"{points: [{from: meter1/voltage, register: holding, address: 0, write: true}]}",
       "meter1/voltage itself cannot be written"},
      {"{points: [{from: pump/speed, register: input, address: 0, write: true}]}",
       "only coils and holding registers can be written"},
      {"{points: [{from: pump/speed, register: input, address: 0, type: uint32}, "
       "{from: meter1/voltage, register: input, address: 1}]}",
       "points[1]: these registers of unit 1 are already those of pump/speed"},
      {"{points: [{from: pump/speed, register: coil, address: 0, invalid: 1}]}", "a bool has none"},
      {"{shares: {quick: {}}}", "bus quick has a pipeline"},
      {"{shares: {line1: {units: [255]}}}", "units[0]"},
      {"{shares: {here: {}}}", "there is no Modbus bus \"here\""},
      {"{unit_id: 7, points: [{from: pump/speed, register: input, address: 0}], shares: {line1: {}}}",
       "unit 7 of this server is already one with points"},
      {"{type: modbus-rtu, port: /dev/ttyUSB1, shares: {line1: {}}}", "only a server on TCP shares buses"},
      {"{type: modbus-rtu, port: /dev/ttyUSB0, points: [{from: pump/speed, register: input, address: 0}]}",
       "/dev/ttyUSB0 is also that of bus line1"},
      {"{points: [{from: pump/speed, register: input, address: 0, write_limit: 3}]}", "points[0]"}};
  for (const auto& [server, mistake] : cases) {
    EXPECT_THAT(mistakes(server), Contains(HasSubstr(mistake))) << server;
  }
}

TEST(ModbusServersSettings, ShareABusThatHasNoDevicesOfOurs) {
  const std::string bus = "buses: {line1: {type: modbus-tcp, host: a}}\n";
  const auto settings =
      parse_settings(bus + "modbus_servers: {s: {shares: {line1: {units: [3, 255]}}}}\n", "plant.yaml");
  EXPECT_THAT(settings.modbus_servers.front().server.shares.front().units, ElementsAre(3, 255));
  EXPECT_THAT(settings.warnings, IsEmpty());
  ASSERT_EQ(parse_settings(bus, "plant.yaml").warnings.size(), 1U) << "nobody asks anything over it";
}

TEST(ModbusServersSettings, WarnOfWhatAnybodyOnANetworkReaches) {
  const std::string points = "points: [{from: pump/speed, register: holding, address: 0, write: true}]}";
  EXPECT_THAT(warnings("{" + points), IsEmpty()) << "on this machine only";
  EXPECT_THAT(warnings("{listen: '0.0.0.0:1502', " + points), ElementsAre(HasSubstr("reads and writes")));
  EXPECT_THAT(warnings("{listen: '0.0.0.0:1502', shares: {line1: {}}}"), ElementsAre(HasSubstr("reads without")));
  EXPECT_THAT(warnings("{listen: '0.0.0.0:1502', allow: [192.168.1.0/24], " + points), IsEmpty());
}

}  // namespace
}  // namespace ferrule::gateway

#include "drivers/settings.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "loaded_settings.hpp"

namespace ferrule::drivers {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(BusSettings, AreNoneWithoutSections) {
  EXPECT_THAT(mistakes("version_of_something_else: {}\n").size(), 1u);
  Loaded loaded("{}\n");
  EXPECT_TRUE(loaded.buses.empty());
  loaded.document.finish();
}

TEST(BusSettings, ReadEveryKeyOfATcpBus) {
  Loaded loaded(R"(
buses:
  plc: {type: modbus-tcp, host: 10.0.0.5, port: 1502, timeout: 2s, retries: 3, gap: 5ms,
        offline: {after: 5, retry: 2s..2m}, reconnect: 500ms..1h}
devices:
  m: {bus: plc, unit_id: 255, points: {p: {register: holding, address: 1}}}
)");
  loaded.document.finish();
  ASSERT_EQ(loaded.buses.size(), 1u);
  const auto& bus = loaded.buses[0];
  EXPECT_EQ(bus.name, "plc");
  EXPECT_EQ(bus.type, BusType::ModbusTcp);
  EXPECT_EQ(bus.host, "10.0.0.5");
  EXPECT_EQ(bus.port, 1502);
  EXPECT_EQ(bus.timeout, milliseconds(2000));
  EXPECT_EQ(bus.retries, 3);
  EXPECT_EQ(bus.gap, milliseconds(5));
  EXPECT_EQ(bus.offline_after, 5);
  EXPECT_EQ(bus.offline_retry, std::pair(milliseconds(2000), milliseconds(120'000)));
  EXPECT_EQ(bus.reconnect, std::pair(milliseconds(500), milliseconds(3'600'000)));
  EXPECT_EQ(bus.where.line, 3);
  ASSERT_EQ(bus.devices.size(), 1u);
  EXPECT_EQ(bus.devices[0].unit_id, 255);
}

TEST(BusSettings, ReadEveryKeyOfASerialBus) {
  Loaded loaded(R"(
buses:
  line1: {type: modbus-rtu, port: /dev/ttyS1, line: {baud: 19200, parity: odd, stop_bits: 2, data_bits: 8}}
devices:
  m: {bus: line1, unit_id: 247, points: {p: {register: holding, address: 1}}}
)");
  loaded.document.finish();
  const auto& bus = loaded.buses.at(0);
  EXPECT_EQ(bus.type, BusType::ModbusRtu);
  EXPECT_EQ(bus.path, "/dev/ttyS1");
  EXPECT_EQ(bus.line.baud, 19200);
  EXPECT_EQ(bus.line.parity, Parity::Odd);
  EXPECT_EQ(bus.line.stop_bits, 2);
  EXPECT_EQ(bus.line.data_bits, 8);
  EXPECT_EQ(bus.devices.at(0).unit_id, 247);
}

TEST(BusSettings, ReadEveryKeyOfASerialServer) {
  Loaded loaded(R"(
buses:
  far: {type: modbus-rtu-tcp, host: 10.0.0.7, port: 4001, keepalive: 30s, connect_delay: 200ms, turnaround: 50ms}
devices:
  m: {bus: far, unit_id: 247, points: {p: {register: holding, address: 1}}}
)");
  loaded.document.finish();
  const auto& bus = loaded.buses.at(0);
  EXPECT_EQ(bus.type, BusType::ModbusRtuTcp);
  EXPECT_EQ(bus.host, "10.0.0.7");
  EXPECT_EQ(bus.port, 4001);
  EXPECT_EQ(bus.keepalive, milliseconds(30'000));
  EXPECT_EQ(bus.connect_delay, milliseconds(200));
  EXPECT_EQ(bus.turnaround, milliseconds(50));
}

TEST(BusSettings, ReadEveryKeyOfTheOtherTransports) {
  Loaded loaded(R"(
buses:
  a: {type: modbus-ascii, port: /dev/ttyS1, line: {echo: true, rs485: {by: rts, rts: low, before: 1ms, after: 2ms}}}
  b: {type: modbus-ascii-tcp, host: b, idle_close: 5s}
  c: {type: modbus-udp, host: c, port: 5020}
  d: {type: modbus-tls, host: d, tls: {ca: ca.crt, cert: own.crt, key: own.key, server_name: plc}}
  e: {type: modbus-tcp, host: e, port: 503, standby: {host: f}, echoes_ids: false}
  f: {type: modbus-tcp, host: g, pipeline: 4}
devices:
  ma: {bus: a, points: {p: {register: holding, address: 1}}}
  mb: {bus: b, points: {p: {register: holding, address: 1}}}
  mc: {bus: c, points: {p: {register: holding, address: 1}}}
  md: {bus: d, points: {p: {register: holding, address: 1}}}
  me: {bus: e, unit_id: 255, points: {p: {register: holding, address: 1}}}
  mf: {bus: f, points: {p: {register: holding, address: 1}}}
)");
  loaded.document.finish();
  EXPECT_EQ(loaded.buses.at(4).pipeline, 1);
  EXPECT_EQ(loaded.buses.at(5).pipeline, 4);
  const auto& line = loaded.buses.at(0).line;
  EXPECT_EQ(line.data_bits, 7);
  EXPECT_TRUE(line.echo);
  ASSERT_TRUE(line.rs485);
  EXPECT_EQ(line.rs485->by, Rs485Settings::By::Rts);
  EXPECT_FALSE(line.rs485->rts_high);
  EXPECT_EQ(line.rs485->before, milliseconds(1));
  EXPECT_EQ(line.rs485->after, milliseconds(2));
  EXPECT_EQ(loaded.buses.at(1).type, BusType::ModbusAsciiTcp);
  EXPECT_EQ(loaded.buses.at(1).idle_close, milliseconds(5000));
  EXPECT_EQ(loaded.buses.at(2).port, 5020);
  EXPECT_EQ(loaded.buses.at(3).port, 802);
  EXPECT_EQ(loaded.buses.at(3).tls.key, "own.key");
  EXPECT_EQ(loaded.buses.at(3).tls.server_name, "plc");
  EXPECT_EQ(loaded.buses.at(4).standby_host, "f");
  EXPECT_EQ(loaded.buses.at(4).standby_port, 503);
  EXPECT_FALSE(loaded.buses.at(4).echoes_ids);
}

TEST(BusMistakes, IncludeAPipelineWhereAnswersHaveNoIdsOrRequestsAPause) {
  const auto with = [](const std::string& keys) {
    return mistakes("buses: {a: {type: modbus-tcp, host: a, " + keys +
                    "}}\ndevices: {m: {bus: a, points: {p: {register: input, address: 0}}}}\n");
  };
  EXPECT_THAT(with("pipeline: 2, echoes_ids: false"), ElementsAre(HasSubstr("without transaction ids")));
  EXPECT_THAT(with("pipeline: 2, gap: 5ms"), ElementsAre(HasSubstr("no silence between requests")));
  EXPECT_THAT(with("pipeline: 17"), ElementsAre(HasSubstr("buses.a.pipeline")));
  EXPECT_THAT(with("pipeline: 16"), ElementsAre());
}

TEST(BusMistakes, IncludeTlsWithoutItsFilesAndKeysOfOtherTransports) {
  EXPECT_THAT(mistakes("buses: {a: {type: modbus-tls, host: a, tls: {ca: x, cert: y}}}\n"
                       "devices: {m: {bus: a, points: {p: {register: input, address: 0}}}}\n"),
              ElementsAre(HasSubstr("buses.a.tls.key")));
  EXPECT_THAT(mistakes("buses: {a: {type: modbus-udp, host: a, keepalive: 1s}}\n"
                       "devices: {m: {bus: a, points: {p: {register: input, address: 0}}}}\n"),
              ElementsAre(HasSubstr("buses.a.keepalive")));
}

TEST(BusMistakes, IncludeAKeepAliveThatTcpCannotCount) {
  EXPECT_THAT(mistakes("buses: {a: {type: modbus-tcp, host: a, keepalive: 1500ms, connect_delay: 11s}}\n"
                       "devices: {m: {bus: a, points: {p: {register: input, address: 0}}}}\n"),
              ElementsAre("1:51 buses.a.keepalive: must be whole seconds, or 0s for none",
                          "1:74 buses.a.connect_delay: must be between 0s and 10s, is 11s"));
}

TEST(BusMistakes, IncludeTwoLinksToOneAdapter) {
  const auto link = std::filesystem::temp_directory_path() / fmt::format("ferrule-link-{}", getpid());
  std::filesystem::create_symlink("/dev/null", link);
  const auto found = mistakes(fmt::format(R"(buses:
  a: {{type: modbus-rtu, port: /dev/null}}
  b: {{type: modbus-rtu, port: {}}}
devices:
  m: {{bus: a, points: {{p: {{register: input, address: 0}}}}}}
  n: {{bus: b, points: {{p: {{register: input, address: 0}}}}}}
)",
                                          link.string()));
  std::filesystem::remove(link);
  EXPECT_THAT(found, ElementsAre("3:31 buses.b.port: /dev/null is also that of bus a (line 2) (put the devices of one "
                                 "wire on one bus)"));
}

TEST(BusMistakes, IncludeOneHostInTwoBusesOfDifferentFraming) {
  EXPECT_THAT(mistakes(R"(buses:
  a: {type: modbus-tcp, host: x, port: 4001}
  b: {type: modbus-rtu-tcp, host: x, port: 4001}
devices:
  m: {bus: a, points: {p: {register: input, address: 0}}}
  n: {bus: b, points: {p: {register: input, address: 0}}}
)"),
              ElementsAre("3:35 buses.b.host: x:4001 is also that of bus a (line 2) (put the devices of one wire on "
                          "one bus)"));
}

TEST(PointSettings, ReadEveryKey) {
  Loaded loaded(std::string(kGoodBus) + R"(
devices:
  m:
    bus: plc
    max_gap: 0
    max_registers: 32
    points:
      p: {register: input, address: 0x0156, type: int32, byte_order: DCBA, scale: 0.1, offset: -40, unit: "°C", interval: 30s}
      q: {register: discrete, address: 7}
      r: {register: holding, address: 65535}
)");
  loaded.document.finish();
  const auto& device = loaded.buses.at(0).devices.at(0);
  EXPECT_EQ(device.name, "m");
  EXPECT_EQ(device.max_gap, 0);
  EXPECT_EQ(device.max_registers, 32);
  ASSERT_EQ(device.points.size(), 3u);
  const auto& p = device.points[0];
  EXPECT_EQ(p.name, "p");
  EXPECT_EQ(p.table, Table::Input);
  EXPECT_EQ(p.address, 0x0156);
  EXPECT_EQ(p.type, Type::Int32);
  EXPECT_EQ(p.byte_order, ByteOrder::DCBA);
  EXPECT_EQ(p.scale, 0.1);
  EXPECT_EQ(p.offset, -40);
  EXPECT_EQ(p.unit, "°C");
  EXPECT_EQ(p.interval, milliseconds(30'000));
  EXPECT_EQ(device.points[1].type, Type::Bool) << "a bit is a bool unless said otherwise";
  EXPECT_EQ(device.points[1].interval, milliseconds(1000));
  EXPECT_EQ(device.points[2].type, Type::Uint16);
  EXPECT_EQ(device.points[2].address, 65535);
}

TEST(Templates, AreOverriddenKeyByKey) {
  Loaded loaded(std::string(kGoodBus) + R"(
templates:
  meter:
    byte_order: CDAB
    max_gap: 20
    max_registers: 60
    interval: 5s
    points:
      volts: {register: input, address: 0, type: float32, unit: V, interval: 2s}
      amps: {register: input, address: 6, type: float32, unit: A}
devices:
  m:
    bus: plc
    template: meter
    max_gap: 4
    interval: 9s
    points:
      extra: {register: holding, address: 100}
      volts: {unit: kV, scale: 0.001}
)");
  loaded.document.finish();
  const auto& device = loaded.buses.at(0).devices.at(0);
  EXPECT_EQ(device.max_gap, 4);
  EXPECT_EQ(device.max_registers, 60);
  ASSERT_EQ(device.points.size(), 3u);
  const auto& volts = device.points[0];
  EXPECT_EQ(volts.name, "volts");
  EXPECT_EQ(volts.unit, "kV");
  EXPECT_EQ(volts.scale, 0.001);
  EXPECT_EQ(volts.type, Type::Float32);
  EXPECT_EQ(volts.byte_order, ByteOrder::CDAB);
  EXPECT_EQ(volts.interval, milliseconds(2000)) << "the template's point is nearer than the device's default";
  EXPECT_EQ(device.points[1].name, "amps");
  EXPECT_EQ(device.points[1].interval, milliseconds(9000));
  EXPECT_EQ(device.points[2].name, "extra");
  EXPECT_EQ(device.points[2].byte_order, ByteOrder::CDAB);
}

TEST(Templates, KeepTheNodesThatPublishRulesAreReadFrom) {
  Loaded loaded(std::string(kGoodBus) + R"(
templates:
  t: {qos: 2, points: {a: {register: input, address: 0, deadband: 0.2}, b: {register: input, address: 1}}}
devices:
  m: {bus: plc, template: t, topic: x, points: {a: {deadband: 0.5}, c: {register: input, address: 2, retain: false}}}
)");
  const auto& device = loaded.buses.at(0).devices.at(0);
  EXPECT_EQ(device.publish["topic"].text(), "x");
  EXPECT_EQ(device.publish_template["qos"].integer(0), 2);
  const auto& points = device.points;
  EXPECT_EQ(points.at(0).publish["deadband"].number(0), 0.5);
  EXPECT_EQ(points.at(0).publish_template["deadband"].number(0), 0.2);
  EXPECT_FALSE(points.at(1).publish.present());
  EXPECT_TRUE(points.at(1).publish_template.present());
  EXPECT_FALSE(points.at(2).publish["retain"].boolean(true));
  EXPECT_FALSE(points.at(2).publish_template.present());
  loaded.document.finish();  // all keys have been asked for
}

TEST(Templates, MayStandUnusedWithPublishKeys) {
  EXPECT_THAT(mistakes("templates: {t: {qos: 2, points: {a: {register: input, address: 0, deadband: 0.2}}}}\n"),
              IsEmpty());
}

TEST(Templates, AreCheckedEvenWhenUnused) {
  EXPECT_THAT(mistakes("templates: {t: {points: {a: {register: inputs, address: 0}}}}\n"),
              ElementsAre("1:40 templates.t.points.a.register: must be one of coil, discrete, input, holding; is "
                          "\"inputs\" (did you mean input?)"));
}

TEST(AddressBase, CountsInTheMapThatHoldsTheAddress) {
  Loaded loaded(std::string(kGoodBus) + R"(
templates:
  one: {address_base: 1, points: {a: {register: holding, address: 1}}}
  zero: {points: {a: {register: holding, address: 1}, b: {register: holding, address: 1}}}
devices:
  m: {bus: plc, unit_id: 1, template: one, points: {c: {register: holding, address: 65536}}}
  n: {bus: plc, unit_id: 2, template: zero, address_base: 1, points: {b: {address: 1}}}
)");
  loaded.document.finish();
  const auto& m = loaded.buses.at(0).devices.at(0);
  EXPECT_EQ(m.points.at(0).address, 0);
  EXPECT_EQ(m.points.at(1).address, 65535) << "the template's base serves a device without its own";
  const auto& n = loaded.buses.at(0).devices.at(1);
  EXPECT_EQ(n.points.at(0).address, 1) << "a device's base does not move its template's points";
  EXPECT_EQ(n.points.at(1).address, 0);
}

TEST(AddressBase, RefusesAddressZeroWhenCountingFromOne) {
  EXPECT_THAT(device_mistakes("{m: {bus: plc, address_base: 1, points: {p: {register: holding, address: 0}}}}"),
              ElementsAre("2:83 devices.m.points.p.address: must be between 1 and 65536, is 0"));
}

TEST(BusMistakes, NameTheNearestBusAndTemplate) {
  EXPECT_THAT(mistakes(R"(buses: {line1: {type: modbus-rtu, port: /dev/ttyS1}}
templates: {sdm120: {points: {v: {register: input, address: 0}}}}
devices:
  m: {bus: lin1, template: sdm120, qos: 1}
  n: {bus: line1, template: sdm12, points: {p: {register: input, address: 0}}}
  o: {bus: zzz, template: sdm120}
)"),
              ElementsAre("4:12 devices.m.bus: there is no bus \"lin1\" (did you mean \"line1\"?)",
                          "5:29 devices.n.template: there is no template \"sdm12\" (did you mean \"sdm120\"?)",
                          "6:12 devices.o.bus: there is no bus \"zzz\""));
}

TEST(BusMistakes, IncludeAUnitIdUsedTwice) {
  EXPECT_THAT(mistakes(R"(buses: {a: {type: modbus-tcp, host: a}, b: {type: modbus-tcp, host: b}}
devices:
  m: {bus: a, unit_id: 3, points: {p: {register: input, address: 0}}}
  n: {bus: b, unit_id: 3, points: {p: {register: input, address: 0}}}
  o: {bus: a, unit_id: 3, points: {p: {register: input, address: 0}}}
)"),
              ElementsAre("5:24 devices.o.unit_id: unit 3 on bus a is already device m (line 3)"));
}

TEST(BusMistakes, IncludeAUnitIdThatTheBusCannotHave) {
  EXPECT_THAT(mistakes(R"(buses: {a: {type: modbus-tcp, host: a}, b: {type: modbus-rtu, port: /dev/ttyS1}}
devices:
  m: {bus: b, unit_id: -1, points: {p: {register: input, address: 0}}}
  n: {bus: b, unit_id: 248, points: {p: {register: input, address: 0}}}
  o: {bus: a, unit_id: 256, points: {p: {register: input, address: 0}}}
  p: {bus: a, unit_id: 0, points: {p: {register: input, address: 0}}}
)"),
              ElementsAre("3:24 devices.m.unit_id: must be between 0 and 247, is -1",
                          "4:24 devices.n.unit_id: must be between 0 and 247, is 248",
                          "5:24 devices.o.unit_id: must be between 0 and 255, is 256"));
}

constexpr const char* kDeviceOnEach = R"(
devices:
  m: {bus: a, points: {p: {register: input, address: 0}}}
  n: {bus: b, points: {p: {register: input, address: 0}}}
)";

TEST(BusMistakes, IncludeOneEndpointInTwoBuses) {
  EXPECT_THAT(mistakes(std::string(R"(buses:
  a: {type: modbus-tcp, host: PLC.example}
  b: {type: modbus-tcp, host: plc.example, port: 502})") +
                       kDeviceOnEach),
              ElementsAre("3:31 buses.b.host: plc.example:502 is also that of bus a (line 2) (put the devices of one "
                          "wire on one bus)"));
  EXPECT_THAT(mistakes(std::string(R"(buses:
  a: {type: modbus-rtu, port: /dev/ttyS1}
  b: {type: modbus-rtu, port: /dev/./ttyS1})") +
                       kDeviceOnEach),
              ElementsAre("3:31 buses.b.port: /dev/ttyS1 is also that of bus a (line 2) (put the devices of one wire "
                          "on one bus)"));
  EXPECT_THAT(mistakes(std::string(R"(buses:
  a: {type: modbus-tcp, host: plc.example, port: 502}
  b: {type: modbus-tcp, host: plc.example, port: 503})") +
                       kDeviceOnEach),
              IsEmpty());
}

TEST(BusMistakes, IncludeABusWithoutDevicesAndADeviceWithoutPoints) {
  EXPECT_THAT(mistakes("buses: {a: {type: system}}\n"),
              ElementsAre("1:12 buses.a: a bus without devices has nothing to do"));
  EXPECT_THAT(mistakes("buses: {a: {type: modbus-tcp, host: a}}\n"), IsEmpty()) << "its units may have to be found";
  EXPECT_THAT(device_mistakes("{m: {bus: plc}}"),
              ElementsAre("2:11 devices.m.points: a device without points has nothing to read"));
  EXPECT_THAT(device_mistakes("{m: {bus: plc, points: {}}}"),
              ElementsAre("2:33 devices.m.points: a device without points has nothing to read"));
}

TEST(BusMistakes, IncludeWhatABusLacks) {
  EXPECT_THAT(mistakes(std::string("buses:\n  a: {type: modbus-tcp}\n  b: {type: modbus-rtu}") + kDeviceOnEach),
              ElementsAre("2:3 buses.a.host: is required", "3:3 buses.b.port: is required"));
  EXPECT_THAT(mistakes(std::string("buses:\n  a: {type: modbus-rtu, port: COM3}\n  b: {host: x}") + kDeviceOnEach),
              ElementsAre("2:31 buses.a.port: must be the path of a serial port (e.g. /dev/ttyUSB0)",
                          "3:3 buses.b.type: is required"));
}

TEST(BusMistakes, SayNothingOfTheOtherKeysOfAWrongType) {
  EXPECT_THAT(
      mistakes(std::string("buses:\n  a: {type: modbus-tpc, host: a}\n  b: {type: modbus-tcp, host: b}") +
               kDeviceOnEach),
      ElementsAre(testing::AllOf(HasSubstr("2:13 buses.a.type: must be one of modbus-tcp, modbus-rtu, modbus-rtu-tcp"),
                                 HasSubstr("is \"modbus-tpc\" (did you mean modbus-tcp?)"))));
}

TEST(BusMistakes, IncludeEveryBound) {
  EXPECT_THAT(mistakes(R"(buses:
  a:
    type: modbus-tcp
    host: a
    port: 65536
    timeout: 9ms
    retries: 11
    gap: 11s
    offline: {after: 0, retry: 99ms..60s}
    reconnect: 1s..25h
  b:
    type: modbus-rtu
    port: /dev/ttyS1
    timeout: 61s
    line: {baud: 299, parity: mark, stop_bits: 3, data_bits: 7}
devices:
  m: {bus: a, max_gap: 126, max_registers: 126, interval: 9ms, points: {p: {register: input, address: 0, interval: 25h}}}
  n: {bus: b, max_registers: 0, points: {p: {register: input, address: 0}}}
)"),
              ElementsAre("5:11 buses.a.port: must be between 1 and 65535, is 65536",
                          "6:14 buses.a.timeout: must be between 10ms and 1m, is 9ms",
                          "7:14 buses.a.retries: must be between 0 and 10, is 11",
                          "8:10 buses.a.gap: must be between 0s and 10s, is 11s",
                          "9:22 buses.a.offline.after: must be between 1 and 1000, is 0",
                          "9:32 buses.a.offline.retry: must lie between 100ms and 1d",
                          "10:16 buses.a.reconnect: must lie between 100ms and 1d",
                          "14:14 buses.b.timeout: must be between 10ms and 1m, is 1m1s",
                          "15:18 buses.b.line.baud: must be between 300 and 4000000, is 299",
                          "15:31 buses.b.line.parity: must be one of none, even, odd; is \"mark\"",
                          "15:48 buses.b.line.stop_bits: must be between 1 and 2, is 3",
                          "15:62 buses.b.line.data_bits: Modbus RTU sends 8 data bits",
                          "17:24 devices.m.max_gap: must be between 0 and 125, is 126",
                          "17:44 devices.m.max_registers: must be between 1 and 125, is 126",
                          "17:59 devices.m.interval: must be between 10ms and 1d, is 9ms",
                          "17:116 devices.m.points.p.interval: must be between 10ms and 1d, is 1d1h",
                          "18:30 devices.n.max_registers: must be between 1 and 125, is 0"));
}

TEST(PointMistakes, IncludeWhatAPointLacks) {
  EXPECT_THAT(point_mistakes("{}"), ElementsAre("2:34 devices.m.points.p.register: is required",
                                                "2:34 devices.m.points.p.address: is required"));
  EXPECT_THAT(point_mistakes(""), ElementsAre("2:34 devices.m.points.p.register: is required",
                                              "2:34 devices.m.points.p.address: is required"));
}

TEST(PointMistakes, IncludeANumberInABit) {
  EXPECT_THAT(point_mistakes("{register: coil, address: 0, type: float32}"),
              ElementsAre("2:72 devices.m.points.p.type: a coil is a bool, not float32 (numbers are in input and "
                          "holding registers)"));
  EXPECT_THAT(point_mistakes("{register: discrete, address: 0, type: uint16}"),
              ElementsAre("2:76 devices.m.points.p.type: a discrete input is a bool, not uint16 (numbers are in input "
                          "and holding registers)"));
}

TEST(PointMistakes, IncludeAValueBeyondTheLastRegister) {
  EXPECT_THAT(point_mistakes("{register: holding, address: 65535, type: float32}"),
              ElementsAre("2:66 devices.m.points.p.address: ends beyond the last register, 65535: float32 fills 2 "
                          "registers"));
  EXPECT_THAT(point_mistakes("{register: holding, address: 65536}"),
              ElementsAre("2:66 devices.m.points.p.address: must be between 0 and 65535, is 65536"));
  EXPECT_THAT(point_mistakes("{register: holding, address: 65534, type: float32}"), IsEmpty());
}

TEST(PointMistakes, IncludeAScaleThatMakesNoSense) {
  EXPECT_THAT(point_mistakes("{register: holding, address: 0, scale: 0}"),
              ElementsAre("2:76 devices.m.points.p.scale: 0 would make every value the same"));
  EXPECT_THAT(
      point_mistakes("{register: coil, address: 0, scale: 2, offset: 1}"),
      ElementsAre("2:73 devices.m.points.p.scale: a bool has none", "2:84 devices.m.points.p.offset: a bool has none"));
}

TEST(PointMistakes, IncludeAValueThatNoReadCanHold) {
  EXPECT_THAT(
      device_mistakes("{m: {bus: plc, max_registers: 1, points: {p: {register: input, address: 0, type: int32}}}}"),
      ElementsAre("2:40 devices.m.max_registers: a read must hold a whole value, and point p fills 2 registers"));
}

TEST(PointMistakes, NameTheNearestKeyAndWord) {
  EXPECT_THAT(point_mistakes("{register: holding, address: 0, typ: int16}"),
              ElementsAre("2:69 devices.m.points.p.typ: unknown key (did you mean \"type\"?)"));
  EXPECT_THAT(
      point_mistakes("{register: holding, address: 0, type: int61, byte_order: abcd}"),
      ElementsAre("2:75 devices.m.points.p.type: must be one of bool, int8, uint8, int16, uint16, int32, "
                  "uint32, int64, uint64, float16, float32, float64, bcd16, bcd32, string; is \"int61\" (did you mean "
                  "int16?)",
                  "2:94 devices.m.points.p.byte_order: must be one of ABCD, BADC, CDAB, DCBA; is \"abcd\" (did "
                  "you mean ABCD?)"));
}

TEST(NameMistakes, IncludeWhateverCannotBeALevelOfATopic) {
  constexpr const char* kSays =
      "this name becomes a level of a topic: it must not be empty nor contain / + # or control characters";
  for (const auto* name : {"\"\"", "a/b", "a+b", "\"a#b\"", "\"a\\tb\"", "\"a\\x7fb\""}) {
    const auto found =
        device_mistakes(fmt::format("{{{}: {{bus: plc, points: {{p: {{register: input, address: 0}}}}}}}}", name));
    ASSERT_EQ(found.size(), 1u) << name;
    EXPECT_TRUE(found[0].ends_with(kSays)) << found[0];
    const auto point =
        device_mistakes(fmt::format("{{m: {{bus: plc, points: {{{}: {{register: input, address: 0}}}}}}}}", name));
    ASSERT_EQ(point.size(), 1u) << name;
    EXPECT_TRUE(point[0].ends_with(kSays)) << point[0];
  }
  EXPECT_THAT(device_mistakes("{Zähler 1: {bus: plc, points: {p.1: {register: input, address: 0}}}}"), IsEmpty());
}

TEST(BusMistakes, AreNotMadeUpFromWrongShapes) {
  EXPECT_THAT(mistakes("buses: 5\ndevices: [a]\ntemplates: x\n"),
              ElementsAre("1:8 buses: must be a map, is a single value", "2:10 devices: must be a map, is a list",
                          "3:12 templates: must be a map, is a single value"));
  EXPECT_THAT(device_mistakes("{m: 5}"), ElementsAre("2:14 devices.m: must be a map, is a single value"));
  EXPECT_THAT(device_mistakes("{m: {bus: plc, points: [a]}}"),
              ElementsAre("2:33 devices.m.points: must be a map, is a list"));
}

}  // namespace
}  // namespace ferrule::drivers

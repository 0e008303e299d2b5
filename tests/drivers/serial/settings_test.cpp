#include "drivers/serial/settings.hpp"

#include <gmock/gmock.h>

#include "../loaded_settings.hpp"

namespace ferrule::drivers::serial {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kBus = "buses: {line: {type: serial, port: /dev/ttyS0}}\n";

std::vector<std::string> sensor_mistakes(const std::string& device) {
  return mistakes(kBus + ("devices: {m: {bus: line, " + device + "}}"));
}

TEST(SerialSettings, ReadEveryKey) {
  Loaded loaded(R"(buses:
  line: {type: serial, port: /dev/ttyS1, line: {baud: 4800, data_bits: 7, parity: even, stop_bits: 2}, timeout: 300ms}
  net: {type: serial, host: 10.0.0.9, port: 4001}
templates:
  scale: {frame: {end: "\r\n", max_length: 64}, match: '^(?<w>[-\d.]+) kg$', points: {weight: {from: w, unit: kg}}}
devices:
  scale:
    bus: line
    template: scale
    request: {send: '\x02P\r\n', interval: 500ms, timeout: 200ms}
    points: {weight: {stale_after: 5s}}
  dust:
    bus: net
    frame: {start: 'BM', length: {at: 2, bytes: 2, byte_order: little, add: 4}, checksum: {algorithm: CRC-16/MODBUS, from: 2}}
    stale_after: 10s
    byte_order: little
    points: {pm: {at: 4, type: uint32}, id: {at: 8, type: string, length: 5}}
)");
  EXPECT_NO_THROW(loaded.document.finish());
  const auto& line = loaded.buses.at(0);
  EXPECT_EQ(line.line.baud, 4800);
  EXPECT_EQ(line.line.data_bits, 7);
  EXPECT_EQ(line.line.parity, Parity::Even);
  const auto& scale = line.devices.at(0);
  const auto& asked = dynamic_cast<const SensorSettings&>(*scale.own);
  EXPECT_EQ(asked.request, "\x02P\r\n");
  EXPECT_EQ(asked.timeout, 200ms);
  EXPECT_EQ(asked.frame.end, "\r\n");
  EXPECT_EQ(asked.frame.max_length, 64U);
  EXPECT_EQ(scale.points.at(0).interval, 500ms);
  EXPECT_EQ(scale.points.at(0).type, Type::Float64);
  EXPECT_EQ(scale.points.at(0).unit, "kg");
  EXPECT_EQ(asked.points.at(0).from, "w");
  EXPECT_EQ(asked.points.at(0).stale_after, 5s);

  const auto& net = loaded.buses.at(1);
  EXPECT_EQ(net.host, "10.0.0.9");
  EXPECT_EQ(net.port, 4001);
  EXPECT_TRUE(net.path.empty());
  const auto& dust = dynamic_cast<const SensorSettings&>(*net.devices.at(0).own);
  EXPECT_TRUE(dust.talks());
  EXPECT_TRUE(dust.frame.length_field->little);
  EXPECT_EQ(dust.frame.checksum.size(), 2U);
  EXPECT_TRUE(dust.frame.checksum.little) << "a reflected CRC goes out low byte first";
  EXPECT_EQ(dust.points.at(0).form, Form::Bytes);
  EXPECT_EQ(dust.points.at(0).stale_after, 10s);
  EXPECT_EQ(net.devices.at(0).points.at(0).byte_order, ByteOrder::DCBA);
}

TEST(SerialSettings, HaveDefaultsOfALineWithoutParity) {
  Loaded loaded(kBus +
                std::string(R"(devices: {m: {bus: line, frame: {end: "\n"}, json: true, points: {p: {from: /a}}}})"));
  EXPECT_NO_THROW(loaded.document.finish());
  EXPECT_EQ(loaded.buses.at(0).line.parity, Parity::None);
  EXPECT_EQ(loaded.buses.at(0).line.data_bits, 8);
  EXPECT_EQ(dynamic_cast<const SensorSettings&>(*loaded.buses.at(0).devices.at(0).own).points.at(0).stale_after, 1min);
}

TEST(SerialMistakes, IncludeAFrameWithoutAnEnd) {
  EXPECT_THAT(sensor_mistakes("points: {p: {at: 0, type: uint8}}"),
              ElementsAre(HasSubstr("m.frame: is required (e.g.")));
  EXPECT_THAT(sensor_mistakes("frame: {start: A}, points: {p: {at: 0, type: uint8}}"),
              ElementsAre(HasSubstr("2:33 devices.m.frame: what ends a frame? (end: \"\\r\\n\", length: 9")));
  EXPECT_THAT(sensor_mistakes("frame: {length: 4, gap: 20ms}, points: {p: {at: 0, type: uint8}}"),
              ElementsAre(HasSubstr("frame.gap: a frame with a length needs no silence to end it")));
  EXPECT_THAT(sensor_mistakes("frame: {length: 3, checksum: CRC-32/CKSUM}, points: {p: {at: 0, type: uint8}}"),
              ElementsAre(HasSubstr("no frame fits: start, checksum and end alone are 4 bytes")));
}

TEST(SerialMistakes, IncludeBytesThatAreNone) {
  const auto of = [](const std::string& end) {
    return sensor_mistakes("frame: {end: " + end + "}, points: {p: {at: 0, type: uint8}}");
  };
  EXPECT_THAT(of(R"("\xFF")"), Contains(HasSubstr("frame.end: a byte above 127 is written as \\x and two hexa")));
  EXPECT_THAT(of(R"('\xF')"), Contains(HasSubstr("an escape is one of")));
  EXPECT_THAT(of(R"('\q')"), Contains(HasSubstr("an escape is one of")));
  EXPECT_THAT(of(R"('\')"), Contains(HasSubstr("an escape is one of")));
}

TEST(SerialMistakes, IncludeAnAlgorithmNobodyKnows) {
  EXPECT_THAT(sensor_mistakes(R"(frame: {end: "\n", checksum: CRC-16/MODBUZ}, points: {p: {at: 0, type: uint8}})"),
              ElementsAre(HasSubstr("(did you mean CRC-16/MODBUS?)")));
}

TEST(SerialMistakes, IncludeWrongPatternsAndGroups) {
  EXPECT_THAT(sensor_mistakes(R"(frame: {end: "\n"}, match: '(?<a>x', points: {p: {from: a}})"),
              ElementsAre(HasSubstr("m.match: not a regular expression: missing closing parenthesis at character 7")));
  EXPECT_THAT(
      sensor_mistakes(R"(frame: {end: "\n"}, match: '(?<weight>x)', points: {p: {from: wieght}})"),
      ElementsAre(HasSubstr("p.from: the regular expression has no group \"wieght\" (did you mean \"weight\"?)")));
  EXPECT_THAT(sensor_mistakes(R"(frame: {end: "\n"}, match: '(x)', points: {p: {from: 2}})"),
              ElementsAre(HasSubstr("has no group \"2\" (name one: (?<value>...))")));
}

TEST(SerialMistakes, IncludeAPointWithoutAPlace) {
  EXPECT_THAT(sensor_mistakes(R"(frame: {end: "\n"}, points: {p: {from: a}})"),
              ElementsAre(HasSubstr("points.p.at: where is the value? (`at` in a binary frame")));
  EXPECT_THAT(sensor_mistakes("frame: {length: 4}, points: {p: {at: 3, type: uint16}}"),
              ElementsAre(HasSubstr("p.at: ends beyond the frame, whose last byte is 3")));
  EXPECT_THAT(sensor_mistakes(R"(frame: {end: "\n"}, json: true, points: {p: {from: a.b}})"),
              ElementsAre(HasSubstr("a JSON pointer begins with / (e.g. /sensors/0/value)")));
  EXPECT_THAT(sensor_mistakes(R"(frame: {end: "\n"}, json: true, match: '(?<a>x)', points: {p: {from: a}})"),
              ElementsAre(HasSubstr("m.json: values are found in one way only, and `match` is one")));
}

TEST(SerialMistakes, IncludeTwoKindsOfDeviceOnOneLine) {
  EXPECT_THAT(
      mistakes(kBus + std::string(R"(devices:
  a: {bus: line, frame: {end: "\n"}, request: {send: A}, json: true, points: {p: {from: /a}}}
  b: {bus: line, frame: {end: "\n"}, json: true, points: {p: {from: /a}}}
)")),
      ElementsAre(HasSubstr("4:25 devices.b.frame: device a on the same bus is asked: on one line either all")));
}

TEST(SerialMistakes, IncludeKeysOfModbus) {
  EXPECT_THAT(
      sensor_mistakes(R"(unit_id: 1, frame: {end: "\n"}, json: true, points: {p: {from: /a, register: input}})"),
      ElementsAre(HasSubstr("m.unit_id: unknown key"), HasSubstr("p.register: unknown key")));
}

TEST(SerialMistakes, IncludeTheSamePortAsAModbusBus) {
  EXPECT_THAT(mistakes(R"(buses: {a: {type: modbus-rtu, port: /dev/ttyS7}, b: {type: serial, port: /dev/ttyS7}}
devices:
  m: {bus: a, points: {p: {register: input, address: 0}}}
  n: {bus: b, frame: {end: "\n"}, json: true, points: {p: {from: /a}}}
)"),
              ElementsAre(HasSubstr("buses.b.port: /dev/ttyS7 is also that of bus a")));
}

}  // namespace
}  // namespace ferrule::drivers::serial

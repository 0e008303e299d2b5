#include "fixtures.hpp"

#include <fmt/format.h>

#include "drivers/serial/crc.hpp"

namespace ferrule::drivers::serial {

namespace {

std::string bytes(std::initializer_list<int> values) {
  std::string text;
  for (const int value : values) text += static_cast<char>(value);
  return text;
}

// A GPS receiver: a log as gpsd keeps them, that begins in the middle of a sentence, with a damaged sentence and one
// whose end is missing.
Fixture receiver() {
  const auto fix = nmea("GPGGA,092750.000,5321.6802,N,00630.3372,W,1,8,1.03,61.7,M,55.2,M,,");
  const auto none = nmea("GPGGA,092751.000,,,,,0,0,,,M,,M,,");
  const auto speed = nmea("GPRMC,092750.000,A,5321.6802,N,00630.3372,W,0.02,31.66,280511,,,A");
  const auto view = nmea("GPGSV,3,1,11,10,63,137,17,07,61,098,15,05,59,290,20,08,54,157,30");
  auto damaged = speed;
  damaged[9] = '7';
  return {.name = "gps",
          .yaml = R"({bus: line, frame: {start: "$", end: "\r\n", max_length: 82, checksum: nmea}, fields: {split: ","},
    points: {
      satellites: {only: '^..GGA,', from: 7, type: uint8},
      altitude: {only: '^..GGA,', from: 9, unit: m},
      speed: {only: '^..RMC,', from: 7, unit: m/s, scale: 0.514444},
      valid: {only: '^..RMC,', from: 2, type: string},
      latitude: {match: '^..GGA,[^,]*,(?<deg>\d\d)(?<min>[\d.]+),', from: min}}})",
          .bytes = "0.0,M,,*5F\r\n" + fix + view + damaged + speed.substr(0, 30) + fix + none + speed,
          .frames = {fix.substr(1, fix.size() - 6), view.substr(1, view.size() - 6), fix.substr(1, fix.size() - 6),
                     none.substr(1, none.size() - 6), speed.substr(1, speed.size() - 6)},
          .values = {"satellites=8", "altitude=61.7", "latitude=21.6802", "satellites=8", "altitude=61.7",
                     "latitude=21.6802", "satellites=0", "altitude=invalid", "speed=0.01028888", "valid=A"}};
}

// A scale that prints on request or when it is stable, with its unit behind.
Fixture scale() {
  return {.name = "scale",
          .yaml = R"({bus: line, frame: {end: "\r\n", max_length: 64},
    match: '^(?<state>ST|US|OL),(?<kind>GS|NT),(?<weight>[-+ ]*[\d.]+)?\s*(?<unit>kg|g)$',
    points: {
      weight: {from: weight, unit: kg},
      state: {from: state, type: string}}})",
          .bytes = "00123 kg\r\nST,GS,+  12.345kg\r\nUS,GS,-   0.010kg\r\nOL,GS,        kg\r\n",
          .frames = {"00123 kg", "ST,GS,+  12.345kg", "US,GS,-   0.010kg", "OL,GS,        kg"},
          .values = {"weight=12.345", "state=ST", "weight=-0.01", "state=US", "weight=invalid", "state=OL"}};
}

// A weather station, key=value between STX and ETX, with a CRC in hexadecimal digits.
Fixture weather() {
  const auto* model = crc_model("CRC-16/XMODEM");
  const auto framed = [&](const std::string& body) {
    return "\x02" + body + fmt::format("{:04X}", Crc(*model)(body)) + "\x03";
  };
  return {.name = "weather",
          .yaml = R"({bus: line, frame: {start: "\x02", end: "\x03", max_length: 128,
      checksum: {algorithm: CRC-16/XMODEM, written: hex, from: 1}},
    pairs: {separator: ";", assign: "="},
    points: {
      wind: {from: Sm, unit: m/s, invalid: 99.9},
      temperature: {from: Ta, decimal: comma, unit: "°C"},
      rain: {from: Rc, type: uint32},
      heater: {from: H, type: bool}}})",
          .bytes = "\r\n" + framed("Sm=3.1;Ta=-12,5;Rc=7;H=off") + framed("Sm=99.9; Ta = +4,0") + "garbage" +
                   framed("Rc=-1;H=ON"),
          .frames = {"Sm=3.1;Ta=-12,5;Rc=7;H=off", "Sm=99.9; Ta = +4,0", "Rc=-1;H=ON"},
          .values = {"wind=3.1", "temperature=-12.5", "rain=7", "heater=false", "wind=invalid", "temperature=4",
                     "rain=invalid", "heater=true"}};
}

// A binary sensor of fine dust: start, length field, sum of 16 bits; noise that looks like a start, and a damaged frame
// with a whole one right behind it.
Fixture dust() {
  const auto framed = [](std::string body) {
    auto frame = bytes({0x42, 0x4D, 0, static_cast<int>(body.size()) + 2}) + body;
    const auto sum = sum_of(frame);
    return frame + static_cast<char>(sum >> 8 & 0xFF) + static_cast<char>(sum & 0xFF);
  };
  const auto body = bytes({0x00, 0x0C, 0xFF, 0xFE, 0x81, 0x00, 0x00, 0xC0, 0x3F});
  const auto good = framed(body);
  auto damaged = good;
  damaged[5] = '\x42';
  return {.name = "dust",
          .yaml = R"({bus: line, frame: {start: 'BM', length: {at: 2, bytes: 2, add: 4}, max_length: 40,
      checksum: {algorithm: sum16}},
    points: {
      pm: {at: 4, type: uint16, scale: 0.1},
      trend: {at: 6, type: int16},
      state: {at: 8, type: uint8, bit: 0, bit_count: 7},
      alarm: {at: 8, type: bool, bit: 7},
      factor: {at: 9, type: float32, byte_order: little}}})",
          .bytes = "B" + bytes({0x42, 0x4D, 0x7F, 0xFF}) + good + damaged + good,
          .frames = {good.substr(2, good.size() - 4), good.substr(2, good.size() - 4)},
          .values = {"pm=1.2", "trend=-2", "state=1", "alarm=true", "factor=1.5", "pm=1.2", "trend=-2", "state=1",
                     "alarm=true", "factor=1.5"}};
}

// A gas sensor: frames of nine bytes, the complement of a sum behind.
Fixture gas() {
  const auto good = bytes({0xFF, 0x86, 0x02, 0x60, 0x47, 0x00, 0x00, 0x00, 0xD1});
  return {.name = "gas",
          .yaml = R"({bus: line, frame: {start: '\xFF\x86', length: 9, checksum: {algorithm: sum8-complement, from: 1}},
    points: {co2: {at: 2, type: uint16, unit: ppm}, temperature: {at: 4, type: uint8, offset: -40}}})",
          .bytes = good.substr(3) + good + bytes({0xFF}) + good,
          .frames = {good.substr(2, 6), good.substr(2, 6)},
          .values = {"co2=608", "temperature=31", "co2=608", "temperature=31"}};
}

// A controller that writes a line of JSON.
Fixture controller() {
  return {
      .name = "controller",
      .yaml = R"({bus: line, frame: {end: "\n", max_length: 200}, json: true,
    points: {
      level: {from: /tank/0/level},
      pump: {from: /pump, type: bool},
      count: {from: /n, type: uint64},
      name: {from: /id, type: string}}})",
      .bytes =
          "ready\n{\"id\":\"k\u00fc\",\"tank\":[{\"level\":0.25}],\"pump\":true,\"n\":18446744073709551615}\n"
          "{\"tank\":[],\"pump\":null,\"n\":-1}\n",
      .frames = {"ready", "{\"id\":\"k\u00fc\",\"tank\":[{\"level\":0.25}],\"pump\":true,\"n\":18446744073709551615}",
                 "{\"tank\":[],\"pump\":null,\"n\":-1}"},
      .values = {"level=0.25", "pump=true", "count=18446744073709551615", "name=k\u00fc", "pump=invalid",
                 "count=invalid"}};
}

}  // namespace

std::string nmea(std::string_view body) { return fmt::format("${}*{:02X}\r\n", body, xor_of(body)); }

std::vector<Fixture> fixtures() { return {receiver(), scale(), weather(), dust(), gas(), controller()}; }

}  // namespace ferrule::drivers::serial

// A hostile serial device: whatever it sends, frames keep to their limits, depend on the bytes only and not on how they
// were cut, and nothing in them troubles the parsers.
// Input: which sensor and how it is cut (1 byte) | all that it sends
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "drivers/serial/framer.hpp"
#include "drivers/serial/parser.hpp"
#include "tests/fuzz/require.hpp"

namespace {

using namespace ferrule::drivers;
using namespace ferrule::drivers::serial;

constexpr const char* kSensors = R"(buses: {line: {type: serial, port: /dev/ttyS0}}
devices:
  gps: {bus: line, frame: {start: "$", end: "\r\n", max_length: 82, checksum: nmea}, fields: {split: ","},
    points: {a: {only: '^..GGA,', from: 7, type: uint8}, b: {from: 0, type: string}, c: {match: '(?<v>\d+)\.', from: v}}}
  scale: {bus: line, frame: {end: "\r\n", max_length: 64}, match: '^(?<s>..),(?<w>[-+ ]*[\d.]+)\s*(kg|g)$',
    points: {w: {from: w, decimal: comma}, s: {from: s, type: string}}}
  weather: {bus: line, frame: {start: "\x02", end: "\x03", checksum: {algorithm: CRC-8/SMBUS, written: hex, from: 1}},
    pairs: {separator: ";"}, points: {t: {from: t, type: int16, base: 16}, b: {from: b, type: bool}}}
  dust: {bus: line, frame: {start: 'BM', length: {at: 2, bytes: 2, add: 4}, max_length: 40, checksum: sum16},
    points: {p: {at: 4, type: uint16, scale: 0.1}, f: {at: 7, type: float32}, s: {at: 4, type: string, length: 5}}}
  gas: {bus: line, frame: {start: '\xFF', length: 9, checksum: sum8}, points: {p: {at: 2, type: uint32, byte_order: little}}}
  json: {bus: line, frame: {end: "\n", max_length: 4096}, json: true,
    points: {a: {from: /a/0}, b: {from: "", type: string}, c: {from: /c, type: uint64}}}
  quiet: {bus: line, frame: {gap: 20ms, max_length: 32}, match: '^(a+)+$', points: {p: {from: 1, type: string}}}
)";

struct Sensors {
  Sensors() : document(ferrule::config::Document::parse(kSensors, "fuzz.yaml")) {
    buses = read_buses(document.root());
    document.finish();
  }
  ferrule::config::Document document;
  std::vector<BusSettings> buses;
};

std::vector<std::string> frames_of(Framer& framer, Parser& parser, std::string_view bytes,
                                   const SensorSettings& sensor) {
  std::vector<std::string> frames;
  const auto take = [&](const Frame& frame) {
    ferrule::fuzz::require(frame.whole.size() <= sensor.frame.max_length, "no frame is longer than allowed");
    for (const auto& found : parser.parse(frame)) {
      ferrule::fuzz::require(found.point < sensor.points.size(), "a value is a point's");
    }
    frames.emplace_back(frame.whole);
  };
  while (const auto frame = framer.next(bytes)) take(*frame);
  return frames;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Sensors sensors;
  if (size == 0) return 0;
  const auto& devices = sensors.buses.front().devices;
  const auto& device = devices[data[0] % devices.size()];
  const auto& sensor = dynamic_cast<const SensorSettings&>(*device.own);
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  Parser parser(sensor, device.points);

  Framer whole(sensor.frame);
  auto expected = frames_of(whole, parser, bytes, sensor);
  Framer cut(sensor.frame);
  std::vector<std::string> frames;
  const std::size_t part = 1 + data[0] / devices.size();
  for (std::size_t at = 0; at < bytes.size(); at += part) {
    for (auto& frame : frames_of(cut, parser, bytes.substr(at, part), sensor)) frames.push_back(std::move(frame));
  }
  ferrule::fuzz::require(frames == expected, "frames do not depend on where the bytes were cut");
  if (const auto last = whole.silence()) parser.parse(*last);
  ferrule::fuzz::require(whole.silence() == std::nullopt, "after a silence nothing is begun");
  return 0;
}

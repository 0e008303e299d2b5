// A hostile bus: whatever frames come, among them errors and what is no frame, values are numbers, and what is written
// in between has the signal in it.
// Input: packets, each: size (1 byte: up to 72) | that many bytes, laid out as struct can_frame
#include <sys/socket.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <string>

#include "config/node.hpp"
#include "drivers/can/driver.hpp"
#include "tests/fuzz/require.hpp"

namespace {

using namespace ferrule::drivers;
using namespace ferrule::drivers::can;

constexpr const char* kDevices = R"(buses: {can: {type: can, interface: can0, timeout: 10ms}}
devices:
  a: {bus: can, points: {
    u: {message: 0x123, start_bit: 0, length: 16, scale: 0.5, write: true}, s: {message: 0x123, start_bit: 23, length: 12, byte_order: big, type: signed},
    m: {message: 0x123, start_bit: 40, length: 8, mux: {start_bit: 32, length: 4, value: [1, 3]}, write: {fill: 0xFF}}}}
  b: {bus: can, points: {
    f: {message: 0x124, start_bit: 0, type: float32}, d: {message: 0x125, start_bit: 7, byte_order: big, type: float64},
    p: {pgn: 65263, start_bit: 24, length: 8, scale: 4}, x: {message: 1, extended: true, start_bit: 63}}}
)";

struct Configuration {
  Configuration() : document(ferrule::config::Document::parse(kDevices, "fuzz.yaml")) {
    buses = read_buses(document.root());
    document.finish();
  }
  ferrule::config::Document document;
  std::vector<BusSettings> buses;
};

class PairPort final : public CanPort {
 public:
  explicit PairPort(int descriptor) { descriptor_ = descriptor; }
  tl::expected<void, Fault> open(const std::vector<IdFilter>&) override { return {}; }
  std::string name() const override { return "pair"; }
};

void look_at(const std::vector<Reading>& readings) {
  for (const auto& reading : readings) {
    const auto* number = std::get_if<double>(&reading.value);
    ferrule::fuzz::require(number == nullptr || std::isfinite(*number), "a value is finite");
    ferrule::fuzz::require(reading.point < 7, "a value is a point's");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Configuration configuration;
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) return 0;
  const StopSignal stop;
  CanDriver driver(configuration.buses.front(), std::make_unique<PairPort>(ends[0]), stop);
  static_cast<void>(driver.open({}));
  std::vector<Reading> readings;
  for (std::size_t at = 0; at < size && driver.is_open();) {
    const std::size_t wanted = data[at] % 73;
    const auto length = std::min(wanted, size - at - 1);
    const std::string packet(reinterpret_cast<const char*>(data) + at + 1, length);
    at += 1 + length;
    if (length > 0) static_cast<void>(::send(ends[1], packet.data(), packet.size(), MSG_NOSIGNAL));
    for (std::size_t task = 0; task < 2 && driver.is_open(); ++task) {
      readings.clear();
      static_cast<void>(driver.run(task, readings));
      look_at(readings);
    }
    if (driver.is_open() && driver.write(2, Value(std::uint64_t{77}))) {
      std::array<std::uint8_t, 72> sent{};
      const auto got = ::recv(ends[1], sent.data(), sent.size(), 0);
      ferrule::fuzz::require(got == 16 && sent[13] == 77, "a frame that is sent has the value in it");
    }
  }
  ::close(ends[1]);
  return 0;
}

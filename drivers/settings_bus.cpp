#include "drivers/settings_bus.hpp"

#include <array>

namespace ferrule::drivers {

namespace {

using config::Choice;
using config::Node;
using std::chrono::milliseconds;

constexpr std::array kParities{Choice<Parity>{"none", Parity::None}, Choice<Parity>{"even", Parity::Even},
                               Choice<Parity>{"odd", Parity::Odd}};

constexpr milliseconds kMinRetry{100};
constexpr milliseconds kMaxRetry{std::chrono::hours{24}};

// A range of pauses between two attempts, each within [kMinRetry, kMaxRetry].
std::pair<milliseconds, milliseconds> read_pauses(const Node& node, std::pair<milliseconds, milliseconds> fallback) {
  const auto pauses = node.duration_range(fallback);
  if (pauses.first >= kMinRetry && pauses.second <= kMaxRetry) return pauses;
  node.mistake("must lie between 100ms and 1d");
  return fallback;
}

}  // namespace

void read_polling(const Node& node, BusSettings& bus) {
  bus.timeout = node["timeout"].duration(bus.timeout, milliseconds{10}, milliseconds{60'000});
  bus.retries = static_cast<int>(node["retries"].integer(bus.retries, 0, 10));
  const auto offline = node["offline"];
  bus.offline_after = static_cast<int>(offline["after"].integer(bus.offline_after, 1, 1000));
  bus.offline_retry = read_pauses(offline["retry"], bus.offline_retry);
  bus.reconnect = read_pauses(node["reconnect"], bus.reconnect);
}

void read_tcp(const Node& node, BusSettings& bus) {
  bus.host = node["host"].required_text();
  bus.port = static_cast<std::uint16_t>(node["port"].integer(bus.port, 1, 65535));
  const auto keepalive = node["keepalive"];
  bus.keepalive = keepalive.duration(bus.keepalive, milliseconds{0}, std::chrono::hours{2});
  if (bus.keepalive.count() % 1000 != 0) keepalive.mistake("must be whole seconds, or 0s for none");
  bus.connect_delay = node["connect_delay"].duration(bus.connect_delay, milliseconds{0}, milliseconds{10'000});
}

void read_serial_line(const Node& node, BusSettings& bus) {
  bus.path = node["port"].required_text();
  if (!bus.path.empty() && bus.path.find('/') == std::string::npos) {
    node["port"].mistake("must be the path of a serial port", "e.g. /dev/ttyUSB0");
  }
  const auto line = node["line"];
  bus.line.baud = static_cast<int>(line["baud"].integer(bus.line.baud, 300, 4'000'000));
  bus.line.parity = line["parity"].one_of(bus.line.parity, kParities);
  bus.line.stop_bits = static_cast<int>(line["stop_bits"].integer(bus.line.stop_bits, 1, 2));
}

}  // namespace ferrule::drivers

#include "gateway/simulate.hpp"

#include <fmt/format.h>
#include <pthread.h>
#include <sysexits.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <optional>
#include <string>

#include "drivers/clock.hpp"
#include "drivers/modbus/simulator.hpp"
#include "drivers/registry.hpp"
#include "gateway/settings.hpp"

namespace ferrule::gateway {

namespace {

using drivers::BusSettings;

const char* word_of(drivers::Parity parity) {
  return parity == drivers::Parity::None ? "none" : parity == drivers::Parity::Even ? "even" : "odd";
}

/// Adds the devices of a bus. What the configuration has to say to reach them; nothing when there is no port.
std::optional<std::string> serve(drivers::modbus::Simulator& simulator, const BusSettings& bus,
                                 const SimulateOptions& options, std::uint16_t port) {
  auto slaves = drivers::modbus::simulated_slaves(bus, options.faults);
  std::erase_if(slaves, [&](const auto& slave) { return slave.unit_id == 0 && drivers::has_line_frames(bus.type); });
  const auto failed = [&](const std::error_code& error) {
    fmt::print(stderr, "ferrule: bus {}: {}\n", bus.name, error.message());
    return std::nullopt;
  };
  if (bus.type == drivers::BusType::ModbusRtu) {
    const auto path = simulator.add_rtu(bus.line, slaves);
    if (!path) return failed(path.error());
    return fmt::format("{{type: modbus-rtu, port: {}, line: {{baud: {}, parity: {}, stop_bits: {}}}}}", *path,
                       bus.line.baud, word_of(bus.line.parity), bus.line.stop_bits);
  }
  const auto listening = simulator.add_tcp(port, slaves);
  if (!listening) return failed(listening.error());
  return fmt::format("{{type: modbus-tcp, host: 127.0.0.1, port: {}}}", *listening);
}

int wait_for_the_end() {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  int signal = 0;
  sigwait(&ends, &signal);
  return signal;
}

/// Before any thread starts: all of them leave these signals to `wait_for_the_end`.
void hold_signals() {
  sigset_t held;
  sigemptyset(&held);
  sigaddset(&held, SIGTERM);
  sigaddset(&held, SIGINT);
  pthread_sigmask(SIG_BLOCK, &held, nullptr);
}

}  // namespace

int simulate(const SimulateOptions& options) {
  const auto settings = load_settings(options.file);
  hold_signals();
  const drivers::SystemClock clock;
  drivers::modbus::Simulator simulator(options.seed, clock);
  std::string text = "buses:\n";
  std::size_t served = 0;
  for (const auto& bus : settings.buses) {
    if (!drivers::is_modbus(bus.type)) {
      text += fmt::format("  # {}: not simulated, it is no Modbus bus\n", bus.name);
      continue;
    }
    const auto port = options.first_port == 0 ? 0 : options.first_port + served;
    const auto place = serve(simulator, bus, options, static_cast<std::uint16_t>(port));
    if (!place) return EX_UNAVAILABLE;
    text += fmt::format("  {}: {}\n", bus.name, *place);
    ++served;
  }
  if (served == 0) {
    fmt::print(stderr, "ferrule: {} has no Modbus devices to simulate\n", options.file.string());
    return EX_UNAVAILABLE;
  }
  simulator.start();
  fmt::print("{}", text);
  std::fflush(stdout);
  wait_for_the_end();
  const auto status = simulator.status();
  fmt::print(stderr, "{} requests, {} answers, {} faults\n", status.requests, status.answers, status.faults);
  return EX_OK;
}

}  // namespace ferrule::gateway

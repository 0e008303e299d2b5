// bench/modbus: what the master costs over TCP, how much of a serial line's time it uses, and what dead units and
// writes do to it; beside the least that can be written with libmodbus.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "bench/modbus/masters.hpp"
#include "bench/modbus/slaves.hpp"

namespace ferrule::bench {

namespace {

using std::chrono::milliseconds;

constexpr int kBlock = 125;
constexpr int kUnits = 10;
constexpr int kDead = 3;
constexpr milliseconds kPeriod{1000};  // of the devices in the workloads that do not saturate
constexpr milliseconds kTimeout{500};
constexpr milliseconds kWarmUp{1000};
constexpr milliseconds kUntilOffline{15'000};  // until the dead units are known as such
constexpr int kWriteRegisters = 10;

std::string points(int count) {
  std::string text = "    points:\n";
  for (int i = 0; i < count; ++i) text += fmt::format("      p{0}: {{register: holding, address: {0}}}\n", i);
  return text;
}

std::string tcp_yaml(const std::vector<std::uint16_t>& ports, int registers, milliseconds interval, int pipeline) {
  std::string text = "templates:\n  t:\n" + points(registers) + "buses:\n";
  for (const auto port : ports) {
    text += fmt::format("  b{0}: {{type: modbus-tcp, host: 127.0.0.1, port: {0}, timeout: 10s, pipeline: {1}}}\n", port,
                        pipeline);
  }
  text += "devices:\n";
  for (const auto port : ports) {
    text += fmt::format("  d{0}: {{bus: b{0}, interval: {1}ms, template: t}}\n", port, interval.count());
  }
  return text;
}

std::string line_yaml(const std::string& path, int baud, int units, int registers, milliseconds interval) {
  auto text = fmt::format(
      "buses:\n  line: {{type: modbus-rtu, port: {}, timeout: {}ms, line: {{baud: {}, parity: even}}}}\n"
      "templates:\n  t:\n{}devices:\n",
      path, kTimeout.count(), baud, points(registers));
  for (int unit = 1; unit <= units; ++unit) {
    text += fmt::format("  d{0}: {{bus: line, unit_id: {0}, interval: {1}ms, template: t}}\n", unit, interval.count());
  }
  return text;
}

void print_tcp(const char* master, const Polled& polled) {
  fmt::print("  {:<24} {:>10.0f} points/s  {:>6.3f} us of processor time per point  {:>5.2f} cores\n", master,
             static_cast<double>(polled.points) / polled.seconds,
             polled.points > 0 ? polled.processor / static_cast<double>(polled.points) * 1e6 : 0,
             polled.processor / polled.seconds);
}

void measure_tcp(milliseconds time) {
  struct Load {
    std::size_t devices;
    int blocks;
    milliseconds interval;
  };
  for (const auto& [devices, blocks, interval] :
       {Load{1, 480, milliseconds(10)}, Load{100, 4, milliseconds(100)}, Load{500, 1, milliseconds(200)}}) {
    const TcpSlaves slaves(devices);
    fmt::print("TCP, {} devices x {} registers every {} ms (as fast as they can where that is too fast)\n", devices,
               blocks * kBlock, interval.count());
    for (const int pipeline : {1, 4}) {
      const auto polled = run_buses(tcp_yaml(slaves.ports(), blocks * kBlock, interval, pipeline), kWarmUp, time);
      print_tcp(fmt::format("Ferrule, pipeline: {}", pipeline).c_str(), polled);
      if (pipeline == 1) {
        fmt::print("  {:<24} {:>10.0f} bytes of heap per point\n", "",
                   static_cast<double>(polled.heap) / static_cast<double>(devices) / (blocks * kBlock));
      }
    }
    const auto pause = devices == 1 ? milliseconds(0) : interval;
    print_tcp("libmodbus, thread each", run_libmodbus(slaves.ports(), blocks, pause, time));
    if (const auto peer = run_modbus_serial(slaves.ports(), blocks, pause, time)) {
      print_tcp("modbus-serial (Node.js)", *peer);
    } else {
      fmt::print("  modbus-serial: node does not find it\n");
    }
  }
}

bool measure_line(int baud, int registers, milliseconds time) {
  const LineSlaves slaves(baud, kUnits, 0);
  const auto ideal = 1 / ideal_transaction(baud, registers);
  const auto ours = run_buses(line_yaml(slaves.path(), baud, kUnits, registers, milliseconds(10)), kWarmUp, time);
  const LineSlaves others(baud, kUnits, 0);
  const auto plain = run_libmodbus(others.path(), baud, kUnits, registers, kTimeout, time);
  const auto rate = [](const Polled& polled) { return static_cast<double>(polled.requests()) / polled.seconds; };
  const auto share = rate(ours) / ideal;
  fmt::print(
      "RTU, {} baud, reads of {} registers: {:.1f}/s of {:.1f}/s possible: {:.1f} %; libmodbus, which keeps no "
      "silence: "
      "{:.1f} %\n",
      baud, registers, rate(ours), ideal, share * 100, rate(plain) / ideal * 100);
  return share >= 0.95;
}

bool measure_dead(milliseconds time) {
  constexpr int kBaud = 19200;
  constexpr int kRegisters = 10;
  const auto least_rate = [&](const Polled& polled) {
    double least = 1;
    for (int unit = 0; unit < kUnits - kDead; ++unit) {
      const auto polls = static_cast<double>(polled.requests_by_device[static_cast<std::size_t>(unit)]);
      least = std::min(least, polls / polled.seconds * std::chrono::duration<double>(kPeriod).count());
    }
    return least;
  };
  const LineSlaves slaves(kBaud, kUnits, kDead);
  const auto ours =
      least_rate(run_buses(line_yaml(slaves.path(), kBaud, kUnits, kRegisters, kPeriod), kUntilOffline, time));
  const LineSlaves others(kBaud, kUnits, kDead);
  const auto plain = least_rate(run_libmodbus(others.path(), kBaud, kUnits, kRegisters, kTimeout, time));
  fmt::print(
      "RTU, {} baud, {} units every {} ms, {} of them dead: a healthy one keeps {:.0f} % of its rate; libmodbus: "
      "{:.0f} %\n",
      kBaud, kUnits, kPeriod.count(), kDead, ours * 100, plain * 100);
  return ours >= 0.9;
}

bool measure_writes() {
  constexpr int kBaud = 9600;
  const LineSlaves slaves(kBaud, kUnits, 0);
  auto yaml = line_yaml(slaves.path(), kBaud, kUnits, kWriteRegisters, milliseconds(10));
  const std::string first = "p0: {register: holding, address: 0";
  yaml.insert(yaml.find(first) + first.size(), ", write: true");
  const auto waits = time_writes(yaml, 50);
  const auto read = ideal_transaction(kBaud, kWriteRegisters);
  // Function 6: request and answer of eight bytes, as in a read of one register and a half.
  const auto write = (ideal_transaction(kBaud, 1) + ideal_transaction(kBaud, 2)) / 2;
  const auto waited = (waits.longest.count() - write) / read;
  fmt::print(
      "RTU, {} baud, full of reads: {} writes, {:.1f} ms in the mean, {:.1f} ms at most; the write itself takes "
      "{:.1f} ms, so the longest waited {:.2f} transactions\n",
      kBaud, waits.confirmed, waits.mean.count() * 1e3, waits.longest.count() * 1e3, write * 1e3, waited);
  return waited <= 1.1;
}

}  // namespace

}  // namespace ferrule::bench

int main(int argc, char** argv) {
  using namespace ferrule::bench;
  CLI::App app{"Measures the Modbus master: TCP, serial lines, dead units, writes", "bench_modbus"};
  std::string ferrule;
  int seconds = 5;
  bool no_tcp = false;
  app.add_option("--ferrule", ferrule, "Not used: the buses run in this process");
  app.add_option("--seconds", seconds, "How long each workload is measured")->capture_default_str();
  app.add_flag("--lines-only", no_tcp, "Without the TCP workloads");
  CLI11_PARSE(app, argc, argv);
  spdlog::set_level(spdlog::level::off);
  try {
    const milliseconds time = std::chrono::seconds(seconds);
    if (!no_tcp) measure_tcp(time);
    bool good = true;
    for (const int baud : {9600, 115200}) {
      for (const int registers : {10, 60}) good = measure_line(baud, registers, time) && good;
    }
    good = measure_dead(std::max<milliseconds>(time, std::chrono::seconds(20))) && good;
    good = measure_writes() && good;
    return good ? 0 : 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_modbus: {}\n", error.what());
    return 1;
  }
}

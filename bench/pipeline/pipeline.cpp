// bench/pipeline: simulated Modbus TCP devices -> gateway process -> local subscriber, beside a published figure.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <string>

#include "bench/pipeline/devices.hpp"
#include "bench/pipeline/reader.hpp"
#include "bench/server_process.hpp"

namespace ferrule::bench {

namespace {

struct Options {
  std::string ferrule;
  std::size_t devices = 500;
  std::size_t points = 60;
  int seconds = 30;
  int warm_up = 10;
  std::uint16_t port = 18830;
};

struct Result {
  double points_per_second = 0;
  double cores = 0;
  double microseconds_per_point = 0;
  double megabytes = 0;
  int threads = 0;
  std::int64_t p50_milliseconds = 0;
  std::int64_t p99_milliseconds = 0;
};

/// A template with the points, and a bus and a device for each port.
std::string configuration(const Options& options, const std::vector<std::uint16_t>& ports,
                          const std::string& state_dir) {
  auto text = fmt::format("version: 1\ngateway: {{id: bench, state_dir: {}}}\nbroker: {{listen: [{{port: {}}}]}}\n",
                          state_dir, options.port);
  text += "publish: {when: poll, qos: 0}\ntemplates:\n  device:\n    points:\n";
  for (std::size_t i = 0; i < options.points; ++i)
    text += fmt::format("      p{}: {{register: holding, address: {}, type: uint16}}\n", i, i);
  text += "buses:\n";
  for (std::size_t i = 0; i < ports.size(); ++i)
    text += fmt::format("  b{}: {{type: modbus-tcp, host: 127.0.0.1, port: {}}}\n", i, ports[i]);
  text += "devices:\n";
  for (std::size_t i = 0; i < ports.size(); ++i)
    text += fmt::format("  d{0}: {{bus: b{0}, unit_id: 1, interval: 1s, template: device}}\n", i);
  return text;
}

Result measure(const Options& options, const std::filesystem::path& directory) {
  const DeviceProcess devices(options.devices, options.points);
  const auto file = directory / "ferrule.yaml";
  std::ofstream(file) << configuration(options, devices.ports(), directory.string());
  const ServerProcess gateway({options.ferrule, "run", file.string()}, (directory / "log").string(), options.port);
  Reader reader(options.port);
  const auto clock = [] { return std::chrono::steady_clock::now(); };
  reader.read_until(clock() + std::chrono::seconds{options.warm_up});
  reader.forget();

  const auto began = clock();
  const auto used = gateway.processor_time();
  reader.read_until(began + std::chrono::seconds{options.seconds});
  const double elapsed = std::chrono::duration<double>(clock() - began).count();
  const double processor = std::chrono::duration<double>(gateway.processor_time() - used).count();
  const auto count = static_cast<double>(reader.count());
  return {count / elapsed,
          processor / elapsed,
          count > 0 ? processor / count * 1e6 : 0,
          gateway.resident_megabytes(),
          gateway.threads(),
          reader.age_quantile(0.5),
          reader.age_quantile(0.99)};
}

void print(const Options& options, const Result& result) {
  fmt::print("{} Modbus TCP devices x {} points at 1 s -> gateway -> local subscriber, {} s\n\n", options.devices,
             options.points, options.seconds);
  fmt::print("{:<34} {:>12} {:>24}\n", "", "Ferrule", "Neuron 2.2.1, published");
  fmt::print("{:<34} {:>12.0f} {:>24}\n", "points/s at the subscriber", result.points_per_second, "30000");
  fmt::print("{:<34} {:>12.2f} {:>24}\n", "processor cores", result.cores, "1.1");
  fmt::print("{:<34} {:>12.1f} {:>24}\n", "processor time per point, us", result.microseconds_per_point, "37");
  fmt::print("{:<34} {:>12.1f} {:>24}\n", "resident memory, MB", result.megabytes, "176");
  fmt::print("{:<34} {:>12} {:>24}\n", "threads", result.threads, "");
  fmt::print("{:<34} {:>12} {:>24}\n", "age at the subscriber, p50, ms", result.p50_milliseconds, "");
  fmt::print("{:<34} {:>12} {:>24}\n", "age at the subscriber, p99, ms", result.p99_milliseconds, "");
}

}  // namespace

}  // namespace ferrule::bench

int main(int argc, char** argv) {
  ferrule::bench::Options options;
  CLI::App app{"Measures the way of a point from simulated devices through the gateway to a local subscriber",
               "bench_pipeline"};
  app.add_option("--ferrule", options.ferrule, "The gateway's program")->required()->check(CLI::ExistingFile);
  app.add_option("--devices", options.devices, "Modbus TCP devices, each on a port of its own")->capture_default_str();
  app.add_option("--points", options.points, "Points of each device")->capture_default_str();
  app.add_option("--seconds", options.seconds, "How long to measure")->capture_default_str();
  app.add_option("--warm-up", options.warm_up, "Seconds before")->capture_default_str();
  app.add_option("--port", options.port, "Of the gateway's broker")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  const auto directory = std::filesystem::temp_directory_path() / fmt::format("ferrule-bench-{}", getpid());
  try {
    std::filesystem::create_directories(directory);
    const auto result = measure(options, directory);
    print(options, result);
    std::filesystem::remove_all(directory);
    return result.points_per_second > 0 ? 0 : 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_pipeline: {} (see {})\n", error.what(), directory.string());
    return 1;
  }
}

// bench/mapping: readings through the mapping engine on one core, and how long a big configuration takes to load.
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "bench/mapping/allocations.hpp"
#include "gateway/settings.hpp"
#include "mapping/mapper.hpp"

namespace ferrule::bench {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kPointsOfADevice = 60;

/// Half integers and half scaled to doubles.
std::string points_of_a_device(std::string_view indent) {
  std::string text;
  for (std::size_t i = 0; i < kPointsOfADevice; ++i) {
    text += fmt::format("{}p{}: {{register: holding, address: {}, type: int16{}}}\n", indent, i, i,
                        i % 2 == 0 ? "" : ", scale: 0.1, unit: V");
  }
  return text;
}

enum class Points : std::uint8_t { OfATemplate, WrittenOut };

/// Devices of 60 points, 200 on a bus.
std::string configuration(std::size_t points, const std::string& publish, Points how = Points::OfATemplate) {
  auto text = fmt::format("version: 1\ngateway: {{id: bench, state_dir: /tmp}}\npublish: {}\n", publish);
  text += "templates:\n  device:\n    points:\n" + points_of_a_device("      ");
  const std::size_t devices = (points + kPointsOfADevice - 1) / kPointsOfADevice;
  text += "buses:\n";
  for (std::size_t i = 0; i < devices; i += 200) text += fmt::format("  b{}: {{type: modbus-tcp, host: h{}}}\n", i, i);
  text += "devices:\n";
  for (std::size_t i = 0; i < devices; ++i) {
    text += fmt::format("  d{}:\n    bus: b{}\n    unit_id: {}\n", i, i / 200 * 200, i % 200 + 1);
    text += how == Points::OfATemplate ? "    template: device\n" : "    points:\n" + points_of_a_device("      ");
  }
  return text;
}

void measure_format(const std::string& name, const std::string& publish, int rounds) {
  constexpr std::size_t kBatch = kPointsOfADevice;
  auto settings = gateway::parse_settings(configuration(kBatch, publish), "bench");
  mapping::PublicationPool pool;
  mapping::Mapper mapper(std::move(settings.mappings.front()), pool);
  std::vector<drivers::Reading> readings(kBatch);
  std::vector<mqtt::PublicationPtr> publications;
  const auto poll = [&](int round) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      auto& reading = readings[i];
      reading.point = static_cast<drivers::PointIndex>(i);
      reading.quality = drivers::Quality::Good;
      const auto raw = static_cast<std::int64_t>(round * 7 + static_cast<int>(i)) % 30'000;
      reading.value = i % 2 == 0 ? drivers::Value(raw) : drivers::Value(static_cast<double>(raw) / 10);
      reading.at = std::chrono::system_clock::time_point{std::chrono::milliseconds{1'700'000'000'000 + round}};
      reading.seen = Clock::time_point{std::chrono::hours{1} + std::chrono::milliseconds{round}};
    }
    publications.clear();
    mapper.map(readings, publications);
  };
  for (int round = 0; round < 1000; ++round) poll(round);
  const auto before = allocations();
  const auto began = Clock::now();
  for (int round = 1000; round < 1000 + rounds; ++round) poll(round);
  const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
  const double count = static_cast<double>(rounds) * kBatch;
  fmt::print("{:<14} {:>12.2f} {:>14.0f} {:>22.3f}\n", name, count / seconds / 1e6, seconds / count * 1e9,
             static_cast<double>(allocations() - before) / count);
}

/// In a process of its own, whose peak is that of this load.
void measure_load(std::size_t points, Points how) {
  std::fflush(stdout);
  const auto child = fork();
  if (child == 0) {
    const auto text = configuration(points, "{}", how);
    const auto began = Clock::now();
    const auto settings = gateway::parse_settings(text, "bench");
    const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    fmt::print("{} points, {}: {} MB of YAML loaded and checked in {:.2f} s, at most {:.0f} MB resident\n",
               settings.point_count, how == Points::OfATemplate ? "of a template" : "written out",
               text.size() / 1'000'000, seconds, static_cast<double>(used.ru_maxrss) * 1024 / 1e6);
    std::fflush(stdout);
    _exit(0);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) < 0 || status != 0) throw std::runtime_error("the load failed");
}

}  // namespace

}  // namespace ferrule::bench

int main(int argc, char** argv) {
  int rounds = 50'000;
  std::size_t points = 100'000;
  std::string ferrule;
  CLI::App app{"Measures the mapping engine", "bench_mapping"};
  app.add_option("--rounds", rounds, "Polls of 60 points for each format")->capture_default_str();
  app.add_option("--points", points, "Of the configuration to load")->capture_default_str();
  app.add_option("--ferrule", ferrule, "Not used: every benchmark is given it");
  CLI11_PARSE(app, argc, argv);
  try {
    ferrule::bench::measure_load(points, ferrule::bench::Points::OfATemplate);
    ferrule::bench::measure_load(points, ferrule::bench::Points::WrittenOut);
    fmt::print("\n{:<14} {:>12} {:>14} {:>22}\n", "format", "million/s", "ns/reading", "allocations/reading");
    for (const auto* format : {"raw", "json", "json-device", "influx"})
      ferrule::bench::measure_format(format, fmt::format("{{when: poll, format: {}}}", format), rounds);
    ferrule::bench::measure_format("template", "{when: poll, payload: '{device}.{point}={value}'}", rounds);
    ferrule::bench::measure_format("unchanged", "{when: change, deadband: 1000000, heartbeat: 0}", rounds);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_mapping: {}\n", error.what());
    return 1;
  }
}

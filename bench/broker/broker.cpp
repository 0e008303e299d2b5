// bench/broker: what a delivered publication costs, side by side with mosquitto and with a raw relay, in one run.
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "bench/broker/relay.hpp"
#include "bench/broker/servers.hpp"
#include "bench/broker/workloads.hpp"

namespace ferrule::bench {

namespace {

struct Options {
  Programs programs;
  std::string only;
  int rounds = 3;
  int duration = 1000;
  std::uint16_t port = 18840;
  std::uint16_t relay_port = 0;
};

using Row = std::map<Kind, std::vector<double>>;  // a value per round

struct Table {
  std::vector<std::string> names;
  std::map<std::string, Row> rows;

  void add(const Figure& figure, Kind kind) {
    if (!rows.contains(figure.name)) names.push_back(figure.name);
    rows[figure.name][kind].push_back(figure.value);
  }
};

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

void print(const Table& table) {
  fmt::print("\n{:<64} {:>9} {:>9} {:>9} {:>11} {:>13}\n", "medians; less is better", "relay", "mosquitto", "Ferrule",
             "to relay", "to mosquitto");
  for (const auto& name : table.names) {
    const Row& row = table.rows.at(name);
    const auto cell = [&](Kind kind) {
      const auto values = row.find(kind);
      return values == row.end() ? std::string() : fmt::format("{:.2f}", median(values->second));
    };
    const auto ratio = [&](Kind kind) {
      if (!row.contains(kind) || !row.contains(Kind::Ferrule)) return std::string();
      return fmt::format("{:.2f}", median(row.at(Kind::Ferrule)) / median(row.at(kind)));
    };
    fmt::print("{:<64} {:>9} {:>9} {:>9} {:>11} {:>13}\n", name, cell(Kind::Relay), cell(Kind::Mosquitto),
               cell(Kind::Ferrule), ratio(Kind::Relay), ratio(Kind::Mosquitto));
  }
}

Table measure(const Options& options, const std::filesystem::path& directory) {
  Table table;
  for (const auto& workload : workloads()) {
    if (workload.name.find(options.only) == std::string::npos) continue;
    for (int round = 1; round <= options.rounds; ++round) {
      for (const Kind kind : kKinds) {  // in turn, so that what else the machine does falls on all alike
        if (kind == Kind::Relay && !workload.for_relay) continue;
        fmt::print(stderr, "\r{:<64} round {}/{}", workload.name, round, options.rounds);
        const Bench bench{options.port, std::chrono::milliseconds{options.duration},
                          [&](Way way) { return start(kind, options.programs, directory, options.port, way); }};
        try {
          for (const auto& figure : workload.measure(bench)) table.add(figure, kind);
        } catch (const std::exception& error) {
          fmt::print(stderr, "\n{}, server {}: {}\n", workload.name, static_cast<int>(kind), error.what());
        }
      }
    }
  }
  fmt::print(stderr, "\n");
  return table;
}

}  // namespace

}  // namespace ferrule::bench

int main(int argc, char** argv) {
  ferrule::bench::Options options;
  options.programs.relay = std::filesystem::read_symlink("/proc/self/exe");
  options.programs.mosquitto = "/usr/sbin/mosquitto";
  CLI::App app{"Measures a broker's processor time per delivered publication, its latency and its memory",
               "bench_broker"};
  app.add_option("--ferrule", options.programs.ferrule, "The gateway's program")->check(CLI::ExistingFile);
  app.add_option("--mosquitto", options.programs.mosquitto, "mosquitto's program")->capture_default_str();
  app.add_option("--only", options.only, "Workloads whose name contains this")->capture_default_str();
  app.add_option("--rounds", options.rounds, "Of each workload; medians are printed")->capture_default_str();
  app.add_option("--duration", options.duration, "Milliseconds of each stretch")->capture_default_str();
  app.add_option("--port", options.port, "Where the servers listen")->capture_default_str();
  auto* relay = app.add_subcommand("relay", "Runs the raw relay alone");
  relay->add_option("port", options.relay_port)->required();
  CLI11_PARSE(app, argc, argv);
  if (*relay) ferrule::bench::relay(options.relay_port);

  const rlimit descriptors{16384, 16384};
  setrlimit(RLIMIT_NOFILE, &descriptors);
  const auto directory = std::filesystem::temp_directory_path() / fmt::format("ferrule-bench-{}", getpid());
  try {
    std::filesystem::create_directories(directory);
    const auto table = ferrule::bench::measure(options, directory);
    print(table);
    std::filesystem::remove_all(directory);
    return table.names.empty() ? 1 : 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_broker: {} (see {})\n", error.what(), directory.string());
    return 1;
  }
}

// bench/outbox: what a queued message costs, beside a bare append and fdatasync of the same bytes in the same run.
#include <fcntl.h>
#include <fmt/format.h>
#include <malloc.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "bridge/outbox.hpp"
#include "bridge/outbox_file.hpp"
#include "mqtt/store.hpp"

namespace ferrule::bench {

namespace {

using namespace std::chrono_literals;
using Seconds = std::chrono::duration<double>;

struct Options {
  std::string ferrule;
  std::filesystem::path directory = std::filesystem::temp_directory_path();
  std::size_t payload = 200, rows = 1'000'000;
  int rounds = 5;
  double seconds = 1;  // for each figure of each round
};

/// Of /proc/self/io: what was handed to the disk.
double bytes_written() {
  std::ifstream io("/proc/self/io");
  double bytes = 0;
  for (std::string key; io >> key >> bytes;) {
    if (key == "write_bytes:") return bytes;
  }
  return 0;
}

double resident_megabytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::stod(line.substr(6)) * 1024 / 1e6;
  }
  return 0;
}

struct Figure {
  double per_second = 0, written = 0;  // messages; bytes per payload byte
};

/// `group` writes one group durably; for `seconds`, and three times at least.
Figure measure(const Options& options, std::size_t group, const std::function<void()>& write_group) {
  const auto began = std::chrono::steady_clock::now();
  const auto written = bytes_written();
  std::size_t groups = 0;
  Seconds took{0};
  do {
    write_group();
    ++groups;
    took = std::chrono::steady_clock::now() - began;
  } while (took.count() < options.seconds || groups < 3);
  const auto count = static_cast<double>(groups * group);
  return {count / took.count(), (bytes_written() - written) / (count * static_cast<double>(options.payload))};
}

bridge::Row row(const Options& options, bridge::Seq seq) {
  bridge::Row row;
  row.seq = seq;
  row.topic = fmt::format("plant1/device{}/point{}", seq % 20, seq % 7);
  row.payload.assign(options.payload, 'x');
  row.published = 1'700'000'000'000;
  return row;
}

Figure append_and_sync(const Options& options, std::size_t group) {
  const auto path = options.directory / "raw";
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const std::string bytes(group * options.payload, 'x');
  const auto figure = measure(options, group, [&] {
    if (write(file, bytes.data(), bytes.size()) < 0 || fdatasync(file) != 0) throw std::runtime_error("cannot write");
  });
  close(file);
  std::filesystem::remove(path);
  return figure;
}

/// With `dequeue` as many old rows go in each transaction as new ones come, with 10,000 waiting.
Figure enqueue(const Options& options, std::size_t group, bool dequeue) {
  const auto directory = options.directory / "queue";
  std::filesystem::create_directories(directory);
  Figure figure;
  {
    bridge::OutboxFile file(directory / "outbox.db");
    bridge::Seq next = 1, oldest = 1;
    const auto insert = [&](std::size_t count) {
      for (std::size_t i = 0; i < count; ++i) file.insert(row(options, next++));
    };
    const auto take = [&](std::size_t count) {
      std::vector<bridge::Seq> seqs(count);
      for (auto& seq : seqs) seq = oldest++;
      return seqs;
    };
    if (dequeue) {
      file.begin();
      insert(10'000);
      file.commit();
    }
    figure = measure(options, group, [&] {
      file.begin();
      insert(group);
      if (dequeue) file.erase(take(group));
      file.commit();
    });
  }
  std::filesystem::remove_all(directory);
  return figure;
}

/// What a process grows by when it opens a queue of `rows` messages and reads its head.
double memory_of_a_backlog(const Options& options) {
  const auto directory = options.directory / "backlog";
  std::filesystem::create_directories(directory);
  double grown = 0;
  {
    bridge::OutboxFile file(directory / "outbox.db");
    for (bridge::Seq seq = 1; seq <= options.rows;) {
      file.begin();
      for (int i = 0; i < 10'000 && seq <= options.rows; ++i) file.insert(row(options, seq++));
      file.commit();
    }
  }
  malloc_trim(0);
  const double before = resident_megabytes();
  {
    bridge::OutboxFile file(directory / "outbox.db");
    mqtt::Store store([](const auto&) {}, [](mqtt::Ticket) {}, [](mqtt::StoreFile&, const std::string&) {});
    mqtt::SystemClock clock;
    bridge::QueueSettings settings;
    settings.max_size = 10'000'000'000;
    bridge::Outbox outbox(file, store, settings, clock);
    if (outbox.size() != options.rows) throw std::runtime_error("the backlog is not complete");
    grown = resident_megabytes() - before;
  }
  std::filesystem::remove_all(directory);
  return grown;
}

/// Bytes written per payload byte while readings come and the cloud acknowledges each of them in time.
double healthy(const Options& options) {
  const auto directory = options.directory / "healthy";
  std::filesystem::create_directories(directory);
  constexpr std::size_t kReadings = 200'000;
  double written = 0;
  {
    bridge::OutboxFile file(directory / "outbox.db");
    mqtt::Store store([](const auto&) {}, [](mqtt::Ticket) {}, [](mqtt::StoreFile&, const std::string&) {});
    mqtt::SystemClock clock;
    bridge::Outbox outbox(file, store, {}, clock);
    outbox.online(true);
    const double before = bytes_written();
    for (std::size_t i = 0; i < kReadings; ++i) {
      auto reading = std::make_shared<mqtt::Publication>();
      reading->topic = row(options, i).topic;
      reading->payload.assign(options.payload, 'x');
      reading->published = clock.now();
      static_cast<void>(outbox.append({reading, {}, mqtt::Qos::AtLeastOnce}, false));
      auto* entry = outbox.next(1);
      if (entry == nullptr) throw std::runtime_error("a reading is not sent");
      const auto seq = entry->seq;
      outbox.sent(*entry);
      outbox.settle(seq);
      outbox.tick();
    }
    written = bytes_written() - before;
    if (outbox.counters().never_written != kReadings) throw std::runtime_error("readings were written");
  }
  std::filesystem::remove_all(directory);
  return written / static_cast<double>(kReadings * options.payload);
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

void run(Options options) {
  options.directory /= fmt::format("ferrule-bench-outbox-{}", getpid());
  std::filesystem::create_directories(options.directory);
  fmt::print("{} bytes a message, medians of {} rounds; ratio: to append + fdatasync of the same bytes, same round\n",
             options.payload, options.rounds);
  fmt::print("{:>5} {:>12} | {:>12} {:>6} {:>9} | {:>16} {:>6} {:>9}\n", "group", "raw msg/s", "enqueue", "ratio",
             "written x", "enqueue+dequeue", "ratio", "written x");
  for (const std::size_t group : std::array{1U, 10U, 100U, 1000U}) {
    std::vector<double> raws, rates[2], ratios[2], written[2];
    for (int round = 0; round < options.rounds; ++round) {
      const double raw = append_and_sync(options, group).per_second;
      raws.push_back(raw);
      for (const bool dequeue : {false, true}) {
        const auto figure = enqueue(options, group, dequeue);
        rates[dequeue].push_back(figure.per_second);
        ratios[dequeue].push_back(figure.per_second / raw);
        written[dequeue].push_back(figure.written);
      }
    }
    fmt::print("{:>5} {:>12.0f} | {:>12.0f} {:>6.2f} {:>9.1f} | {:>16.0f} {:>6.2f} {:>9.1f}\n", group, median(raws),
               median(rates[0]), median(ratios[0]), median(written[0]), median(rates[1]), median(ratios[1]),
               median(written[1]));
    std::fflush(stdout);
  }
  fmt::print("readings that the cloud acknowledges in time: {:.2f} bytes written per payload byte\n", healthy(options));
  fmt::print("a backlog of {} messages: {:+.1f} MB\n", options.rows, memory_of_a_backlog(options));
  std::filesystem::remove_all(options.directory);
}

}  // namespace

}  // namespace ferrule::bench

int main(int argc, char** argv) {
  ferrule::bench::Options options;
  CLI::App app("What a queued message costs.");
  app.add_option("--ferrule", options.ferrule, "not used: the outbox runs in this process");
  app.add_option("--directory", options.directory, "on the disk to be measured");
  app.add_option("--payload", options.payload)->check(CLI::Range(1, 100'000));
  app.add_option("--rows", options.rows, "of the backlog")->check(CLI::Range(1'000, 100'000'000));
  app.add_option("--rounds", options.rounds)->check(CLI::Range(1, 100));
  app.add_option("--seconds", options.seconds)->check(CLI::Range(0.1, 60.0));
  CLI11_PARSE(app, argc, argv);
  spdlog::set_level(spdlog::level::warn);
  try {
    ferrule::bench::run(options);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}

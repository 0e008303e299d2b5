#include "bench/modbus/masters.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <malloc.h>
#include <modbus.h>
#include <sys/resource.h>

#include <atomic>
#include <cinttypes>
#include <cstdio>
#include <future>
#include <memory>
#include <numeric>
#include <random>
#include <stdexcept>
#include <thread>

#include "config/node.hpp"
#include "drivers/bus.hpp"

namespace ferrule::bench {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kWarmUp = 1s;
constexpr int kBlock = 125;

double processor_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

std::size_t heap_in_use() { return mallinfo2().uordblks; }

/// The buses of a configuration, running.
class Running {
 public:
  explicit Running(const std::string& yaml) {
    const auto before = heap_in_use();
    auto settings = settings_of(yaml);
    if (settings.empty()) throw std::runtime_error("no buses");
    for (auto& bus : settings) {
      buses_.push_back(std::make_unique<drivers::Bus>(
          std::move(bus),
          [this](std::span<const drivers::Reading> readings) {
            points_.fetch_add(readings.size(), std::memory_order_relaxed);
          },
          clock_));
    }
    settings = {};
    for (auto& bus : buses_) bus->start();
    heap_ = heap_in_use() - before;
  }
  ~Running() {
    for (auto& bus : buses_) bus->request_stop();
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  std::uint64_t points() const { return points_; }
  std::size_t heap() const { return heap_; }
  std::vector<std::uint64_t> good_polls() const {
    std::vector<std::uint64_t> polls;
    for (const auto& bus : buses_) {
      for (const auto& device : bus->status().devices) polls.push_back(device.polls - device.failures);
    }
    return polls;
  }
  drivers::Bus& first() { return *buses_.front(); }

 private:
  /// The settings hold on to nothing of the document but what a point's publish rule says.
  static std::vector<drivers::BusSettings> settings_of(const std::string& yaml) {
    const auto document = config::Document::parse(yaml, "bench.yaml");
    auto settings = drivers::read_buses(document.root());
    for (auto& bus : settings) {
      for (auto& device : bus.devices) {
        device.publish = {};
        device.publish_template = {};
        for (auto& point : device.points) point.publish = point.publish_template = {};
      }
    }
    return settings;
  }

  drivers::SystemClock clock_;
  std::size_t heap_ = 0;
  std::atomic<std::uint64_t> points_ = 0;
  std::vector<std::unique_ptr<drivers::Bus>> buses_;
};

using Context = std::unique_ptr<modbus_t, void (*)(modbus_t*)>;

void set_timeout(modbus_t* context, milliseconds timeout) {
  const auto microseconds = std::chrono::microseconds(timeout).count();
  modbus_set_response_timeout(context, static_cast<std::uint32_t>(microseconds / 1'000'000),
                              static_cast<std::uint32_t>(microseconds % 1'000'000));
}

void close_and_free(modbus_t* context) {
  modbus_close(context);
  modbus_free(context);
}

}  // namespace

std::uint64_t Polled::requests() const {
  return std::accumulate(requests_by_device.begin(), requests_by_device.end(), std::uint64_t{0});
}

Polled run_buses(const std::string& yaml, milliseconds warm_up, milliseconds time) {
  const Running buses(yaml);
  std::this_thread::sleep_for(warm_up);
  const auto began = steady_clock::now();
  const auto processor = processor_seconds();
  const auto points = buses.points();
  const auto polls = buses.good_polls();
  std::this_thread::sleep_for(time);
  Polled polled{std::chrono::duration<double>(steady_clock::now() - began).count(), processor_seconds() - processor,
                buses.points() - points, buses.good_polls(), buses.heap()};
  for (std::size_t i = 0; i < polls.size(); ++i) polled.requests_by_device[i] -= polls[i];
  return polled;
}

Waits time_writes(const std::string& yaml, std::size_t writes) {
  Running buses(yaml);
  std::this_thread::sleep_for(kWarmUp);
  std::minstd_rand random(1);
  Waits waits;
  for (std::size_t i = 0; i < writes; ++i) {
    std::this_thread::sleep_for(milliseconds(50 + random() % 100));
    std::promise<bool> done;
    const auto began = steady_clock::now();
    drivers::WriteRequest request;
    request.value = std::uint64_t{i};
    request.deadline = began + 5s;
    request.done = [&](const drivers::WriteResult& result) { done.set_value(result.outcome == drivers::Outcome::Ok); };
    if (!buses.first().submit(std::move(request)) || !done.get_future().get()) continue;
    const std::chrono::duration<double> waited = steady_clock::now() - began;
    waits.longest = std::max(waits.longest, waited);
    waits.mean += waited;
    ++waits.confirmed;
  }
  if (waits.confirmed > 0) waits.mean /= static_cast<double>(waits.confirmed);
  return waits;
}

Polled run_libmodbus(const std::vector<std::uint16_t>& ports, int blocks, milliseconds pause, milliseconds time) {
  std::atomic<std::uint64_t> points = 0;
  std::atomic<bool> done = false;
  std::vector<std::jthread> threads;
  for (const auto port : ports) {
    threads.emplace_back([&, port] {
      const Context context(modbus_new_tcp("127.0.0.1", port), close_and_free);
      std::vector<std::uint16_t> registers(kBlock);
      if (modbus_connect(context.get()) != 0) return;
      while (!done) {
        for (int block = 0; block < blocks; ++block) {
          const int got = modbus_read_registers(context.get(), block * kBlock, kBlock, registers.data());
          if (got > 0) points.fetch_add(static_cast<std::uint64_t>(got), std::memory_order_relaxed);
        }
        if (pause > 0ms) std::this_thread::sleep_for(pause);
      }
    });
  }
  std::this_thread::sleep_for(kWarmUp);
  const auto began = steady_clock::now();
  const auto processor = processor_seconds();
  const auto before = points.load();
  std::this_thread::sleep_for(time);
  const Polled polled{std::chrono::duration<double>(steady_clock::now() - began).count(),
                      processor_seconds() - processor,
                      points - before,
                      {}};
  done = true;
  return polled;
}

std::optional<Polled> run_modbus_serial(const std::vector<std::uint16_t>& ports, int blocks, milliseconds pause,
                                        milliseconds time) {
  const auto command = fmt::format(
      "node -e \"require('modbus-serial')\" 2>/dev/null && node {} "
      "'{{\"ports\":[{}],\"blocks\":{},\"pause\":{},\"time\":{}}}'",
      FERRULE_PEER_SCRIPT, fmt::join(ports, ","), blocks, pause.count(), time.count());
  const std::unique_ptr<FILE, int (*)(FILE*)> said(::popen(command.c_str(), "r"), ::pclose);
  Polled polled;
  if (!said ||
      std::fscanf(said.get(), "%" SCNu64 " %lf %lf", &polled.points, &polled.seconds, &polled.processor) != 3) {
    return std::nullopt;
  }
  return polled;
}

Polled run_libmodbus(const std::string& path, int baud, int units, int registers, milliseconds timeout,
                     milliseconds time) {
  const Context context(modbus_new_rtu(path.c_str(), baud, 'E', 8, 1), close_and_free);
  if (modbus_connect(context.get()) != 0) throw std::runtime_error(modbus_strerror(errno));
  set_timeout(context.get(), timeout);
  std::vector<std::uint16_t> values(static_cast<std::size_t>(registers));
  Polled polled;
  polled.requests_by_device.assign(static_cast<std::size_t>(units), 0);
  const auto began = steady_clock::now();
  const auto processor = processor_seconds();
  while (steady_clock::now() - began < time) {
    for (int unit = 1; unit <= units; ++unit) {
      modbus_set_slave(context.get(), unit);
      if (modbus_read_registers(context.get(), 0, registers, values.data()) != registers) continue;
      ++polled.requests_by_device[static_cast<std::size_t>(unit - 1)];
      polled.points += static_cast<std::uint64_t>(registers);
    }
  }
  polled.seconds = std::chrono::duration<double>(steady_clock::now() - began).count();
  polled.processor = processor_seconds() - processor;
  return polled;
}

}  // namespace ferrule::bench

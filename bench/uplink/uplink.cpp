// bench/uplink: how fast an outbox drains to mosquitto and what a message costs, with each client at QoS 1 and 2,
// beside what the client publishes without any outbox, in one run.
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bench/server_process.hpp"
#include "bridge/ferrule_link.hpp"
#include "bridge/paho_link.hpp"
#include "bridge/uplink.hpp"
#include "mqtt/loop.hpp"
#include "mqtt/store.hpp"

namespace ferrule::bench {

namespace {

using namespace std::chrono_literals;
using bridge::Client;
using Seconds = std::chrono::duration<double>;

struct Options {
  std::string ferrule, mosquitto = "/usr/sbin/mosquitto";
  std::size_t messages = 50'000;
  std::size_t payload = 150;
  std::size_t window = 100;
  int rounds = 3;
  std::vector<Client> clients = {Client::Ferrule, Client::Paho};
  std::vector<mqtt::Qos> qos = {mqtt::Qos::AtLeastOnce, mqtt::Qos::ExactlyOnce};
  std::uint16_t port = 18860;
};

struct Figure {
  double per_second = 0;        ///< messages acknowledged by the cloud
  double cpu_microseconds = 0;  ///< of this process, per message
  double bytes_written = 0;     ///< to the disk, per payload byte
  double alone = 0;             ///< messages a second of the client without a queue, just before
  double of_alone = 0;          ///< the rate, to that one
};

Seconds processor_time() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return Seconds(static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// Of /proc/self/io: what was handed to the disk.
double bytes_written() {
  std::ifstream io("/proc/self/io");
  double bytes = 0;
  for (std::string key; io >> key >> bytes;) {
    if (key == "write_bytes:") return bytes;
  }
  return 0;
}

/// A gateway's side of one uplink.
class Gateway {
 public:
  Gateway(const bridge::UplinkSettings& settings, const std::filesystem::path& directory)
      : store_([this](std::function<void()> task) { loop_.post(std::move(task)); },
               [this](mqtt::Ticket ticket) {
                 if (uplink_) uplink_->committed(ticket);
               },
               [](mqtt::StoreFile&, const std::string& what) { throw std::runtime_error(what); }) {
    uplink_ = std::make_unique<bridge::Uplink>(
        settings, directory, store_, [this](std::function<void()> task) { loop_.post(std::move(task)); }, clock_,
        [](const auto&, bool) { return mqtt::Ticket{0}; });
    loop_.every(100ms, [this] { uplink_->tick(); });
  }
  ~Gateway() { uplink_->stop(500ms); }
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  void fill(const Options& options, mqtt::Qos qos) {
    for (std::size_t i = 0; i < options.messages; ++i) {
      auto publication = std::make_shared<mqtt::Publication>();
      publication->topic = fmt::format("plant1/device{}/point{}", i % 20, i % 7);
      publication->payload = std::string(options.payload, 'x');
      publication->qos = qos;
      publication->published = clock_.now();
      static_cast<void>(uplink_->append(publication, false));
    }
    run_until([this] { return store_.backlog() == 0; });
  }

  Figure drain() {
    const auto count = static_cast<double>(uplink_->status().queued);
    const auto began = std::chrono::steady_clock::now();
    const auto processor = processor_time();
    const auto written = bytes_written();
    uplink_->start();
    run_until([this] { return uplink_->status().queued == 0; });
    const Seconds took = std::chrono::steady_clock::now() - began;
    return {.per_second = count / took.count(),
            .cpu_microseconds = (processor_time() - processor).count() * 1e6 / count,
            .bytes_written = (bytes_written() - written) / count};
  }

 private:
  void run_until(const std::function<bool()>& done) {
    done_ = done;
    loop_.post([this] { look(); });
    loop_.run();
  }
  void look() {
    if (done_()) return loop_.stop();
    loop_.once(1ms, [this] { look(); });
  }

  mqtt::Loop loop_;
  mqtt::SystemClock clock_;
  std::function<bool()> done_;
  std::unique_ptr<bridge::Uplink> uplink_;
  mqtt::Store store_;
};

class NoState final : public bridge::LinkState {
 public:
  void write(std::vector<InFlight>, Written written) override { written({}); }
  std::vector<InFlight> restore() override { return {}; }
};

/// The client alone: `window` in flight, nothing on disk.
class Bare final : public bridge::LinkEvents {
 public:
  Bare(const bridge::UplinkSettings& settings, const Options& options, mqtt::Qos qos) : options_(options), qos_(qos) {
    link_ = settings.client == Client::Paho ? bridge::make_paho_link(settings, state_, *this)
                                            : bridge::make_ferrule_link(settings, state_, *this);
  }
  ~Bare() override { link_->disconnect(500ms); }
  Bare(const Bare&) = delete;
  Bare& operator=(const Bare&) = delete;

  double per_second() {
    link_->connect();
    loop_.run();
    return static_cast<double>(options_.messages) / Seconds(std::chrono::steady_clock::now() - began_).count();
  }

 private:
  void on_connected(bool) override {
    loop_.post([this] {
      began_ = std::chrono::steady_clock::now();
      for (std::size_t i = 0; i < options_.window; ++i) send();
    });
  }
  void on_disconnected(std::string cause) override {
    if (cause != "stopped") fmt::print(stderr, "{}\n", cause);
  }
  void on_settled(bridge::Seq, mqtt::Reason) override {
    loop_.post([this] {
      if (++settled_ == options_.messages) return loop_.stop();
      send();
    });
  }
  void on_message(mqtt::Publication, bridge::Arrival) override {}

  void send() {
    if (sent_ == options_.messages) return;
    auto publication = std::make_shared<mqtt::Publication>();
    publication->topic = fmt::format("plant1/device{}/point{}", sent_ % 20, sent_ % 7);
    publication->payload = std::string(options_.payload, 'x');
    const auto& topic = publication->topic;
    link_->send(++sent_, publication, topic, qos_);
  }

  const Options& options_;
  const mqtt::Qos qos_;
  mqtt::Loop loop_;
  NoState state_;
  std::chrono::steady_clock::time_point began_;
  std::size_t sent_ = 0, settled_ = 0;
  std::unique_ptr<bridge::Link> link_;
};

bridge::UplinkSettings settings_of(const Options& options, Client client) {
  bridge::UplinkSettings settings;
  settings.name = fmt::format("{}", client == Client::Paho ? "paho" : "ferrule");
  settings.urls = {fmt::format("mqtt://127.0.0.1:{}", options.port)};
  settings.client_id = settings.name;
  settings.client = client;
  settings.window = options.window;
  return settings;
}

Figure measure(const Options& options, Client client, mqtt::Qos qos, const std::filesystem::path& directory) {
  auto settings = settings_of(options, client);
  const double alone = Bare(settings, options, qos).per_second();
  settings.out.push_back({*mqtt::TopicFilter::parse("#"), "{topic}", {}});
  std::filesystem::remove_all(directory / "state");
  std::filesystem::create_directories(directory / "state");
  Gateway gateway(settings, directory / "state");
  gateway.fill(options, qos);
  auto figure = gateway.drain();
  figure.bytes_written /= static_cast<double>(options.payload);
  figure.alone = alone;
  figure.of_alone = figure.per_second / alone;
  return figure;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

void run(const Options& options) {
  const auto directory = std::filesystem::temp_directory_path() / fmt::format("ferrule-bench-uplink-{}", getpid());
  std::filesystem::create_directories(directory);
  std::ofstream(directory / "mosquitto.conf")
      << fmt::format("listener {} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 0\nuser root\n", options.port);
  {
    const ServerProcess cloud({options.mosquitto, "-c", directory / "mosquitto.conf"}, directory / "mosquitto.log",
                              options.port);
    std::map<std::pair<Client, mqtt::Qos>, std::vector<Figure>> figures;
    for (int round = 0; round < options.rounds; ++round) {
      for (const auto qos : options.qos) {
        for (const auto client : options.clients) {
          figures[{client, qos}].push_back(measure(options, client, qos, directory));
        }
      }
    }
    fmt::print("{} messages of {} bytes from a backlog, window {}, medians of {} rounds\n", options.messages,
               options.payload, options.window, options.rounds);
    fmt::print("{:<8} {:>4} {:>11} {:>13} {:>6} {:>15} {:>28}\n", "client", "QoS", "messages/s", "client alone",
               "ratio", "CPU us/message", "bytes written/payload byte");
    for (const auto& [key, rounds] : figures) {
      const auto of = [&rounds = rounds](double Figure::*member) {
        std::vector<double> values;
        for (const auto& figure : rounds) values.push_back(figure.*member);
        return median(values);
      };
      fmt::print("{:<8} {:>4} {:>11.0f} {:>13.0f} {:>6.2f} {:>15.1f} {:>28.1f}\n",
                 key.first == Client::Paho ? "paho" : "ferrule", static_cast<int>(key.second), of(&Figure::per_second),
                 of(&Figure::alone), of(&Figure::of_alone), of(&Figure::cpu_microseconds), of(&Figure::bytes_written));
    }
  }
  std::filesystem::remove_all(directory);
}

}  // namespace

}  // namespace ferrule::bench

int main(int argc, char** argv) {
  using ferrule::bridge::Client;
  using ferrule::mqtt::Qos;
  ferrule::bench::Options options;
  CLI::App app("Drains an outbox to mosquitto with each client.");
  app.add_option("--ferrule", options.ferrule, "not used: the uplink runs in this process");
  app.add_option("--mosquitto", options.mosquitto);
  app.add_option("--messages", options.messages)->check(CLI::Range(1'000, 5'000'000));
  app.add_option("--payload", options.payload)->check(CLI::Range(1, 100'000));
  app.add_option("--window", options.window)->check(CLI::Range(1, 10'000));
  app.add_option("--rounds", options.rounds)->check(CLI::Range(1, 100));
  app.add_option("--port", options.port);
  const std::map<std::string, Client> clients = {{"ferrule", Client::Ferrule}, {"paho", Client::Paho}};
  const std::map<std::string, Qos> qos = {{"1", Qos::AtLeastOnce}, {"2", Qos::ExactlyOnce}};
  app.add_option("--client", options.clients)->transform(CLI::Transformer(clients));
  app.add_option("--qos", options.qos)->transform(CLI::Transformer(qos));
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

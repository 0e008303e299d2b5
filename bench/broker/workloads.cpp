#include "bench/broker/workloads.hpp"

#include <fmt/format.h>

#include <thread>

#include "bench/broker/load.hpp"

namespace ferrule::bench {

namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr auto kWarmUp = 200ms;
constexpr std::size_t kIdle = 10'000;
constexpr int kTopics = 100'000;

std::vector<Figure> deliver(const Bench& bench, const std::string& name, const Shape& shape) {
  const auto server = bench.start_on(shape.way);
  Load load(bench.port, shape);
  load.run(*server, kWarmUp);
  return {{name + ", us CPU each", load.run(*server, bench.duration).microseconds_each()}};
}

Workload delivery(const std::string& name, const Shape& shape, bool for_relay = true) {
  return {name, for_relay, [=](const Bench& bench) { return deliver(bench, name, shape); }};
}

std::vector<Figure> steady(const Bench& bench) {
  const auto server = bench.start();
  Load load(bench.port, {.publishers = 1, .qos = 1});
  load.run_steadily(*server, kWarmUp, 1000);
  return {{"QoS 1 at 1,000 a second, us CPU each",
           load.run_steadily(*server, bench.duration * 2, 1000).microseconds_each()}};
}

std::vector<Figure> latency(const Bench& bench, int qos) {
  const auto server = bench.start();
  Load load(bench.port, {.publishers = 1, .qos = qos});
  load.round_trips(500);
  const auto times = load.round_trips(static_cast<std::size_t>(bench.duration / 1ms) * 5);
  const auto at = [&](double share) {
    return std::chrono::duration<double, std::micro>(
               times[static_cast<std::size_t>(share * static_cast<double>(times.size() - 1))])
        .count();
  };
  return {{fmt::format("QoS {} publish to receipt, p50 us", qos), at(0.5)},
          {fmt::format("QoS {} publish to receipt, p99 us", qos), at(0.99)}};
}

/// How many bytes the server's resident memory grew while `grow` ran.
template <class F>
double growth(const ServerProcess& server, F grow) {
  std::this_thread::sleep_for(200ms);
  const double before = server.resident_megabytes();
  grow();
  std::this_thread::sleep_for(500ms);
  return (server.resident_megabytes() - before) * 1e6;
}

std::vector<std::unique_ptr<Client>> idle_clients(std::uint16_t port, std::size_t count) {
  std::vector<std::unique_ptr<Client>> clients;
  for (std::size_t i = 0; i < count; ++i) clients.push_back(std::make_unique<Client>(port, fmt::format("idle-{}", i)));
  return clients;
}

std::vector<Figure> idle(const Bench& bench) {
  const auto server = bench.start();
  std::vector<std::unique_ptr<Client>> clients;
  const double bytes = growth(*server, [&] { clients = idle_clients(bench.port, kIdle); });
  Load load(bench.port, {});
  load.run(*server, kWarmUp);
  return {{"KiB per idle connection", bytes / 1024 / static_cast<double>(kIdle)},
          {"QoS 0, 10 -> 1, beside 10,000 idle connections, us CPU each",
           load.run(*server, bench.duration).microseconds_each()}};
}

std::vector<Figure> retained(const Bench& bench) {
  const auto server = bench.start();
  Client publisher(bench.port, "publisher");
  const double bytes = growth(*server, [&] {
    for (int i = 0; i < kTopics; ++i) {
      publisher.publish(fmt::format("plant/line{}/meter{}/voltage", i / 1000, i % 1000), 0, 1, 1, true);
      while (publisher.published - publisher.acknowledged > 100) publisher.read();
    }
    while (publisher.published != publisher.acknowledged) publisher.read();
  });
  const auto used = server->processor_time();
  Client subscriber(bench.port, "subscriber");
  const auto began = steady_clock::now();
  subscriber.subscribe({"plant/#"}, 0);
  while (subscriber.received < kTopics) {
    subscriber.read();
    if (steady_clock::now() > began + 20s) throw std::runtime_error("retained publications do not arrive");
  }
  return {{"bytes per retained topic", bytes / kTopics},
          {"100,000 retained to a new subscriber, ms",
           std::chrono::duration<double, std::milli>(steady_clock::now() - began).count()},
          {"100,000 retained to a new subscriber, us CPU each",
           std::chrono::duration<double, std::micro>(server->processor_time() - used).count() / kTopics}};
}

/// 100 clients with a 100th of the subscriptions each.
std::vector<std::unique_ptr<Client>> subscribe(std::uint16_t port, int count) {
  std::vector<std::unique_ptr<Client>> clients;
  for (int client = 0; client < 100; ++client) {
    clients.push_back(std::make_unique<Client>(port, fmt::format("subscriber-{}-{}", count, client)));
    std::vector<std::string> filters;
    for (int i = client; i < count; i += 100)
      filters.push_back(fmt::format("site/line{}/meter{}/voltage", i / 1000, i % 1000));
    for (std::size_t at = 0; at < filters.size(); at += 100) {
      clients.back()->subscribe({filters.begin() + static_cast<std::ptrdiff_t>(at),
                                 filters.begin() + static_cast<std::ptrdiff_t>(std::min(at + 100, filters.size()))},
                                0);
    }
  }
  return clients;
}

std::vector<Figure> subscriptions(const Bench& bench) {
  std::vector<Figure> figures;
  const auto beside = [&](const ServerProcess& server, const std::string& how_many) {
    Load load(bench.port, {});
    load.run(server, kWarmUp);
    figures.push_back({fmt::format("QoS 0, 10 -> 1, beside {} subscriptions, us CPU each", how_many),
                       load.run(server, bench.duration).microseconds_each()});
  };
  const auto server = bench.start();
  const auto ten = subscribe(bench.port, 10);
  beside(*server, "10");
  const auto thousand = subscribe(bench.port, 1000);
  beside(*server, "1,010");
  std::vector<std::unique_ptr<Client>> clients;
  const auto used = server->processor_time();
  const double bytes = growth(*server, [&] { clients = subscribe(bench.port, kTopics); });
  figures.push_back({"subscribing, us CPU each",
                     std::chrono::duration<double, std::micro>(server->processor_time() - used).count() / kTopics});
  figures.push_back({"bytes per subscription", bytes / kTopics});
  beside(*server, "101,010");

  Client publisher(bench.port, "publisher");
  const auto before = server->processor_time();
  constexpr int kRouted = 20'000;
  std::uint64_t arrived = 0;
  for (int i = 0; i < kRouted; ++i) {  // prime to the number of topics: each another one
    const int topic = static_cast<int>((static_cast<std::int64_t>(i) * 7919) % kTopics);
    publisher.publish(fmt::format("site/line{}/meter{}/voltage", topic / 1000, topic % 1000), 0, 1, 1);
    while (publisher.acknowledged != publisher.published) publisher.read();
  }
  const auto routing = std::chrono::duration<double, std::micro>(server->processor_time() - before).count() / kRouted;
  for (const auto& client : clients) client->read();
  for (const auto& client : clients) arrived += client->received;
  if (arrived != kRouted) throw std::runtime_error("publications do not arrive");
  figures.push_back({"QoS 1 to one of 100,000 subscriptions, us CPU each", routing});
  return figures;
}

std::vector<Figure> start_up(const Bench& bench) {
  const auto server = bench.start();
  const Client client(bench.port, "first");
  const auto time = steady_clock::now() - server->began();
  std::this_thread::sleep_for(200ms);
  return {{"start to first CONNACK, ms", std::chrono::duration<double, std::milli>(time).count()},
          {"resident memory after the start, MB", server->resident_megabytes()}};
}

}  // namespace

std::vector<Workload> workloads() {
  return {
      delivery("QoS 0, 10 -> 1", {}),
      delivery("QoS 0, 10 -> 1, 16 per write", {.burst = 16}),
      delivery("QoS 1, 10 -> 1", {.qos = 1}),
      delivery("QoS 1, 10 -> 1, 16 per write", {.qos = 1, .burst = 16}),
      delivery("QoS 2, 10 -> 1", {.qos = 2}, false),
      delivery("QoS 0, 1 -> 100", {.publishers = 1, .subscribers = 100}),
      delivery("QoS 0, 1 -> 100, 16 per write", {.publishers = 1, .subscribers = 100, .burst = 16}),
      delivery("QoS 1, 1 -> 100", {.publishers = 1, .subscribers = 100, .qos = 1}),
      delivery("QoS 0, 10 -> 1, MQTT 5 with properties", {.level = Level::V5}, false),
      delivery("QoS 1, 10 -> 1, MQTT 5 with properties", {.qos = 1, .level = Level::V5}, false),
      delivery("QoS 0, 10 -> 1, TLS", {.way = Way::Tls}, false),
      delivery("QoS 1, 10 -> 1, 16 per write, TLS", {.qos = 1, .burst = 16, .way = Way::Tls}, false),
      delivery("QoS 0, 10 -> 1, WebSocket", {.way = Way::WebSocket}, false),
      delivery("QoS 1, 10 -> 1, 16 per write, WebSocket", {.qos = 1, .burst = 16, .way = Way::WebSocket}, false),
      {"steady", true, steady},
      {"latency QoS 0", true, [](const Bench& bench) { return latency(bench, 0); }},
      {"latency QoS 1", true, [](const Bench& bench) { return latency(bench, 1); }},
      {"idle connections", false, idle},
      {"retained", false, retained},
      {"subscriptions", false, subscriptions},
      {"start", false, start_up},
  };
}

}  // namespace ferrule::bench

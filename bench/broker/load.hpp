// A closed loop of publishers and subscribers in one thread: each publisher goes on when everybody has its last burst.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/broker/client.hpp"
#include "bench/server_process.hpp"

namespace ferrule::bench {

struct Shape {
  int publishers = 10;
  int subscribers = 1;
  int qos = 0;
  int burst = 1;  ///< publications per write
  Level level = Level::V311;
  Way way = Way::Tcp;
};

/// What a stretch of a load came to.
struct Stretch {
  std::uint64_t delivered = 0;                 ///< publications, over all subscribers
  std::chrono::nanoseconds processor_time{0};  ///< of the server
  double microseconds_each() const {
    return static_cast<double>(processor_time.count()) / 1000 / static_cast<double>(delivered);
  }
};

/// Every publisher has a topic of its own; every subscriber gets all of them.
class Load {
 public:
  Load(std::uint16_t port, const Shape& shape);
  ~Load();

  /// Runs for `duration` and until everything has arrived. Throws std::runtime_error when something is lost, repeated
  /// or out of order.
  Stretch run(const ServerProcess& server, std::chrono::milliseconds duration);
  /// The same at a steady rate from the first publisher, not in a closed loop.
  Stretch run_steadily(const ServerProcess& server, std::chrono::milliseconds duration, int per_second);
  /// Times from one publication's write to its receipt, one after the other; sorted.
  std::vector<std::chrono::nanoseconds> round_trips(std::size_t count);

 private:
  bool has_arrived(std::size_t publisher) const;
  void publish(std::size_t publisher, int count);
  void read(std::chrono::milliseconds longest);
  void settle();  // until everything has arrived
  std::uint64_t delivered() const;

  const Shape shape_;
  const int epoll_;
  std::vector<std::unique_ptr<Client>> publishers_, subscribers_;
  std::vector<std::string> topics_;
};

}  // namespace ferrule::bench

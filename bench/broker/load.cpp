#include "bench/broker/load.hpp"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

namespace ferrule::bench {

namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr auto kPatience = 10s;  // without progress

}  // namespace

Load::Load(std::uint16_t port, const Shape& shape) : shape_(shape), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  const auto watch = [&](Client& client) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &client;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, client.descriptor(), &event);
  };
  for (int i = 0; i < shape.subscribers; ++i) {
    subscribers_.push_back(std::make_unique<Client>(port, fmt::format("subscriber-{}", i), shape.level, shape.way));
    subscribers_.back()->subscribe({"plant/+/line"}, shape.qos);
    subscribers_.back()->received_of.resize(static_cast<std::size_t>(shape.publishers));
    watch(*subscribers_.back());
  }
  for (int i = 0; i < shape.publishers; ++i) {
    publishers_.push_back(std::make_unique<Client>(port, fmt::format("publisher-{}", i), shape.level, shape.way));
    topics_.push_back(fmt::format("plant/{}/line", i));
    watch(*publishers_.back());
  }
}

Load::~Load() { close(epoll_); }

bool Load::has_arrived(std::size_t publisher) const {
  const Client& from = *publishers_[publisher];
  if (shape_.qos > 0 && from.acknowledged != from.published) return false;
  return std::ranges::all_of(
      subscribers_, [&](const auto& subscriber) { return subscriber->received_of[publisher] == from.published; });
}

void Load::publish(std::size_t publisher, int count) {
  publishers_[publisher]->publish(topics_[publisher], static_cast<std::uint32_t>(publisher), shape_.qos, count);
}

void Load::read(std::chrono::milliseconds longest) {
  std::array<epoll_event, 128> events;
  const int count =
      epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), static_cast<int>(longest.count()));
  for (int i = 0; i < count; ++i) static_cast<Client*>(events[static_cast<std::size_t>(i)].data.ptr)->read();
}

std::uint64_t Load::delivered() const {
  std::uint64_t sum = 0;
  for (const auto& subscriber : subscribers_) sum += subscriber->received;
  return sum;
}

void Load::settle() {
  auto seen = delivered();
  auto progress = steady_clock::now();
  for (std::size_t i = 0; i < publishers_.size();) {
    if (has_arrived(i)) {
      ++i;
      continue;
    }
    read(100ms);
    if (std::exchange(seen, delivered()) != seen) progress = steady_clock::now();
    if (steady_clock::now() > progress + kPatience) throw std::runtime_error("publications do not arrive");
  }
  for (const auto& subscriber : subscribers_) {
    if (subscriber->disordered > 0) throw std::runtime_error("publications arrive twice or out of order");
  }
}

Stretch Load::run(const ServerProcess& server, std::chrono::milliseconds duration) {
  const auto before = delivered();
  const auto used = server.processor_time();
  for (const auto end = steady_clock::now() + duration; steady_clock::now() < end; read(100ms)) {
    for (std::size_t i = 0; i < publishers_.size(); ++i) {
      if (has_arrived(i)) publish(i, shape_.burst);
    }
  }
  settle();
  return {delivered() - before, server.processor_time() - used};
}

Stretch Load::run_steadily(const ServerProcess& server, std::chrono::milliseconds duration, int per_second) {
  const auto before = delivered();
  const auto used = server.processor_time();
  const auto began = steady_clock::now();
  const auto first = publishers_[0]->published;
  for (auto now = began; now < began + duration; now = steady_clock::now()) {
    const auto due = first + static_cast<std::uint32_t>((now - began) * per_second / 1s);
    while (publishers_[0]->published < due) publish(0, 1);
    read(1ms);
  }
  settle();
  return {delivered() - before, server.processor_time() - used};
}

std::vector<std::chrono::nanoseconds> Load::round_trips(std::size_t count) {
  std::vector<std::chrono::nanoseconds> times;
  while (times.size() < count) {
    const auto began = steady_clock::now();
    publish(0, 1);
    while (subscribers_[0]->received_of[0] != publishers_[0]->published) read(1000ms);
    times.push_back(steady_clock::now() - began);
    settle();
  }
  std::ranges::sort(times);
  return times;
}

}  // namespace ferrule::bench

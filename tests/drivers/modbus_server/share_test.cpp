// A bus that other masters share, against a slave on TCP.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "drivers/bus.hpp"
#include "tests/drivers/fake_slave.hpp"

namespace ferrule::drivers {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

using Bytes = std::vector<std::uint8_t>;

constexpr std::uint16_t kPolled = 3;    // the address that the bus itself reads
constexpr std::uint16_t kForeign = 40;  // and what others ask for

class SharedBus : public testing::Test {
 protected:
  void start(Answering answering) {
    slave_ = std::make_unique<TcpSlave>(std::move(answering));
    BusSettings settings;
    settings.name = "shared";
    settings.host = "127.0.0.1";
    settings.port = slave_->port();
    settings.timeout = 5000ms;
    auto& point = settings.devices.emplace_back().points.emplace_back();
    point.address = kPolled;
    point.interval = 10ms;
    bus = std::make_unique<Bus>(
        std::move(settings), [this](std::span<const Reading>) { ++polls; }, clock_);
    EXPECT_FALSE(bus->recall(1, Bytes{3, 0, kForeign, 0, 1}, {})) << "from now on it remembers";
    bus->start();
  }
  bool pass(Bytes request) {
    return bus->pass({1, std::move(request), clock_.now() + 60s, [this](PassResult&& result) {
                        const std::lock_guard lock(mutex_);
                        results_.push_back(std::move(result));
                        changed_.notify_all();
                      }});
  }
  std::vector<PassResult> results(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, 30s, [&] { return results_.size() >= count; });
    return results_;
  }

  std::atomic<int> polls = 0;
  std::mutex mutex;
  std::vector<std::uint16_t> order;  // of what the slave was asked; guarded by mutex

 private:
  SystemClock clock_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<PassResult> results_;  // guarded by mutex_
  std::unique_ptr<TcpSlave> slave_;

 protected:
  std::unique_ptr<Bus> bus;  // ends before what it looks at
};

const Bytes kRead{3, 0, kForeign, 0, 1};

TEST_F(SharedBus, TakesTurnsBetweenItsOwnReadsAndThoseOfOthers) {
  start([this](const Asked& asked) {
    std::this_thread::sleep_for(12ms);  // longer than the interval: the bus's own read is always due
    const std::lock_guard lock(mutex);
    order.push_back(asked.address);
    return answer_addresses(asked);
  });
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(pass(kRead));
  const auto all = results(20);
  ASSERT_EQ(all.size(), 20U);
  for (const auto& result : all) EXPECT_THAT(result.value(), ElementsAre(3, 2, 0, kForeign));
  const std::lock_guard lock(mutex);
  for (std::size_t i = 1; i < order.size(); ++i) {
    EXPECT_FALSE(order[i] == kForeign && order[i - 1] == kForeign) << "two requests of others in a row, at " << i;
  }
}

TEST_F(SharedBus, RemembersWhatItReadItselfAndWhatOthersAsked) {
  start(answer_addresses);
  const auto began = std::chrono::steady_clock::now();
  while (polls < 1) std::this_thread::sleep_for(1ms);
  EXPECT_THAT(bus->recall(1, Bytes{3, 0, kPolled, 0, 1}, began).value(), ElementsAre(3, 2, 0, kPolled));
  EXPECT_FALSE(bus->recall(1, kRead, began));
  ASSERT_TRUE(pass(kRead));
  ASSERT_EQ(results(1).size(), 1U);
  EXPECT_THAT(bus->recall(1, kRead, began).value(), ElementsAre(3, 2, 0, kForeign));
  EXPECT_FALSE(bus->recall(1, Bytes{3, 0, kForeign, 0, 2}, began)) << "one register more than is known";
}

TEST_F(SharedBus, PassesARefusalBackAsItIs) {
  start([](const Asked& asked) { return asked.address == kForeign ? refuse(asked, 2) : answer_addresses(asked); });
  ASSERT_TRUE(pass(kRead));
  const auto all = results(1);
  ASSERT_EQ(all.size(), 1U);
  ASSERT_FALSE(all.front());
  EXPECT_EQ(all.front().error().exception, 2);
}

TEST_F(SharedBus, TellsEverybodyWhoWaitsWhenItStops) {
  start([](const Asked& asked) {
    std::this_thread::sleep_for(20ms);
    return answer_addresses(asked);
  });
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(pass(kRead));
  bus->stop();
  EXPECT_EQ(results(20).size(), 20U);
  EXPECT_FALSE(pass(kRead));
}

}  // namespace
}  // namespace ferrule::drivers

// A gateway that is killed again and again while it sends: nothing acknowledged is lost, no QoS 2 message comes twice.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "bridge/uplink.hpp"
#include "mqtt/store.hpp"
#include "tests/bridge/cable.hpp"
#include "tests/bridge/clients.hpp"
#include "tests/bridge/desk.hpp"
#include "tests/bridge/mosquitto.hpp"

namespace ferrule::bridge {
namespace {

using namespace std::chrono_literals;
using mqtt::Qos;
using testing::Cable;
using testing::Desk;
using testing::Directory;
using testing::Mosquitto;
using testing::Subscriber;

constexpr int kRounds = 20;
constexpr std::uint32_t kPerRound = 1'000'000;  // numbers begin here anew in each round
constexpr std::uint64_t kAhead = 60;            // messages queued at most

/// Every other message is of QoS 2.
Qos qos_of(std::uint32_t number) { return number % 2 == 0 ? Qos::ExactlyOnce : Qos::AtLeastOnce; }

/// The gateway's side, in a process of its own: publishes numbers from `first` on, or none when it is 0 and ends once
/// the queue is empty. Writes each number to `acknowledged` when its publisher would have been told that it is safe.
int run_gateway(Client client, const std::string& url, const std::filesystem::path& directory, std::uint32_t first,
                int acknowledged) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  spdlog::set_level(spdlog::level::off);
  Desk desk;
  mqtt::SystemClock clock;
  UplinkSettings settings;
  settings.name = "cloud";
  settings.urls = {url};
  settings.client_id = "gw";
  settings.client = client;
  settings.window = 30;
  settings.reconnect = {100ms, 200ms};
  settings.out.push_back({*mqtt::TopicFilter::parse("#"), "{topic}", {}});
  std::multimap<mqtt::Ticket, std::uint32_t> waiting;
  std::unique_ptr<Uplink> uplink;
  mqtt::Store store(
      desk.post(),
      [&](mqtt::Ticket ticket) {
        uplink->committed(ticket);
        const auto end = waiting.upper_bound(ticket);
        for (auto one = waiting.begin(); one != end; ++one) {
          if (write(acknowledged, &one->second, sizeof one->second) < 0) _exit(3);
        }
        waiting.erase(waiting.begin(), end);
      },
      [](mqtt::StoreFile&, const std::string&) { _exit(2); });
  uplink = std::make_unique<Uplink>(settings, directory, store, desk.post(), clock,
                                    [](const auto&, bool) { return mqtt::Ticket{0}; });
  uplink->start();
  for (auto number = first;;) {
    desk.run_until([] { return false; }, 1ms);
    uplink->tick();
    const auto status = uplink->status();
    if (first == 0 && status.queued == 0 && status.state == UplinkState::Online) break;
    for (auto room = kAhead - std::min(kAhead, status.queued); first != 0 && room > 0; --room, ++number) {
      auto publication = std::make_shared<mqtt::Publication>();
      publication->topic = "t";
      publication->payload = std::to_string(number);
      publication->qos = qos_of(number);
      publication->published = clock.now();
      const auto ticket = uplink->append(publication, true);
      if (ticket && *ticket != 0) waiting.emplace(*ticket, number);
    }
  }
  uplink->stop(500ms);
  return 0;
}

class KillTest : public ::testing::TestWithParam<Client> {
 protected:
  void SetUp() override {
    if (!testing::have_mosquitto()) GTEST_SKIP() << "mosquitto is not installed";
  }

  static std::chrono::milliseconds some_time(int from, int to) {
    static std::mt19937 random(std::random_device{}());
    return std::chrono::milliseconds(std::uniform_int_distribution(from, to)(random));
  }

  /// Runs a gateway for as long as `meanwhile` takes, kills it, and notes what it acknowledged.
  void round(const std::string& url, std::uint32_t first, const std::function<void()>& meanwhile) {
    int pipe[2];
    ASSERT_EQ(pipe2(pipe, O_CLOEXEC), 0);
    const pid_t gateway = fork();
    if (gateway == 0) _exit(run_gateway(GetParam(), url, directory_.path(), first, pipe[1]));
    ::close(pipe[1]);
    meanwhile();
    ::kill(gateway, SIGKILL);
    waitpid(gateway, nullptr, 0);
    for (std::uint32_t number = 0; read(pipe[0], &number, sizeof number) == sizeof number;)
      acknowledged_.insert(number);
    ::close(pipe[0]);
  }

  /// Lets a gateway send what is left.
  void finish(const std::string& url) {
    const pid_t gateway = fork();
    if (gateway == 0) _exit(run_gateway(GetParam(), url, directory_.path(), 0, STDERR_FILENO));
    int status = 0;
    for (int i = 0; i < 600 && waitpid(gateway, &status, WNOHANG) == 0; ++i) std::this_thread::sleep_for(100ms);
    ::kill(gateway, SIGKILL);
    EXPECT_EQ(status, 0);
  }

  /// Once all that was acknowledged is there, or nothing came for eight seconds.
  void check(const Subscriber& subscriber) {
    std::size_t before = 0;
    do {
      before = subscriber.messages().size();
      std::this_thread::sleep_for(8s);
    } while (subscriber.messages().size() != before);
    ASSERT_TRUE(subscriber.runs());
    check(subscriber.payloads(0));
  }

  void check(const std::vector<std::string>& payloads) {
    std::map<std::uint32_t, int> times;
    std::map<std::pair<std::uint32_t, Qos>, std::uint32_t> newest;  // by round and QoS: two flows, each in order
    std::size_t out_of_order = 0;
    for (const auto& payload : payloads) {
      const auto number = static_cast<std::uint32_t>(std::stoul(payload));
      if (++times[number] > 1) continue;
      auto& before = newest[{number / kPerRound, qos_of(number)}];
      if (number < before) ++out_of_order;
      before = std::max(before, number);
    }
    std::size_t lost = 0;
    for (const auto number : acknowledged_) lost += times.contains(number) ? 0 : 1;
    std::size_t twice = 0;
    std::size_t repeated = 0;
    for (const auto& [number, count] : times) {
      if (count > 1) ++(qos_of(number) == Qos::ExactlyOnce ? twice : repeated);
    }
    EXPECT_EQ(lost, 0U);
    EXPECT_EQ(twice, 0U);
    EXPECT_EQ(out_of_order, 0U);
    RecordProperty("acknowledged", static_cast<int>(acknowledged_.size()));
    RecordProperty("qos1_repeated", static_cast<int>(repeated));
    std::printf("%zu acknowledged, %zu arrived, %zu lost, QoS 2 twice %zu, QoS 1 repeated %zu, out of order %zu\n",
                acknowledged_.size(), times.size(), lost, twice, repeated, out_of_order);
    EXPECT_GT(acknowledged_.size(), 100U);  // that there was load, on a loaded machine too
  }

  Directory directory_;
  std::set<std::uint32_t> acknowledged_;
};

TEST_P(KillTest, KilledTwentyTimesLosesNothingAndRepeatsNoQos2Message) {
  Mosquitto cloud(directory_.path());
  Subscriber subscriber(cloud, directory_.path(), "#");
  for (std::uint32_t i = 1; i <= kRounds; ++i) {
    round(cloud.url(), i * kPerRound, [] { std::this_thread::sleep_for(some_time(40, 400)); });
  }
  finish(cloud.url());
  check(subscriber);
}

TEST_P(KillTest, CutAndKilledTwentyTimesLosesNothingAndRepeatsNoQos2Message) {
  Mosquitto cloud(directory_.path());
  Subscriber subscriber(cloud, directory_.path(), "#");
  Cable cable(cloud.port());
  for (std::uint32_t i = 1; i <= kRounds; ++i) {
    cable.mend();
    round(cable.url(), i * kPerRound, [&] {
      std::this_thread::sleep_for(some_time(50, 300));
      cable.cut();
      std::this_thread::sleep_for(some_time(0, 100));
      if (i % 2 == 0) cable.mend();  // killed before, during and after the way back
      std::this_thread::sleep_for(some_time(0, 500));
    });
  }
  cable.mend();
  finish(cable.url());
  check(subscriber);
}

INSTANTIATE_TEST_SUITE_P(Both, KillTest, ::testing::Values(Client::Ferrule, Client::Paho), testing::name_of_client);

}  // namespace
}  // namespace ferrule::bridge

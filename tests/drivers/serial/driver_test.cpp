// Serial sensors on a socket pair, alone and with a bus around them.
#include "drivers/serial/driver.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "../loaded_settings.hpp"
#include "../scripted_peer.hpp"
#include "drivers/bus.hpp"
#include "fixtures.hpp"

namespace ferrule::drivers::serial {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

constexpr const char* kBus =
    "buses: {line: {type: serial, port: /dev/ttyS0, timeout: 2s, offline: {retry: 100ms..200ms}, "
    "reconnect: 100ms..200ms}}\n";
std::string scale_with_timeout(const std::string& timeout) {
  return R"(devices: {scale: {bus: line, request: {send: 'P\r\n', interval: 20ms, timeout: )" + timeout + R"(},
  frame: {end: "\r\n"}, match: '^(?<w>[-\d.]+) kg$', points: {weight: {from: w}}}})";
}
const std::string kScale = scale_with_timeout("5s");
constexpr const char* kTalker = R"(devices: {gps: {bus: line, frame: {start: "$", end: "\r\n", checksum: nmea},
  fields: {split: ","}, stale_after: 400ms, points: {speed: {only: '^A', from: 1}, height: {only: '^B', from: 1}}}})";

/// A driver on a wire whose other end is the test's.
class SerialDriverTest : public ::testing::Test {
 protected:
  void load(const std::string& devices) {
    loaded = std::make_unique<Loaded>(kBus + devices);
    loaded->document.finish();
    auto port = std::make_unique<PairPort>(stop);
    peer = port->peer;
    driver = std::make_unique<SerialDriver>(loaded->buses.at(0), std::move(port), stop);
    ASSERT_TRUE(driver->open(std::chrono::steady_clock::now() + 1s));
  }
  void say(std::string_view bytes) const {
    ASSERT_EQ(::send(peer, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  tl::expected<void, Fault> run(std::size_t task = 0) {
    readings.clear();
    return driver->run(task, readings);
  }

  StopSignal stop;
  std::unique_ptr<Loaded> loaded;
  std::unique_ptr<SerialDriver> driver;
  std::vector<Reading> readings;
  int peer = -1;
};

Bytes raw(std::string_view text) { return {text.begin(), text.end()}; }

TEST_F(SerialDriverTest, AsksAndUnderstandsAnAnswerInSingleBytes) {
  load(kScale);
  ScriptedPeer scale(peer);
  scale.expect("50 0D 0A").reply_in_single_bytes(raw("12.5 kg\r\n"));
  scale.start();
  ASSERT_TRUE(run());
  EXPECT_EQ(scale.finish(), "");
  ASSERT_EQ(readings.size(), 1U);
  EXPECT_EQ(readings[0].value, Value(12.5));
  EXPECT_EQ(driver->describe(0), R"(request "P\x0D\x0A")");
}

TEST_F(SerialDriverTest, NeverTakesALateAnswerForTheNextOne) {
  load(scale_with_timeout("500ms"));
  ScriptedPeer scale(peer);
  // The first answer comes after its timeout, while the line is held.
  scale.expect("50 0D 0A").pause(600ms).reply(raw("1 kg\r\n"));
  scale.expect("50 0D 0A").reply(raw("2 kg\r\n"));
  scale.start();
  const auto first = run();
  ASSERT_FALSE(first);
  EXPECT_EQ(first.error().failure, Failure::Timeout);
  EXPECT_TRUE(readings.empty());
  const auto second = run();
  EXPECT_EQ(scale.finish(), "");
  ASSERT_TRUE(second);
  EXPECT_EQ(readings.at(0).value, Value(2.0));
}

TEST_F(SerialDriverTest, PassesOverItsOwnEchoAndWhatWasSaidUnasked) {
  load(kScale);
  say("99 kg\r\n");
  ScriptedPeer scale(peer);
  scale.expect("50 0D 0A").reply(raw("P\r\n3 kg\r\n"));
  scale.start();
  ASSERT_TRUE(run());
  EXPECT_EQ(scale.finish(), "");
  EXPECT_EQ(readings.at(0).value, Value(3.0));
}

TEST_F(SerialDriverTest, SaysWhyAnAnswerIsNone) {
  load(scale_with_timeout("400ms"));
  const auto answer = [&](const std::string& bytes) {
    ScriptedPeer scale(peer);
    scale.expect("50 0D 0A").reply(raw(bytes));
    scale.start();
    const auto result = run();
    EXPECT_EQ(scale.finish(), "");
    EXPECT_FALSE(result);
    return result ? std::string() : fmt::format("{}: {}", name(result.error().failure), result.error().detail);
  };
  EXPECT_EQ(answer("ERR\r\n"), "bad-reply: an answer in which no point's value is to be found");
  EXPECT_EQ(answer("12.5"), "bad-reply: half an answer");
  EXPECT_EQ(answer(std::string(300, 'x')), "bad-reply: a frame without an end: 256 bytes and more");
}

TEST_F(SerialDriverTest, ClosesALineThatHungUp) {
  load(kScale);
  ::shutdown(peer, SHUT_RDWR);
  const auto result = run();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().failure, Failure::PortLost);
  EXPECT_FALSE(driver->is_open());
}

TEST_F(SerialDriverTest, HearsWhatADeviceSaysByItself) {
  load(kTalker);
  EXPECT_TRUE(driver->task(0).listens);
  ASSERT_TRUE(run());
  EXPECT_TRUE(readings.empty()) << "nothing was said yet";
  const auto sentence = nmea("A,1.5");
  say(sentence.substr(0, 4));
  ASSERT_TRUE(run());
  EXPECT_TRUE(readings.empty()) << "half a sentence says nothing";
  say(sentence.substr(4) + nmea("B,7") + nmea("A,2.5"));
  ASSERT_TRUE(run());
  ASSERT_EQ(readings.size(), 2U) << "of two values at once the later one counts";
  EXPECT_EQ(readings[0].value, Value(2.5));
  EXPECT_EQ(readings[1].value, Value(7.0));
}

TEST_F(SerialDriverTest, TellsDamageAfterWhatWasGood) {
  load(kTalker);
  say("$A,1*00\r\n" + nmea("A,2"));
  ASSERT_TRUE(run());
  EXPECT_EQ(readings.at(0).value, Value(2.0));
  const auto damage = run();
  ASSERT_FALSE(damage);
  EXPECT_EQ(damage.error().failure, Failure::BadReply);
  EXPECT_THAT(damage.error().detail, HasSubstr("its checksum says 00"));
  EXPECT_TRUE(run()) << "told once";
}

TEST_F(SerialDriverTest, SharesALineBetweenDevicesThatTalk) {
  load(R"(devices:
  a: {bus: line, frame: {end: "\n"}, match: '^A(?<v>.*)', points: {p: {from: v}}}
  b: {bus: line, frame: {end: "\n"}, match: '^B(?<v>.*)', points: {p: {from: v}}}
)");
  say("A1\nB2\n");
  ASSERT_TRUE(run(0));
  ASSERT_EQ(readings.size(), 1U);
  EXPECT_EQ(readings[0].point, 0U);
  ASSERT_TRUE(run(1));
  ASSERT_EQ(readings.size(), 1U);
  EXPECT_EQ(readings[0].point, 1U);
  EXPECT_EQ(readings[0].value, Value(2.0));
}

TEST_F(SerialDriverTest, EndsAFrameWhereSilenceDoes) {
  load(R"(devices: {m: {bus: line, frame: {gap: 20ms}, match: '^(?<v>\d+)$', points: {p: {from: v}}}})");
  say("123");
  ASSERT_TRUE(run());
  EXPECT_EQ(readings.at(0).value, Value(123.0));
}

TEST_F(SerialDriverTest, AsksADeviceWhoseAnswerEndsWithSilence) {
  load(R"(devices: {m: {bus: line, request: {send: '?', timeout: 5s}, frame: {gap: 300ms}, match: '^(?<v>\d+)$',
    points: {p: {from: v}}}})");
  ScriptedPeer device(peer);
  device.expect("3F").reply(raw("45")).reply(raw("6"));
  device.start();
  ASSERT_TRUE(run());
  EXPECT_EQ(device.finish(), "");
  EXPECT_EQ(readings.at(0).value, Value(456.0));
}

TEST_F(SerialDriverTest, StopsAtOnceWhileItWaitsForAnAnswer) {
  load(
      R"(devices: {m: {bus: line, request: {send: '?', timeout: 60s}, frame: {end: "\n"}, json: true, points: {p: {from: /a}}}})");
  std::thread stopper([&] { stop.request(); });
  EXPECT_FALSE(run());
  stopper.join();
}

/// The same wire with a bus around it.
class SerialBusTest : public ::testing::Test {
 protected:
  void start(const std::string& devices) {
    loaded = std::make_unique<Loaded>(kBus + devices);
    loaded->document.finish();
    bus = std::make_unique<Bus>(
        loaded->buses.at(0),
        [this](const BusSettings& settings, const StopSignal& stop) {
          auto port = std::make_unique<PairPort>(stop);
          peer = port->peer;
          return std::make_unique<SerialDriver>(settings, std::move(port), stop);
        },
        [this](std::span<const Reading> found) {
          const std::lock_guard lock(mutex);
          for (const auto& reading : found) {
            texts.push_back(reading.quality == Quality::Good
                                ? fmt::format("{}={}", reading.point, std::get<double>(reading.value))
                                : fmt::format("{} {}", reading.point, name(reading.failure)));
          }
          changed.notify_all();
        },
        clock);
    bus->start();
  }
  void say(std::string_view bytes) const {
    ASSERT_EQ(::send(peer, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  bool wait_for(const std::string& text) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, 10s, [&] { return std::ranges::find(texts, text) != texts.end(); });
  }
  template <class Condition>
  bool wait_until(Condition condition) {
    for (int i = 0; i < 1000; ++i) {
      if (condition(bus->status().devices.at(0))) return true;
      std::this_thread::sleep_for(10ms);
    }
    return false;
  }

  SystemClock clock;
  std::unique_ptr<Loaded> loaded;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> texts;
  int peer = -1;
  std::unique_ptr<Bus> bus;
};

TEST_F(SerialBusTest, DeliversWhatATalkerSaysAndThenItsSilence) {
  start(kTalker);
  say(nmea("A,1") + nmea("B,2"));
  ASSERT_TRUE(wait_for("0=1"));
  ASSERT_TRUE(wait_for("1=2"));
  EXPECT_TRUE(bus->status().devices[0].online);
  ASSERT_TRUE(wait_for("0 timeout")) << "nothing is said any more";
  ASSERT_TRUE(wait_until([](const auto& device) { return !device.online; }));
  say(nmea("A,3"));
  ASSERT_TRUE(wait_for("0=3")) << "it is heard at once, whenever the next probe would be";
  EXPECT_TRUE(bus->status().devices[0].online);
}

TEST_F(SerialBusTest, CallsAValueStaleThatIsNotSaidAgain) {
  start(kTalker);
  say(nmea("A,1") + nmea("B,2"));
  ASSERT_TRUE(wait_for("1=2"));
  for (int i = 0; i < 600; ++i) {
    say(nmea("A,5"));
    std::this_thread::sleep_for(10ms);
    const std::lock_guard lock(mutex);
    if (std::ranges::find(texts, "1 stale") != texts.end()) break;
  }
  EXPECT_TRUE(wait_for("1 stale"));
}

TEST_F(SerialBusTest, KeepsValuesThroughGarbageAndCountsIt) {
  start(kTalker);
  say(nmea("A,1") + "$A,9*00\r\n");
  ASSERT_TRUE(wait_for("0=1"));
  const auto bad = static_cast<std::size_t>(Failure::BadReply);
  ASSERT_TRUE(wait_until([&](const auto& device) { return device.failures_by[bad] == 1; }));
  say(nmea("A,2"));
  ASSERT_TRUE(wait_for("0=2"));
  const std::lock_guard lock(mutex);
  EXPECT_EQ(std::ranges::find(texts, "0 bad-reply"), texts.end());
}

TEST_F(SerialBusTest, LooksAtAFloodNoMoreThanAHundredTimesASecond) {
  start(kTalker);
  const std::string flood(64 * 1024, 'x');
  const auto before = std::chrono::steady_clock::now();
  std::size_t sent = 0;
  while (std::chrono::steady_clock::now() - before < 300ms) {
    const auto taken = ::send(peer, flood.data(), flood.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (taken > 0) sent += static_cast<std::size_t>(taken);
  }
  const auto looks = (std::chrono::steady_clock::now() - before) / 10ms + 10;
  EXPECT_LE(bus->status().devices[0].polls, static_cast<std::uint64_t>(looks));
  EXPECT_GT(sent, 0U);
  bus->stop();
}

TEST_F(SerialBusTest, PollsADeviceThatIsAsked) {
  start(scale_with_timeout("50ms"));
  ASSERT_TRUE(wait_until([](const auto& device) { return device.polls > 0; }));
  EXPECT_EQ(bus->status().devices[0].failure, Failure::Timeout);
  bus->stop();
}

}  // namespace
}  // namespace ferrule::drivers::serial

// CAN devices on a socket pair: what is heard, what is sent, what is told of the bus.
#include "drivers/can/driver.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <linux/can/error.h>

#include <thread>

#include "../loaded_settings.hpp"
#include "pair_port.hpp"

namespace ferrule::drivers::can {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kBus =
    "buses: {can: {type: can, interface: can0, timeout: 1s, reconnect: 100ms..200ms, offline: {retry: "
    "100ms..200ms}}}\n";
constexpr const char* kEngine = R"(devices:
  engine:
    bus: can
    stale_after: 400ms
    points:
      speed: {message: 0x123, start_bit: 0, length: 16, scale: 0.5}
      load: {message: 0x123, start_bit: 16, length: 8}
      page1: {message: 0x200, start_bit: 8, length: 8, mux: {start_bit: 0, length: 8, value: 1}}
      page2: {message: 0x200, start_bit: 8, length: 8, mux: {start_bit: 0, length: 8, value: [2, 3]}}
      oil: {pgn: 65263, start_bit: 24, length: 8, scale: 4}
)";
constexpr const char* kWriter = R"(devices:
  valve:
    bus: can
    stale_after: 1h
    points:
      set: {message: 0x300, start_bit: 0, length: 8, write: true}
      mode: {message: 0x300, start_bit: 8, length: 8, write: true}
      lamp: {message: 0x301, start_bit: 12, write: {fill: 0xFF, size: 3}}
      paged: {message: 0x302, start_bit: 8, length: 8, mux: {start_bit: 0, length: 4, value: 5}, write: {fill: 0}}
      heard: {message: 0x303, start_bit: 0, length: 8}
)";

class CanDriverTest : public ::testing::Test {
 protected:
  void load(const std::string& devices) {
    loaded = std::make_unique<Loaded>(kBus + devices);
    loaded->document.finish();
    driver = std::make_unique<CanDriver>(loaded->buses.at(0), std::make_unique<PairCanPort>(bus), stop);
    driver->trace(trace);
    ASSERT_TRUE(driver->open({}));
  }
  tl::expected<void, Fault> run(std::size_t task = 0) {
    readings.clear();
    return driver->run(task, readings);
  }
  /// Good values by point: "0=250 1=7".
  std::string heard(std::size_t task = 0) {
    const auto result = run(task);
    if (!result) return fmt::format("{}: {}", name(result.error().failure), result.error().detail);
    std::string text;
    for (const auto& reading : readings) {
      const auto value = std::visit(
          [](const auto& held) -> std::string {
            if constexpr (std::is_same_v<std::decay_t<decltype(held)>, std::string>)
              return held;
            else
              return fmt::format("{}", held);
          },
          reading.value);
      text += fmt::format("{}{}={}", text.empty() ? "" : " ", reading.point,
                          reading.quality == Quality::Good ? value : std::string(name(reading.failure)));
    }
    return text;
  }
  std::string written(PointIndex point, const Value& value) {
    const auto result = driver->write(point, value);
    if (result) return "ok";
    return fmt::format("{}{}: {}", name(result.error().failure), result.error().sent ? " (sent)" : "",
                       result.error().detail);
  }
  std::uint64_t count(std::string_view what) const {
    for (const auto& [name, number] : driver->condition().counts) {
      if (name == what) return number;
    }
    return ~std::uint64_t{0};
  }

  StopSignal stop;
  WireTrace trace;
  PairBus bus;
  std::unique_ptr<Loaded> loaded;
  std::unique_ptr<CanDriver> driver;
  std::vector<Reading> readings;
};

TEST_F(CanDriverTest, AsksTheKernelForTheMessagesOfItsPointsOnly) {
  load(kEngine);
  EXPECT_THAT(bus.filters, ElementsAre(exactly(0x123), exactly(0x200), parameter_group(65263, std::nullopt)));
}

TEST_F(CanDriverTest, FindsThePointsInWhatItHears) {
  load(kEngine);
  EXPECT_EQ(heard(), "") << "nothing was said yet";
  bus.say({0x123, 3, {0xF4, 0x01, 7}});
  bus.say({0x200, 2, {1, 11}});
  bus.say({0x18FEEF00 | Frame::kExtended, 8, {0xFF, 0xFF, 0xFF, 100, 0xFF, 0xFF, 0xFF, 0xFF}});
  EXPECT_EQ(heard(), "0=250 1=7 2=11 4=400");
  bus.say({0x200, 2, {3, 33}});
  bus.say({0x200, 2, {9, 99}});
  EXPECT_EQ(heard(), "3=33");
  EXPECT_EQ(count("received"), 5U);
}

TEST_F(CanDriverTest, TakesTheLastOfSeveralValuesThatCameAtOnce) {
  load(kEngine);
  bus.say({0x200, 2, {1, 1}});
  bus.say({0x200, 2, {2, 2}});
  bus.say({0x200, 2, {1, 3}});
  EXPECT_EQ(heard(), "2=3 3=2");
}

TEST_F(CanDriverTest, PassesOverRemoteFramesOtherIdentifiersAndOtherWidths) {
  load(kEngine);
  bus.say({0x123 | Frame::kRemote, 3, {}});
  bus.say({0x124, 3, {1, 1, 1}});
  bus.say({0x123 | Frame::kExtended, 3, {1, 1, 1}});
  EXPECT_EQ(heard(), "");
}

TEST_F(CanDriverTest, SaysThatAFrameIsTooShortAndKeepsTheOthers) {
  load(kEngine);
  bus.say({0x123, 2, {2, 0}});
  EXPECT_EQ(heard(), "bad-reply: message 123 has 2 bytes, and a point's signal needs 3");
  EXPECT_EQ(heard(), "0=1") << "what was long enough";
}

TEST_F(CanDriverTest, CountsWhatIsNoClassicFrame) {
  load(kEngine);
  canfd_frame fd{};
  fd.can_id = 0x123;
  fd.len = 12;
  bus.say_raw(fd);
  can_frame too_long{};
  too_long.can_id = 0x123;
  too_long.can_dlc = 9;
  bus.say_raw(too_long);
  bus.say_raw('x');
  EXPECT_EQ(heard(), "");
  EXPECT_EQ(count("malformed"), 3U);
  EXPECT_EQ(driver->condition().trouble, "frames come that are no classic ones: CAN FD is not supported");
}

TEST_F(CanDriverTest, TellsWhatIsStaleAndThenThatItsDeviceIsSilent) {
  load(R"(devices: {d: {bus: can, points: {a: {message: 1, start_bit: 0, length: 8, stale_after: 100ms},
                                           b: {message: 2, start_bit: 0, length: 8, stale_after: 1h}}},
                    e: {bus: can, stale_after: 100ms, points: {c: {message: 3, start_bit: 0, length: 8}}},
                    f: {bus: can, stale_after: 0s, points: {g: {message: 4, start_bit: 0, length: 8}}}})");
  bus.say({1, 1, {5}});
  bus.say({2, 1, {6}});
  EXPECT_EQ(heard(0), "0=5 1=6");
  std::this_thread::sleep_for(120ms);
  EXPECT_EQ(heard(0), "0=stale");
  EXPECT_EQ(heard(0), "");
  EXPECT_EQ(heard(1), "timeout: nothing heard for 100ms");
  EXPECT_EQ(heard(2), "") << "0s: never";
  EXPECT_EQ(driver->task(2).interval, 1s);
}

TEST_F(CanDriverTest, TellsWhatTheControllerSaysOfTheBus) {
  load(kEngine);
  Frame error{Frame::kError | CAN_ERR_CRTL, 8, {0, CAN_ERR_CRTL_RX_PASSIVE}};
  bus.say(error);
  EXPECT_EQ(heard(), "") << "it is no device's fault";
  EXPECT_THAT(driver->condition().trouble, HasSubstr("error-passive"));
  EXPECT_TRUE(driver->is_open());
  error.data[1] = 0x40;
  bus.say(error);
  EXPECT_EQ(heard(), "");
  EXPECT_EQ(driver->condition().trouble, "");
  error.data[1] = CAN_ERR_CRTL_RX_OVERFLOW;
  bus.say(error);
  EXPECT_EQ(heard(), "");
  EXPECT_EQ(driver->condition().trouble, "the controller's receive buffer overflowed");
  EXPECT_EQ(count("errors"), 3U);
}

TEST_F(CanDriverTest, ClosesThePortWhenTheControllerLeavesTheBusAndOpensItWhenItIsBack) {
  load(kEngine);
  bus.say({Frame::kError | CAN_ERR_BUSOFF, 8, {}});
  EXPECT_THAT(heard(), HasSubstr("port-lost: pair0: bus-off: the controller has left the bus"));
  EXPECT_FALSE(driver->is_open());
  EXPECT_EQ(count("bus_off"), 1U);
  bus.state = ControllerState::BusOff;
  const auto opened = driver->open({});
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().detail, HasSubstr("bus-off"));
  EXPECT_FALSE(driver->is_open());
  bus.state = ControllerState::Active;
  EXPECT_TRUE(driver->open({}));
  EXPECT_EQ(driver->condition().trouble, "");
}

TEST_F(CanDriverTest, KnowsTheControllersStateFromTheBeginning) {
  bus.state = ControllerState::Passive;
  load(kEngine);
  EXPECT_THAT(driver->condition().trouble, HasSubstr("error-passive"));
}

TEST_F(CanDriverTest, CountsTheFramesThatNobodyTookInTime) {
  load(kEngine);
  bus.dropped = 5;
  bus.say({0x123, 3, {2, 0, 1}});
  EXPECT_EQ(heard(), "0=1 1=1");
  EXPECT_EQ(count("lost"), 5U);
  EXPECT_EQ(driver->condition().trouble, "frames are lost: the machine is too busy to take them in time");
  bus.dropped = 7;
  bus.say({0x123, 3, {2, 0, 1}});
  EXPECT_EQ(heard(), "0=1 1=1");
  EXPECT_EQ(count("lost"), 7U);
}

TEST_F(CanDriverTest, LosesThePortWithTheOtherEnd) {
  load(kEngine);
  bus.hang_up();
  EXPECT_EQ(heard(), "port-lost: pair0: closed by the other side");
  EXPECT_FALSE(driver->is_open());
}

TEST_F(CanDriverTest, WritesASignalAndLeavesTheOthersAsTheyWereHeard) {
  load(kWriter);
  EXPECT_THAT(written(0, Value(std::uint64_t{5})),
              HasSubstr("point-rejected: nobody has said what else is in message 300"));
  bus.say({0x300, 4, {1, 2, 3, 4}});
  EXPECT_EQ(written(0, Value(std::uint64_t{5})), "ok");
  EXPECT_EQ(written(1, Value(std::uint64_t{6})), "ok");
  EXPECT_THAT(bus.sent, ElementsAre(Frame{0x300, 4, {5, 2, 3, 4}}, Frame{0x300, 4, {5, 6, 3, 4}}));
  EXPECT_EQ(count("sent"), 2U);
}

TEST_F(CanDriverTest, FillsWhatNobodyHasSaid) {
  load(kWriter);
  EXPECT_EQ(written(2, Value(false)), "ok");
  EXPECT_EQ(written(3, Value(std::uint64_t{9})), "ok");
  EXPECT_THAT(bus.sent, ElementsAre(Frame{0x301, 3, {0xFF, 0xEF, 0xFF}}, Frame{0x302, 8, {5, 9}}));
}

TEST_F(CanDriverTest, KeepsOtherPagesOfAMessageOutOfAWrite) {
  load(kWriter);
  bus.say({0x302, 8, {6, 1, 0xAA}});
  EXPECT_EQ(written(3, Value(std::uint64_t{9})), "ok");
  bus.say({0x302, 8, {5, 1, 0xBB}});
  EXPECT_EQ(written(3, Value(std::uint64_t{8})), "ok");
  EXPECT_THAT(bus.sent, ElementsAre(Frame{0x302, 8, {5, 9}}, Frame{0x302, 8, {5, 8, 0xBB}}));
}

TEST_F(CanDriverTest, RefusesWhatCannotBeWritten) {
  load(kWriter);
  EXPECT_EQ(written(4, Value(std::uint64_t{1})), "point-rejected: this point cannot be written");
  EXPECT_EQ(written(2, Value(2.0)), "point-rejected: the signal cannot hold this value");
  EXPECT_THAT(bus.sent, IsEmpty());
}

TEST_F(CanDriverTest, DoesNotBuildOnWhatWasHeardTooLongAgo) {
  load(
      R"(devices: {d: {bus: can, stale_after: 50ms, points: {p: {message: 1, start_bit: 0, length: 8, write: true}}}})");
  bus.say({1, 2, {1, 2}});
  EXPECT_EQ(heard(), "0=1");
  std::this_thread::sleep_for(60ms);
  EXPECT_THAT(written(0, Value(std::uint64_t{3})), HasSubstr("it was not heard lately"));
}

TEST_F(CanDriverTest, WaitsWhileTheQueueIsFullAndSaysSoInTheEnd) {
  load(kWriter);
  bus.full = 3;
  EXPECT_EQ(written(2, Value(true)), "ok");
  bus.full = 1'000'000;
  EXPECT_EQ(written(2, Value(true)), "timeout: the interface's queue is full: no frame gets through");
  EXPECT_EQ(bus.sent.size(), 1U);
}

TEST_F(CanDriverTest, ConfirmsAWriteWhenAnotherNodeHasAcknowledgedIt) {
  bus.tells_sent = true;
  load(kWriter);
  EXPECT_EQ(written(2, Value(true)), "ok");
  EXPECT_EQ(count("received"), 0U) << "our own frame is nobody's word";
  bus.acknowledges = false;
  EXPECT_EQ(written(2, Value(false)), "timeout (sent): sent, but no other node has acknowledged the frame");
}

TEST_F(CanDriverTest, ReadsBackWhatAnotherNodeSaysAfterwards) {
  load(kWriter);
  bus.say({0x300, 2, {1, 2}});
  EXPECT_EQ(heard(), "0=1 1=2");
  EXPECT_EQ(written(0, Value(std::uint64_t{5})), "ok");
  const Value five(std::uint64_t{5});
  EXPECT_FALSE(driver->read_back(0, five)) << "nobody has said anything since";
  bus.say({0x300, 2, {4, 2}});
  auto held = driver->read_back(0, five);
  ASSERT_TRUE(held);
  EXPECT_FALSE(held->as_written);
  EXPECT_EQ(held->value, Value(std::uint64_t{4}));
  bus.say({0x300, 2, {5, 2}});
  held = driver->read_back(0, five);
  ASSERT_TRUE(held);
  EXPECT_TRUE(held->as_written);
  EXPECT_EQ(held->value, five);
}

TEST_F(CanDriverTest, ShowsItsFramesToWhoWatches) {
  load(kWriter);
  trace.watch([] {});
  bus.say({0x303, 1, {9}});
  EXPECT_EQ(heard(), "4=9");
  EXPECT_EQ(written(2, Value(true)), "ok");
  const auto news = trace.take();
  ASSERT_EQ(news.events.size(), 2U);
  EXPECT_EQ(news.events[0].kind, WireEvent::Kind::Received);
  EXPECT_EQ(news.events[0].data, std::string("\x00\x00\x03\x03\x01\x00\x00\x00\x09", 9));
  EXPECT_EQ(news.events[1].kind, WireEvent::Kind::Sent);
}

TEST_F(CanDriverTest, NamesThePointsOfEachDevice) {
  load(R"(devices: {d: {bus: can, points: {a: {message: 1, start_bit: 0}, b: {message: 1, start_bit: 1}}},
                    e: {bus: can, points: {c: {message: 1, start_bit: 2}}}})");
  EXPECT_EQ(driver->task_count(), 2U);
  EXPECT_EQ(driver->task_of(1), 0U);
  EXPECT_EQ(driver->task_of(2), 1U);
  driver->fail(0, Failure::PortLost, readings);
  EXPECT_EQ(readings.size(), 2U);
  bus.say({1, 1, {0x05}});
  EXPECT_EQ(heard(1), "2=true");
  EXPECT_EQ(heard(0), "0=true 1=false") << "kept until its turn came";
}

}  // namespace
}  // namespace ferrule::drivers::can

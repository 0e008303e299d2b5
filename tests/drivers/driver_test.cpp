// The Modbus driver against a client that a test scripts answer by answer.
#include "drivers/modbus/driver.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "scripted_peer.hpp"

namespace ferrule::drivers::modbus {
namespace {

using testing::ElementsAre;

/// Answers with what was put in; notes what was asked.
class FakeClient final : public Client {
 public:
  tl::expected<void, Fault> opened() override { return {}; }
  tl::expected<std::span<const std::uint8_t>, Fault> read(const Request& request) override {
    asked.push_back(fmt::format("{}+{}", request.address, request.count));
    if (answers.empty()) return tl::unexpected(Fault{Failure::Timeout, "no answer", 0});
    data_ = from_hex(answers.front());
    answers.pop_front();
    return data_;
  }

  std::deque<std::string> answers;
  std::vector<std::string> asked;

 private:
  Bytes data_;
};

class DriverTest : public ::testing::Test {
 protected:
  PointSettings& add(std::uint16_t address, Type type = Type::Uint16) {
    auto& point = settings.devices[0].points.emplace_back();
    point.address = address;
    point.type = type;
    return point;
  }

  void make() {
    auto owned = std::make_unique<FakeClient>();
    client = owned.get();
    driver = std::make_unique<ModbusDriver>(settings, std::make_unique<PairPort>(stop), std::move(owned));
  }

  /// One run of the first task: each reading as `POINT VALUE` or `POINT failure`, or the failure of the run.
  std::vector<std::string> poll() {
    std::vector<Reading> readings;
    const auto result = driver->run(0, readings);
    if (!result) return {std::string(name(result.error().failure))};
    std::vector<std::string> texts;
    for (const auto& reading : readings) {
      const auto value = std::visit([](const auto& held) { return fmt::format("{}", held); }, reading.value);
      texts.push_back(fmt::format("{} {}", reading.point,
                                  reading.quality == Quality::Good ? value : std::string(name(reading.failure))));
    }
    return texts;
  }

  StopSignal stop;
  BusSettings settings = [] {
    BusSettings bus;
    bus.devices.resize(1);
    return bus;
  }();
  FakeClient* client = nullptr;
  std::unique_ptr<ModbusDriver> driver;
};

TEST_F(DriverTest, DecodesPointsOfManyTypesFromOneAnswer) {
  add(0, Type::Uint64);
  auto& bit = add(4, Type::Bool);
  bit.bit = 3;
  bit.bit_count = 1;
  auto& text = add(5, Type::String);
  text.length = 3;
  auto& scaled = add(7, Type::Int16);
  scaled.scale_factor = 8;
  make();
  client->answers = {"00 20 00 00 00 00 00 01 00 08 41 42 43 00 ff f6 ff ff"};
  EXPECT_THAT(poll(), ElementsAre("0 9007199254740993", "1 true", "2 ABC", "3 -1"));
  EXPECT_THAT(client->asked, ElementsAre("0+9"));
}

TEST_F(DriverTest, ReadsACounterThatWentBackASecondTime) {
  add(0).counter = CounterSettings{65535, 100};
  add(1);
  make();
  client->answers = {"00 64 00 01", "00 63 00 02", "00 65 00 03", "00 66 00 04"};
  EXPECT_THAT(poll(), ElementsAre("0 100", "1 1"));
  EXPECT_THAT(poll(), ElementsAre("0 101", "1 3")) << "the second answer counts";
  EXPECT_THAT(poll(), ElementsAre("0 102", "1 4"));
  EXPECT_EQ(client->asked.size(), 4u);
}

TEST_F(DriverTest, BelievesAResetCounterOnlyWhenTwoReadsAgree) {
  add(0).counter = CounterSettings{65535, 100};
  make();
  client->answers = {"00 64", "30 00", "50 00", "00 00", "00 01", "00 02"};
  EXPECT_THAT(poll(), ElementsAre("0 100"));
  EXPECT_THAT(poll(), ElementsAre("0 invalid"));
  EXPECT_THAT(poll(), ElementsAre("0 1"));
  EXPECT_THAT(poll(), ElementsAre("0 2"));
  EXPECT_EQ(client->asked.size(), 6u);
}

TEST_F(DriverTest, GivesNoValueWhenTheSecondReadFails) {
  add(0).counter = CounterSettings{65535, 100};
  make();
  client->answers = {"00 64", "00 00"};
  EXPECT_THAT(poll(), ElementsAre("0 100"));
  EXPECT_THAT(poll(), ElementsAre("timeout"));
}

}  // namespace
}  // namespace ferrule::drivers::modbus

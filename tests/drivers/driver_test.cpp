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

  tl::expected<void, Fault> write(std::uint8_t unit, std::span<const std::uint8_t> pdu) override {
    written.push_back(fmt::format("{}: {}", unit, to_hex(Bytes(pdu.begin(), pdu.end()))));
    if (refuse_writes) return tl::unexpected(*refuse_writes);
    return {};
  }

  tl::expected<std::span<const std::uint8_t>, Fault> ask(std::uint8_t, std::span<const std::uint8_t>) override {
    return tl::unexpected(Fault{Failure::Timeout, "no answer", 0});
  }

  std::deque<std::string> answers;
  std::vector<std::string> written;
  std::optional<Fault> refuse_writes;
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

TEST_F(DriverTest, WritesAPointAndKnowsTheTaskThatReadsIt) {
  auto& setpoint = add(100, Type::Int16);
  setpoint.scale = 0.1;
  setpoint.write.emplace().function = 6;
  add(200);
  make();
  ASSERT_TRUE(driver->write(0, 21.3));
  EXPECT_THAT(client->written, ElementsAre("1: 06 00 64 00 d5"));
  EXPECT_THAT(client->asked, ElementsAre());
  EXPECT_EQ(driver->task_of(0), 0u);
  EXPECT_EQ(driver->task_of(1), 1u);
  client->answers = {"00 d5", "00 d6"};
  auto held = driver->read_back(0, 21.3);
  ASSERT_TRUE(held);
  EXPECT_TRUE(held->as_written);
  EXPECT_EQ(held->value, Value(21.3));
  held = driver->read_back(0, 21.3);
  ASSERT_TRUE(held);
  EXPECT_FALSE(held->as_written);
  EXPECT_EQ(held->value, Value(21.4));
}

TEST_F(DriverTest, ReadsARegisterOfWhichItWritesAPart) {
  auto& bit = add(7, Type::Bool);
  bit.bit = 2;
  bit.bit_count = 1;
  bit.write.emplace().function = 6;
  make();
  client->answers = {"a0 00"};
  ASSERT_TRUE(driver->write(0, true));
  EXPECT_THAT(client->asked, ElementsAre("7+1"));
  EXPECT_THAT(client->written, ElementsAre("1: 06 00 07 a0 04"));
  const auto unread = driver->write(0, true);
  ASSERT_FALSE(unread);
  EXPECT_FALSE(unread.error().sent) << "it was not written";
  EXPECT_EQ(client->written.size(), 1u);
}

TEST_F(DriverTest, NamesTheRequestOfAFailedWrite) {
  add(7).write.emplace().function = 6;
  add(8);
  make();
  client->refuse_writes = Fault{Failure::Timeout, "no answer", 0, true};
  EXPECT_EQ(driver->write(0, std::uint64_t{1}).error().detail, "unit 1, function 6, address 7: no answer");
  EXPECT_EQ(driver->write(1, std::uint64_t{1}).error().failure, Failure::PointRejected);
}

TEST_F(DriverTest, NeverReadsFromEverybody) {
  settings.type = BusType::ModbusRtu;
  settings.devices[0].unit_id = 0;
  add(7).write.emplace().function = 6;
  make();
  EXPECT_EQ(driver->task_count(), 0u);
  EXPECT_EQ(driver->task_of(0), std::nullopt);
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

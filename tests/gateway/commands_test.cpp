#include "gateway/commands.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mqtt/properties.hpp"

namespace ferrule::gateway {
namespace {

using namespace std::chrono_literals;
using drivers::Outcome;
using drivers::Value;
using testing::ElementsAre;
using testing::IsEmpty;

class FakeClock final : public drivers::Clock {
 public:
  std::chrono::steady_clock::time_point now() const override { return now_; }
  std::chrono::system_clock::time_point utc() const override {
    return std::chrono::system_clock::time_point{1'700'000'000'000ms};
  }
  void advance(std::chrono::milliseconds time) { now_ += time; }

 private:
  std::chrono::steady_clock::time_point now_{1h};
};

class CommandsTest : public ::testing::Test {
 protected:
  void make(drivers::WriteSettings limits = {}) {
    commands = std::make_unique<Commands>(
        "plant1",
        Commands::Way{[this](std::size_t bus, drivers::WriteRequest&& request) {
                        if (full) return false;
                        buses.push_back(bus);
                        requests.push_back(std::move(request));
                        return true;
                      },
                      [this](mqtt::PublicationPtr publication) { answers.push_back(std::move(publication)); },
                      [this](std::function<void()> task) { posted.push_back(std::move(task)); },
                      [](std::string_view client, std::string_view topic) {
                        return client == "hmi" && topic.starts_with("hmi/");
                      },
                      [this](std::size_t bus, drivers::PointIndex point) {
                        return bus == 2 && point == 7 ? current : drivers::Reading{};
                      },
                      [this](std::string_view who, std::string_view what) {
                        notes.push_back(std::string(who) + ": " + std::string(what));
                      }},
        clock);
    commands->take_for({{"plant1/boiler/setpoint/set", 2, 7, limits, words, "boiler", "setpoint", 9}});
  }

  void command(std::string payload, bool retain = false, std::string properties = {},
               std::string topic = "plant1/boiler/setpoint/set") {
    mqtt::Publication publication;
    publication.topic = std::move(topic);
    publication.payload = std::move(payload);
    publication.retain = retain;
    publication.properties = std::move(properties);
    publication.origin = origin;
    ASSERT_EQ(commands->append(std::make_shared<const mqtt::Publication>(publication), true).value(), mqtt::Ticket{0});
    EXPECT_THAT(answers, IsEmpty()) << "nothing is published from within the broker's round";
    for (const auto& task : std::exchange(posted, {})) task();
  }

  EnumWords words;
  void finish(std::size_t request, const drivers::WriteResult& result) {
    requests.at(request).done(result);
    for (const auto& task : std::exchange(posted, {})) task();
  }

  /// The answers so far as `TOPIC PAYLOAD`.
  std::vector<std::string> answered() {
    std::vector<std::string> texts;
    for (const auto& answer : std::exchange(answers, {})) {
      EXPECT_FALSE(answer->retain);
      texts.push_back(answer->topic + " " + answer->payload);
    }
    return texts;
  }
  std::string rejected(std::string payload) {
    command(std::move(payload));
    const auto texts = answered();
    const std::string head = R"(plant1/boiler/setpoint/set/result {"ts":1700000000000,"result":"rejected","why":")";
    if (texts.size() != 1 || !texts[0].starts_with(head)) return "not rejected";
    return texts[0].substr(head.size(), texts[0].size() - head.size() - 2);
  }

  FakeClock clock;
  drivers::Reading current;
  std::vector<std::string> notes;
  bool full = false;
  std::string origin = "hmi";
  std::vector<std::size_t> buses;
  std::vector<drivers::WriteRequest> requests;
  std::vector<mqtt::PublicationPtr> answers;
  std::vector<std::function<void()>> posted;
  std::unique_ptr<Commands> commands;
};

TEST_F(CommandsTest, GivesAValueToItsBusAndPublishesWhatBecameOfIt) {
  drivers::WriteSettings limits;
  limits.readback = 2s;
  make(limits);
  command("21.5");
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(buses[0], 2u);
  EXPECT_EQ(requests[0].point, 7u);
  EXPECT_EQ(requests[0].value, Value(21.5));
  EXPECT_EQ(requests[0].deadline, clock.now() + 5s);
  EXPECT_EQ(requests[0].readback, 2s);
  EXPECT_THAT(answered(), IsEmpty());
  finish(0, {});
  EXPECT_THAT(answered(), ElementsAre(R"(plant1/boiler/setpoint/set/result {"ts":1700000000000,"result":"ok"})"));
}

TEST_F(CommandsTest, TellsWhyItIsNotCertain) {
  make();
  command("1");
  finish(0, {Outcome::Uncertain, "no \"answer\""});
  EXPECT_THAT(answered(), ElementsAre("plant1/boiler/setpoint/set/result "
                                      R"({"ts":1700000000000,"result":"uncertain","why":"no \"answer\""})"));
}

TEST_F(CommandsTest, AnswersWithTheValueThatWasReadBack) {
  make();
  command("21.3");
  command("21.3");
  finish(0, {Outcome::Ok, {}, Value(static_cast<double>(21.3F))});
  finish(1, {Outcome::Uncertain, "otherwise", Value(0.5)});
  EXPECT_THAT(
      answered(),
      ElementsAre(
          R"(plant1/boiler/setpoint/set/result {"ts":1700000000000,"result":"ok","v":21.3})",
          R"(plant1/boiler/setpoint/set/result {"ts":1700000000000,"result":"uncertain","why":"otherwise","v":0.5})"));
}

TEST_F(CommandsTest, AreNotedWithWhoAndWhatItWasAndIsToBe) {
  make({.max = 30});
  command("21.5");
  current.quality = drivers::Quality::Good;
  current.value = static_cast<double>(21.3F);
  command("22");
  finish(0, {});
  finish(1, {Outcome::Uncertain, "no answer", {}});
  for (const auto* payload : {"31", "hot\xFF"}) {
    answers.clear();
    command(payload);
  }
  answers.clear();
  command("1", false, {}, "plant1/boiler/pressure/set");
  commands->write("plant1/boiler/setpoint/set", 23.0, "uid 0", [](const auto&) {});
  finish(2, {Outcome::Ok, {}, Value(23.0)});
  const std::string no_value = "the payload is no JSON number, boolean or string, nor an object that has one as \"v\"";
  EXPECT_THAT(notes,
              ElementsAre("client hmi: plant1/boiler/setpoint/set: null -> 21.5: ok",
                          "client hmi: plant1/boiler/setpoint/set: 21.3 -> 22: uncertain: no answer",
                          "client hmi: plant1/boiler/setpoint/set: 21.3 -> 31: rejected: 31 is above the maximum, 30",
                          "client hmi: plant1/boiler/setpoint/set: 21.3 -> \"hot\uFFFD\": rejected: " + no_value,
                          "client hmi: plant1/boiler/pressure/set: \"1\": rejected: there is no point here that can be "
                          "written",
                          "uid 0: plant1/boiler/setpoint/set: 21.3 -> 23: ok, read back 23"));
}

TEST_F(CommandsTest, AreNotedWithTheBeginningOfALongText) {
  make();
  command('"' + std::string(100, 'x') + '"');
  finish(0, {});
  EXPECT_THAT(notes,
              ElementsAre("client hmi: plant1/boiler/setpoint/set: null -> \"" + std::string(64, 'x') + "...\": ok"));
}

TEST_F(CommandsTest, AnswersWhereItIsToldToWithTheCorrelationData) {
  make();
  command("1", false,
          mqtt::PropertyBuilder()
              .add(mqtt::PropertyId::ResponseTopic, "hmi/7/answers")
              .add(mqtt::PropertyId::CorrelationData, "q17")
              .encoded());
  finish(0, {});
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0]->topic, "hmi/7/answers");
  EXPECT_EQ(mqtt::Properties::trusted(answers[0]->properties).text(mqtt::PropertyId::CorrelationData), "q17");
}

TEST_F(CommandsTest, AreNotMadeToPublishReadingsOrCommands) {
  make();
  for (const auto* topic : {"plant1/boiler/pressure", "plant1/boiler/setpoint/set", "$SYS/x", "hmi/+/b"}) {
    command("1", false, mqtt::PropertyBuilder().add(mqtt::PropertyId::ResponseTopic, topic).encoded());
    finish(requests.size() - 1, {});
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0]->topic, "plant1/boiler/setpoint/set/result") << topic;
    answers.clear();
  }
}

// FAULTS 37
TEST_F(CommandsTest, AreNeverTakenFromARetainedPublication) {
  make();
  command("21.5", true);
  EXPECT_THAT(requests, IsEmpty());
  EXPECT_THAT(answered(),
              ElementsAre(testing::HasSubstr(R"("result":"rejected","why":"a command must not be retained")")));
}

TEST_F(CommandsTest, GoWhereAReloadPutThePointAndCountOn) {
  drivers::WriteSettings limits;
  limits.per_minute = 2;
  make(limits);
  command("1");
  commands->take_for({{"plant1/boiler/setpoint/set", 5, 0, limits, {}}});
  requests.front().done({drivers::Outcome::Ok, ""});  // of before
  for (const auto& task : std::exchange(posted, {})) task();
  ASSERT_EQ(answers.size(), 1U);
  answers.clear();
  command("2");
  EXPECT_THAT(buses, ElementsAre(2, 5));
  command("3");
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_THAT(answers.front()->payload, testing::HasSubstr("more than 2 commands a minute"));
  commands->take_for({});
  EXPECT_FALSE(commands->subscribes("plant1/boiler/setpoint/set"));
}

TEST_F(CommandsTest, LeaveOtherTopicsAlone) {
  make();
  command("1", false, {}, "plant1/boiler/setpoint");
  command("1", false, {}, "plant2/boiler/other/set");
  origin.clear();
  command("1", false, {}, "plant1/boiler/set");  // a point of the gateway's own, of that name
  EXPECT_THAT(requests, IsEmpty());
  EXPECT_THAT(answered(), IsEmpty());
  EXPECT_EQ(commands->received(), 0u);
}

TEST_F(CommandsTest, ToAPointThatCannotBeWrittenAreRejected) {
  make();
  command("1", false, {}, "plant1/boiler/pressure/set");
  EXPECT_THAT(requests, IsEmpty());
  EXPECT_THAT(answered(), ElementsAre("plant1/boiler/pressure/set/result "
                                      R"({"ts":1700000000000,"result":"rejected",)"
                                      R"("why":"there is no point here that can be written"})"));
}

TEST_F(CommandsTest, HaveTheirAnswersOnlyWhereTheirPublisherMightPublish) {
  make();
  command("1", false, mqtt::PropertyBuilder().add(mqtt::PropertyId::ResponseTopic, "other/gateway/set").encoded());
  origin = "somebody else";
  command("1", false, mqtt::PropertyBuilder().add(mqtt::PropertyId::ResponseTopic, "hmi/7/answers").encoded());
  finish(0, {});
  finish(1, {});
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[0]->topic, "plant1/boiler/setpoint/set/result");
  EXPECT_EQ(answers[1]->topic, "plant1/boiler/setpoint/set/result");
}

TEST_F(CommandsTest, HaveASubscriber) {
  make();
  EXPECT_TRUE(commands->subscribes("plant1/boiler/setpoint/set"));
  EXPECT_FALSE(commands->subscribes("plant1/boiler/pressure/set"));
}

TEST_F(CommandsTest, EndWhenTheirMessageExpires) {
  make();
  mqtt::Publication publication;
  publication.topic = "plant1/boiler/setpoint/set";
  publication.payload = "1";
  publication.expires = clock.now() + 1s;
  ASSERT_TRUE(commands->append(std::make_shared<const mqtt::Publication>(publication), true));
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].deadline, clock.now() + 1s);
}

TEST_F(CommandsTest, KeepToTheLimitsOfThePoint) {
  make({.min = 5, .max = 30, .step = 0.5});
  EXPECT_EQ(rejected("4.9"), "4.9 is below the minimum, 5");
  EXPECT_EQ(rejected("31"), "31 is above the maximum, 30");
  EXPECT_EQ(rejected("20.2"), "20.2 is not a whole number of steps of 0.5 from 5");
  EXPECT_EQ(rejected("\"20\""), "a number is needed");
  EXPECT_EQ(rejected("true"), "a number is needed");
  EXPECT_THAT(requests, IsEmpty());
  command("20.5");
  command("5");
  command("30.0");
  EXPECT_EQ(requests.size(), 3u);
}

TEST_F(CommandsTest, AreAsManyAMinuteAsThePointTakes) {
  make({.per_minute = 2});
  command("1");
  clock.advance(30s);
  command("2");
  EXPECT_EQ(rejected("3"), "more than 2 commands a minute");
  clock.advance(30s);
  command("4");
  EXPECT_EQ(rejected("5"), "more than 2 commands a minute");
  EXPECT_EQ(requests.size(), 3u);
}

TEST_F(CommandsTest, AreTurnedAwayWhenTheirBusHasNoRoom) {
  make();
  full = true;
  EXPECT_EQ(rejected("1"), "too many commands wait for this bus");
}

TEST(WantedValue, OfAnEnumIsAWordOfItOrACode) {
  const EnumWords words{{0, "off"}, {1, "auto"}, {7, "true"}};
  for (const auto* payload : {"auto", "\"auto\"", R"({"v":"auto"})", "1", "1.0", R"({"v":1})"}) {
    EXPECT_EQ(wanted_value(payload, words, drivers::Type::Uint16), Value(std::int64_t{1})) << payload;
  }
  for (const auto* payload : {"on", "2", "1.5", "\"Auto\"", "", R"({"v":"on"})", "null"}) {
    EXPECT_EQ(wanted_value(payload, words, drivers::Type::Bool).error(), "it is none of: off, auto, true") << payload;
  }
}

TEST(WantedValue, OfABooleanIsAWordForItOrOneOrZero) {
  for (const auto* payload : {"on", "true", "1", "1.0", "\"on\"", R"({"v":"on"})", R"({"v":1})", R"({"v":true})"}) {
    EXPECT_EQ(wanted_value(payload, {}, drivers::Type::Bool), Value(true)) << payload;
  }
  for (const auto* payload : {"off", "false", "0", "\"off\"", R"({"v":0})"}) {
    EXPECT_EQ(wanted_value(payload, {}, drivers::Type::Bool), Value(false)) << payload;
  }
  EXPECT_EQ(wanted_value("2", {}, drivers::Type::Bool), Value(std::uint64_t{2})) << "which its driver refuses";
  for (const auto* payload : {"", "On", "yes", "null"}) {
    EXPECT_FALSE(wanted_value(payload, {}, drivers::Type::Bool)) << payload;
  }
  EXPECT_FALSE(wanted_value("off", {}, drivers::Type::Uint16));
}

TEST(WantedValue, OfAStringNeedsNoQuotes) {
  const auto text = [](std::string_view payload) { return wanted_value(payload, {}, drivers::Type::String); };
  for (const auto* payload : {"OK", "\"OK\"", R"({"v":"OK"})"}) EXPECT_EQ(text(payload), Value(std::string("OK")));
  for (const auto* payload : {"12", "on", "Halle 3, Süd", "null", "[a"}) {
    EXPECT_EQ(text(payload), Value(std::string(payload)));
  }
  for (const auto* payload : {"", "\"OK", R"({"x":1})", "\xFF"}) EXPECT_FALSE(text(payload)) << payload;
  EXPECT_FALSE(text(std::string(5000, 'x')));
}

TEST_F(CommandsTest, ForAnEnumWriteTheCode) {
  words = {{0, "off"}, {1, "auto"}};
  make();
  command("auto");
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_EQ(requests[0].value, Value(std::int64_t{1}));
  current.quality = drivers::Quality::Good;
  current.value = false;
  finish(0, {Outcome::Ok, {}, Value(true)});
  EXPECT_THAT(answered(), ElementsAre(testing::HasSubstr(R"("v":"auto")"))) << "of a coil too";
  EXPECT_EQ(rejected("manual"), "it is none of: off, auto");
  EXPECT_THAT(notes, ElementsAre("client hmi: plant1/boiler/setpoint/set: null -> \"auto\": ok, read back \"auto\"",
                                 "client hmi: plant1/boiler/setpoint/set: \"off\" -> \"manual\": rejected: it is none "
                                 "of: off, auto"));
}

TEST(CommandValue, IsAJsonScalarOrAnObjectsV) {
  EXPECT_EQ(command_value("21.5"), Value(21.5));
  EXPECT_EQ(command_value("-3"), Value(std::int64_t{-3}));
  EXPECT_EQ(command_value("18446744073709551615"), Value(std::uint64_t{18446744073709551615U}));
  EXPECT_EQ(command_value(" true "), Value(true));
  EXPECT_EQ(command_value("\"auto\""), Value(std::string("auto")));
  EXPECT_EQ(command_value(R"({"v": 7, "by": "hmi"})"), Value(std::uint64_t{7}));
  for (const auto* payload : {"", "on", "[1]", "{}", "null", R"({"v":null})", R"({"v":[1]})", "1 2", "NaN"}) {
    EXPECT_FALSE(command_value(payload)) << payload;
  }
  EXPECT_FALSE(command_value('"' + std::string(5000, 'x') + '"'));
  EXPECT_FALSE(command_value(std::string(4000, '['))) << "however deep";
}

TEST(ViolatedLimit, TakesADecimalStepForWhatItMeans) {
  drivers::WriteSettings limits;
  limits.step = 0.1;
  EXPECT_FALSE(violated_limit(0.3, limits));
  EXPECT_FALSE(violated_limit(1000.7, limits));
  EXPECT_TRUE(violated_limit(0.35, limits));
}

}  // namespace
}  // namespace ferrule::gateway

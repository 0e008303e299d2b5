#include "gateway/settings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "gateway/mapping_test.hpp"

namespace ferrule::gateway {
namespace {

using testing::HasSubstr;

constexpr auto kPlant = R"(version: 1
gateway: {id: plant1, state_dir: state}
buses:
  plc: {type: modbus-tcp, host: 127.0.0.1, port: 1502}
devices:
  boiler:
    bus: plc
    unit_id: 1
    qos: 0
    points:
      flow: {register: holding, address: 0, type: uint16}
      return: {register: holding, address: 1, type: int16, scale: 0.1, qos: 2, retain: false, topic: "{gateway}/{bus}/x"}
)";

std::string mistakes_of(const std::string& text) {
  try {
    parse_settings(text, "test.yaml");
  } catch (const config::Error& error) {
    return error.what();
  }
  return "";
}

TEST(Settings, ReadsAPlantWithItsPublishRules) {
  const auto settings = parse_settings(kPlant, "test.yaml");
  EXPECT_EQ(settings.id, "plant1");
  EXPECT_EQ(settings.device_count, 1u);
  ASSERT_EQ(settings.point_count, 2u);
  const auto& flow = settings.mappings[0].points[0];
  EXPECT_EQ(flow.topic, "plant1/boiler/flow");
  EXPECT_EQ(flow.rule->publish.qos, mqtt::Qos::AtMostOnce);
  EXPECT_TRUE(flow.rule->publish.retain);
  const auto& back = settings.mappings[0].points[1];
  EXPECT_EQ(back.topic, "plant1/plc/x");
  EXPECT_EQ(back.rule->publish.qos, mqtt::Qos::ExactlyOnce);
  EXPECT_FALSE(back.rule->publish.retain);
}

TEST(Settings, AnEmptyMapOfSectionsIsABrokerOnly) {
  const auto settings = parse_settings("version: 1\n", "test.yaml");
  EXPECT_TRUE(settings.buses.empty());
  EXPECT_EQ(settings.broker.listen.size(), 1u);
}

TEST(Settings, AnUnknownPlaceholderIsAMistakeAtTheTopic) {
  EXPECT_THAT(mistakes_of(std::string(kPlant) + "publish: {topic: \"{gateway}/{devise}/{point}\"}\n"),
              HasSubstr("unknown placeholder \"{devise}\""));
}

TEST(Settings, TwoPointsWithOneTopicAreAMistake) {
  EXPECT_THAT(mistakes_of(std::string(kPlant) + "publish: {topic: \"{gateway}/{bus}/x\"}\n"),
              HasSubstr("already used by another point"));
}

TEST(Settings, AWrongTopicIsShownWhereItStands) {
  auto text = std::string(kPlant);
  text.replace(text.find("{gateway}/{bus}/x"), 17, "{gateway}/+/x");
  EXPECT_THAT(mistakes_of(text),
              HasSubstr("test.yaml:12:102: error: devices.boiler.points.return.topic: a topic to publish to has no"));
}

TEST(Settings, AGatewayIdIsOneTopicLevel) {
  EXPECT_THAT(mistakes_of("gateway: {id: a/b}\n"), HasSubstr("test.yaml:1:15: error: gateway.id:"));
}

TEST(Settings, MistakesOfAllSectionsComeInOneRun) {
  const auto text =
      mistakes_of("gateway: {id: \"#\"}\nbroker: {listen: [{port: 99999}]}\npublish: {qos: 3}\nnonsense: 1\n");
  EXPECT_THAT(text, HasSubstr("gateway.id"));
  EXPECT_THAT(text, HasSubstr("broker.listen"));
  EXPECT_THAT(text, HasSubstr("publish.qos"));
  EXPECT_THAT(text, HasSubstr("nonsense"));
}

TEST(Settings, TopicsWithDotsThatAnUplinkCarriesAreWarnedOf) {
  const std::string dotted = std::string(kPlant) +
                             "publish: {topic: \"{gateway}/v1.0/{device}/{point}\"}\n"
                             "uplinks:\n  hq: {url: \"mqtt://h\", out: [{from: \"plant1/#\"}]}\n"
                             "  other: {url: \"mqtt://o\", out: [{from: \"elsewhere/#\"}]}\n";
  const auto warnings = parse_settings(dotted, "test.yaml").warnings;
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_EQ(warnings[0].path, "uplinks.hq");
  EXPECT_EQ(warnings[0].message,
            "carries topics with dots, such as \"plant1/v1.0/boiler/flow\": RabbitMQ makes / of them, NATS closes the "
            "connection");
}

TEST(Settings, ServesNumbersWhereItIsTold) {
  EXPECT_FALSE(parse_settings("version: 1\n", "test.yaml").http);
  const auto settings = parse_settings("version: 1\ngateway: {http: \"[::1]:8080\"}\n", "test.yaml");
  ASSERT_TRUE(settings.http);
  EXPECT_EQ(settings.http->listen.bind, "::1");
  EXPECT_EQ(settings.http->listen.port, 8080);
  EXPECT_TRUE(settings.warnings.empty());
}

TEST(Settings, NumbersForEverybodyAreWarnedOf) {
  EXPECT_EQ(parse_settings("version: 1\ngateway: {http: \"0.0.0.0:8080\"}\n", "test.yaml").warnings.size(), 1U);
}

TEST(Settings, APlaceForNumbersIsAnAddressAndAPort) {
  for (const char* place :
       {"8080", "localhost:8080", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:80x", ":8080", "[::1]", "10.0.0.0/8:1"}) {
    EXPECT_THAT(mistakes_of(std::string("version: 1\ngateway: {http: \"") + place + "\"}\n"),
                HasSubstr("gateway.http: is where to listen"))
        << place;
  }
}

TEST(Settings, ThePageHasUsersRolesAndTokens) {
  const auto settings = parse_settings(R"(
version: 1
gateway:
  http:
    listen: "0.0.0.0:8080"
    users: {anna: {password: swordfish, role: operate}, guest: {password: guest}}
    tokens: {scada: {token: 0123456789abcdef0123, role: operate}}
)",
                                       "test.yaml");
  ASSERT_TRUE(settings.http);
  EXPECT_EQ(settings.http->listen.port, 8080);
  EXPECT_EQ(settings.http->users.at("anna").role, HttpRole::Operate);
  EXPECT_TRUE(settings.http->users.at("anna").credentials.verify("swordfish"));
  EXPECT_EQ(settings.http->users.at("guest").role, HttpRole::Read);
  EXPECT_EQ(settings.http->tokens.size(), 1U);
  EXPECT_EQ(settings.http->tokens.begin()->second.name, "scada");
  ASSERT_EQ(settings.warnings.size(), 1U);
  EXPECT_THAT(settings.warnings[0].message, HasSubstr("cross the network as they are"));
}

TEST(Settings, UsersOfThePageNeedAPasswordAndTokensNeedToBeLong) {
  const auto mistakes = mistakes_of(R"(
version: 1
gateway:
  http:
    listen: "127.0.0.1:8080"
    users: {anna: {role: operat}}
    tokens: {scada: {token: short-secret}}
)");
  EXPECT_THAT(mistakes, HasSubstr("gateway.http.users.anna: has no password"));
  EXPECT_THAT(mistakes, HasSubstr("did you mean operate?"));
  EXPECT_THAT(mistakes, HasSubstr("gateway.http.tokens.scada.token: is too short"));
  EXPECT_EQ(mistakes.find("short-secret"), std::string::npos);
}

TEST(Settings, TheControlSocketIsInTheStateDirectoryUnlessItIsNamed) {
  EXPECT_EQ(parse_settings("version: 1\ngateway: {state_dir: /s}\n", "test.yaml").control, "/s/control.sock");
  EXPECT_EQ(parse_settings("version: 1\ngateway: {control: /run/x.sock}\n", "test.yaml").control, "/run/x.sock");
}

TEST(Settings, ANewerVersionIsTheOnlyMistakeThatIsTold) {
  EXPECT_THAT(mistakes_of("version: 9\nnew: {}\n"),
              AllOf(HasSubstr("test.yaml:1:10: error: version: is 9, and Ferrule "), HasSubstr("needs a newer Ferrule"),
                    Not(HasSubstr("new:"))));
  EXPECT_THAT(mistakes_of("version: 0\n"), HasSubstr("version"));
}

std::vector<std::string> warnings_of(const std::string& text) {
  std::vector<std::string> all;
  for (const auto& warning : parse_settings(text, "test.yaml").warnings) all.push_back(warning.text());
  return all;
}

TEST(Settings, RulesThatChangeNothingAreWarnedOf) {
  const auto settings = parse_settings(
      "broker:\n"
      "  users:\n"
      "    hmi:\n"
      "      password: x\n"
      "      subscribe: [\"plant1/#\", \"plant1/pay/x\", \"!plant1/pay/#\", \"!plant1/+/x\"]\n"
      "      publish: [\"plant1/+/set\", \"plant1/a/set\", \"plant1/+/set\", \"other/%c\"]\n"
      "  everyone: {subscribe: [\"plant1/pay/x\"]}\n",
      "test.yaml");
  std::vector<std::string> told;
  for (const auto& warning : settings.warnings) told.push_back(warning.path + " " + warning.message);
  EXPECT_THAT(
      told, testing::ElementsAre(
                "broker.users.hmi.subscribe[1] permits nothing: \"!plant1/pay/#\" denies all of it, wherever it stands",
                "broker.users.hmi.publish[1] adds nothing: \"plant1/+/set\" says the same of all of it",
                "broker.users.hmi.publish[2] adds nothing: \"plant1/+/set\" says the same of all of it"));
}

TEST(Settings, AnUplinkThatCarriesWhatHomeAssistantIsToldSaysThereWhetherTheGatewayIs) {
  const auto with = [](const std::string& more) {
    return parse_settings(std::string(kPlant) + "publish: {homeassistant: {discovery: homeassistant}}\n" +
                              "uplinks: {hq: {url: \"mqtt://a\", " + more + "}}\n",
                          "test.yaml");
  };
  constexpr auto kBoth = "out: [{from: \"plant1/#\"}, {from: \"homeassistant/#\"}]";
  EXPECT_EQ(with(kBoth).uplinks[0].status_topic, "plant1/status");
  EXPECT_TRUE(with(kBoth).warnings.empty());
  EXPECT_EQ(with("out: [{from: \"plant1/#\"}]").uplinks[0].status_topic, "");
  EXPECT_EQ(with("out: [{from: \"#\", to: \"sites/{topic}\"}]").uplinks[0].status_topic, "");
  const auto elsewhere = with(std::string(kBoth) + ", status_topic: up");
  EXPECT_EQ(elsewhere.uplinks[0].status_topic, "up");
  ASSERT_EQ(elsewhere.warnings.size(), 1U);
  EXPECT_THAT(elsewhere.warnings[0].message, HasSubstr("plant1/status"));
  EXPECT_EQ(with(std::string(kBoth) + ", client: paho").warnings.size(), 1U);
}

TEST(Settings, ARouteBelowOneThatTakesAllOfItIsWarnedOf) {
  const auto with_routes = [](const std::string& routes) {
    return warnings_of(std::string(kPlant) + "uplinks: {hq: {url: \"mqtt://a\", out: [" + routes + "]}}\n");
  };
  EXPECT_THAT(with_routes("{from: \"plant1/+/flow\"}, {from: \"plant1/#\"}"), testing::IsEmpty());
  EXPECT_THAT(with_routes("{from: \"plant1/#\"}, {from: \"+/boiler/flow\"}"), testing::IsEmpty());
  EXPECT_THAT(
      with_routes("{from: \"plant1/#\"}, {from: \"plant1/+/flow\"}"),
      testing::ElementsAre(HasSubstr("uplinks.hq.out[1].from: nothing ever takes this route: \"plant1/#\" above")));
}

TEST(Settings, ARouteWithAFormatTakesWhatTheMappingMakesForItUnderTheTopicsThatTheOthersHave) {
  const auto settings =
      parse_settings(std::string(kPlant) +
                         "uplinks:\n  hq:\n    url: mqtt://a\n    out:\n"
                         "      - {from: plant1/boiler/flow, to: 'lake/{topic:1..}', format: influx}\n"
                         "      - {from: 'plant1/plc/#', payload: '{value}', batch: {}, to: all}\n"
                         "      - {from: 'plant1/#'}\n",
                     "test.yaml");
  const auto& out = settings.uplinks.at(0).out;
  const auto carried = [&](const std::string& topic) {
    auto publication = std::make_shared<mqtt::Publication>();
    publication->topic = topic;
    publication->payload = "1";
    const auto routed = bridge::find_route(out, publication);
    return routed ? routed->topic + " " + routed->publication->payload : "";
  };
  const auto& forms = settings.mappings.at(0).forms;
  ASSERT_EQ(forms.size(), 2U);
  EXPECT_EQ(forms[0].at(0).topic, "$route/hq/1/plant1/boiler/flow");
  EXPECT_EQ(carried(std::string(forms[0].at(0).topic)), "lake/boiler/flow 1");
  EXPECT_THAT(carried(std::string(forms[1].at(1).topic)), HasSubstr(R"(all {"topic":"plant1/plc/x")"));
  EXPECT_EQ(carried("plant1/boiler/flow"), " 1");  // as everybody gets it, by the route for the rest
  EXPECT_EQ(carried("$route/other/1/plant1/boiler/flow"), "");
}

TEST(Settings, ARouteHasAFormatOfItsOwnOnlyWhereOneMakesSense) {
  const auto with = [](const std::string& keys) {
    return mistakes_of(std::string(kPlant) + "uplinks: {hq: {url: 'mqtt://a', out: [{from: 'plant1/#', " + keys +
                       "}]}}\n");
  };
  EXPECT_THAT(with("format: sparkplug"), HasSubstr("uplinks.hq.out[0].format: is not for a route"));
  EXPECT_THAT(
      mistakes_of(std::string(kPlant) + "uplinks: {'a#': {url: 'mqtt://a', out: [{from: '#', format: raw}]}}\n"),
      HasSubstr("cannot be part of a file name"));
  EXPECT_THAT(with("format: xml"), HasSubstr("uplinks.hq.out[0].format"));
  EXPECT_THAT(with("payload: '{nothing}'"), HasSubstr("unknown placeholder \"{nothing}\""));
  EXPECT_THAT(with("format: raw, payload: '{value}'"), HasSubstr("is a format of its own"));
}

TEST(Settings, RoutesOfOneUplinkMayCarryTheSameInSeveralFormats) {
  const auto settings =
      parse_settings(std::string(kPlant) +
                         "uplinks: {hq: {url: 'mqtt://a', out: [{from: '#'}, {from: '#', format: raw},"
                         " {from: '#', format: influx, to: 'lake/{topic}'}]}}\n",
                     "test.yaml");
  EXPECT_THAT(settings.warnings, testing::IsEmpty());
  const auto& forms = settings.mappings.at(0).forms;
  EXPECT_EQ(forms.at(0).at(0).topic, "$route/hq/2/plant1/boiler/flow");
  EXPECT_EQ(forms.at(1).at(0).topic, "$route/hq/3/plant1/boiler/flow");
}

TEST(Settings, AnotherFormatOfARouteIsAnotherBus) {
  const auto bus_with = [](const std::string& format) {
    const auto text =
        std::string(kPlant) + "uplinks: {hq: {url: 'mqtt://a', out: [{from: 'plant1/#'" + format + "}]}}\n";
    return parse_settings(text, "test.yaml").fingerprints.buses.at(0);
  };
  EXPECT_EQ(bus_with(""), bus_with(", qos: 0"));
  EXPECT_NE(bus_with(""), bus_with(", format: raw"));
  EXPECT_NE(bus_with(", format: influx"), bus_with(", format: raw"));
}

TEST(Settings, RulesThatLetNobodyCommandAPointAreWarnedOf) {
  const auto with_rules = [](const std::string& publish, const std::string& more = "") {
    return warnings_of(std::string(kPlant) + "      pump: {register: coil, address: 0, write: true}\n" +
                       "broker: {users: {hmi: {password: x, subscribe: [\"#\"], publish: [" + publish + "]}}}\n" +
                       more);
  };
  EXPECT_THAT(with_rules("\"plant1/+/+/set\""), testing::IsEmpty());
  EXPECT_THAT(with_rules("\"clients/%c/#\", \"%c/+/+/set\""), testing::IsEmpty());
  const auto shut_out =
      testing::ElementsAre(HasSubstr("broker: nobody may publish to plant1/boiler/pump/set: no rule"));
  EXPECT_THAT(with_rules("\"plant1/+/set\""), shut_out);
  EXPECT_THAT(with_rules("\"#\", \"!plant1/boiler/pump/#\""), shut_out);
  EXPECT_THAT(with_rules("\"plant1/+/set\"", "uplinks: {hq: {url: \"mqtt://a\", in: [{from: \"x/#\"}]}}\n"),
              testing::IsEmpty());
}

TEST(Settings, ConfigurationsOverMqttNeedRulesAndATopicOfTheirOwn) {
  EXPECT_THAT(mistakes_of("gateway: {id: plant1, remote: {}}\n"),
              HasSubstr("gateway.remote: whoever reaches the broker"));
  EXPECT_THAT(mistakes_of("gateway: {id: plant1, remote: {topic: plant1/config}}\n"),
              HasSubstr("gateway.remote.topic: must be a topic of its own"));
  const auto settings = parse_settings(
      "gateway: {id: plant1, remote: {}}\nbroker: {users: {a: {password: x, publish: [\"ferrule/#\"]}}}\n",
      "test.yaml");
  EXPECT_EQ(settings.remote.value().topic, "ferrule/plant1/config");
}

TEST(Settings, ATestThatGivesRegistersToADeviceWithoutAnyIsAMistake) {
  const std::filesystem::path directory = testing::TempDir() + "/mapping_of_system";
  std::filesystem::create_directories(directory);
  std::ofstream(directory / "box.yaml")
      << "buses: {here: {type: system}}\ndevices: {box: {bus: here, points: {load: {from: load}}}}\n";
  std::ofstream(directory / "tests.yaml")
      << "configuration: box.yaml\ntests: [{name: load, steps: [{device: box, registers: {load: 1}}]}]\n";
  try {
    test_mapping(directory / "tests.yaml");
    FAIL();
  } catch (const config::Error& error) {
    EXPECT_THAT(error.what(),
                HasSubstr("tests[0].steps[0].registers: device box is on a bus of type system, where there "
                          "are no registers (say in `values` what its points read)"));
  }
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace ferrule::gateway

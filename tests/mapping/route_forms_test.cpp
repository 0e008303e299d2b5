// Formats that routes of uplinks ask for.
#include "mapping/route_forms.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/mapping/plant.hpp"

namespace ferrule::mapping {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

RouteForm route(const std::string& from, Format format, const std::string& payload = {}) {
  return {mqtt::TopicFilter::parse(from).value(), {format, parse_payload(payload).value()}, "$route/hq/1"};
}

/// A device of two points, and what the route gets of a poll.
class RouteForms : public ::testing::Test {
 protected:
  void use(const RouteForm& route, const std::string& publish = "{}", const std::string& keys = {}) {
    const auto points =
        "points: {a: {register: holding, address: 0, unit: V" + keys + "}, b: {register: holding, address: 1}}}";
    plant_.emplace("publish: " + publish + "\ndevices:\n  m: {bus: plc, unit_id: 1, " + points + "\n",
                   std::span(&route, 1));
  }
  Plant::Lines poll(std::chrono::milliseconds at, std::initializer_list<Plant::Input> inputs) {
    Plant::Lines lines;
    for (auto& line : plant_->poll(at, inputs)) {
      if (line.starts_with("$route/hq/1/")) lines.push_back(line.substr(12));
    }
    return lines;
  }

  std::optional<Plant> plant_;
};

TEST_F(RouteForms, AreMadeOfEachPointThatTheRouteCarriesWhenItIsPublished) {
  use(route("plant/+/a", Format::Influx));
  EXPECT_THAT(poll(0ms, {{"a", std::int64_t{7}}, {"b", std::int64_t{8}}}),
              ElementsAre("plant/m/a m,point=a,unit=V value=7i,quality=\"good\" 1700000000000000000"));
  EXPECT_EQ(plant_->published().size(), 3U);
  EXPECT_THAT(poll(1s, {{"a", std::int64_t{7}}, {"b", std::int64_t{9}}}), IsEmpty());
  EXPECT_THAT(poll(2s, {{"a", {}, drivers::Failure::Timeout}}),
              ElementsAre("plant/m/a m,point=a,unit=V quality=\"bad\",error=\"timeout\" 1700000002000000000"));
}

TEST_F(RouteForms, OfADeviceAreOneMessageOfAnAnswerWhenAnyOfItsPointsIsDue) {
  use(route("plant/m/#", Format::JsonDevice));
  EXPECT_THAT(poll(0ms, {{"a", std::int64_t{7}}, {"b", std::int64_t{8}}}),
              ElementsAre(R"(plant/m {"ts":1700000000000,"q":"good","v":{"a":7,"b":8}})"));
  EXPECT_THAT(poll(1s, {{"a", std::int64_t{7}}, {"b", std::int64_t{8}}}), IsEmpty());
  EXPECT_THAT(poll(2s, {{"a", std::int64_t{7}}, {"b", std::int64_t{9}}}),
              ElementsAre(R"(plant/m {"ts":1700000002000,"q":"good","v":{"a":7,"b":9}})"));
}

TEST_F(RouteForms, TellPointsApartThatShareATopic) {
  use(route("plant/m", Format::Template, "{point}={value}"), "{format: json-device}");
  EXPECT_THAT(poll(0ms, {{"a", std::int64_t{7}}, {"b", std::int64_t{8}}}),
              ElementsAre("plant/m/a a=7", "plant/m/b b=8"));
}

TEST_F(RouteForms, AreNotRetainedAndHaveTheQosOfThePoint) {
  use(route("#", Format::Raw), "{qos: 2}");
  poll(0ms, {{"a", std::int64_t{7}}});
  const auto& form = plant_->published().back();
  EXPECT_EQ(form->topic, "$route/hq/1/plant/m/a");
  EXPECT_FALSE(form->retain);
  EXPECT_EQ(form->qos, mqtt::Qos::ExactlyOnce);
}

TEST_F(RouteForms, LeaveOutWhatIsGatheredInWindows) {
  use(route("#", Format::Raw), "{}", ", window: {every: 1m}");
  EXPECT_THAT(poll(0ms, {{"a", std::int64_t{7}}, {"b", std::int64_t{8}}}), ElementsAre("plant/m/b 8"));
}

}  // namespace
}  // namespace ferrule::mapping

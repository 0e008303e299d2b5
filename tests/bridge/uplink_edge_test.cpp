// An uplink that is the session of a Sparkplug edge node.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bridge/uplink.hpp"
#include "mqtt/sparkplug_payload.hpp"
#include "tests/bridge/uplink_fixture.hpp"

namespace ferrule::bridge {
namespace {

using namespace std::chrono_literals;
using mqtt::sparkplug::Datatype;
using mqtt::sparkplug::Payload;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class UplinkEdgeTest : public testing::UplinkFixture {
 protected:
  UplinkEdgeTest() {
    settings_.out.clear();
    settings_.session_expiry = 0s;
    settings_.sparkplug.emplace();
    settings_.sparkplug->group = "g";
    settings_.sparkplug->node = "n";
    settings_.sparkplug->devices = std::make_shared<const std::vector<EdgeDevice>>(
        std::vector<EdgeDevice>{{"m", "plant/m", {{"v", Datatype::UInt16, "", "plant/m/v/set"}}}});
  }
  static std::string payload(std::uint64_t value, Datatype type = Datatype::UInt64) {
    mqtt::sparkplug::Metric metric;
    metric.name = "v";
    metric.timestamp = 1;
    metric.datatype = type;
    metric.value = value;
    return encode(Payload{{}, {std::move(metric)}, {}});
  }
  void poll(std::uint64_t value) {
    clock_.advance(1s);
    append(payload(value), false, mqtt::Qos::AtLeastOnce, "plant/m");
  }
  void from_host(const std::string& topic, const std::string& text, Arrival arrival = 0, bool retain = false) {
    mqtt::Publication publication;
    publication.topic = topic;
    publication.payload = text;
    publication.retain = retain;
    link_->events.on_message(std::move(publication), arrival);
    desk_.run_posted();
  }
  void host(const char* online, int timestamp) {
    from_host("spBv1.0/STATE/scada",
              std::string(R"({"online":)") + online + R"(,"timestamp":)" + std::to_string(timestamp) + "}", 1, true);
  }
  /// "DDATA 7", "DDATA 7 historical"
  std::vector<std::string> take_sent() {
    std::vector<std::string> texts;
    for (const auto& one : link_->sent) {
      EXPECT_EQ(one.qos, mqtt::Qos::AtMostOnce) << one.topic;
      EXPECT_FALSE(one.retain) << one.topic;
      const auto decoded = mqtt::sparkplug::decode(one.payload).value();
      const auto type = one.topic.substr(10, one.topic.find('/', 10) - 10);
      texts.push_back(type);
      if (!type.starts_with('D') || decoded.metrics.empty()) continue;
      if (const auto* value = std::get_if<std::uint32_t>(&decoded.metrics[0].value)) {
        texts.back() += ' ' + std::to_string(*value);
      }
      if (decoded.metrics[0].historical) texts.back() += " historical";
    }
    last_ = std::exchange(link_->sent, {});
    return texts;
  }

  void settle_last() {
    for (const auto& one : last_) settle(one.seq);
  }

  std::vector<testing::FakeLink::Sent> last_;  // what take_sent told
};

TEST_F(UplinkEdgeTest, SubscribesThenIsBornAndSendsAtQos0WithoutRetain) {
  // tck-id-topics-nbirth-mqtt tck-id-topics-dbirth-mqtt tck-id-topics-ndata-mqtt tck-id-topics-ddata-mqtt
  // tck-id-topics-ddeath-mqtt tck-id-payloads-nbirth-qos tck-id-payloads-nbirth-retain tck-id-payloads-dbirth-qos
  // tck-id-payloads-dbirth-retain tck-id-payloads-ndata-qos tck-id-payloads-ndata-retain tck-id-payloads-ddata-qos
  // tck-id-payloads-ddata-retain tck-id-message-flow-edge-node-birth-publish-nbirth-qos
  // tck-id-message-flow-edge-node-birth-publish-nbirth-retained
  // tck-id-message-flow-device-birth-publish-dbirth-qos tck-id-message-flow-device-birth-publish-dbirth-retained
  start();
  EXPECT_THAT(link_->subscribed, ElementsAre("spBv1.0/g/NCMD/n", "spBv1.0/g/DCMD/n/m"));
  EXPECT_THAT(take_sent(), ElementsAre("NBIRTH"));
  poll(5);
  poll(6);
  EXPECT_THAT(take_sent(), ElementsAre("DBIRTH 5", "DDATA 6"));
  settle_last();
  EXPECT_EQ(status().queued, 0U);
  EXPECT_EQ(status().acknowledged, 2U);
  append(payload(1), false, mqtt::Qos::AtLeastOnce, "plant/other");
  append("no payload", false, mqtt::Qos::AtLeastOnce, "plant/m");
  EXPECT_THAT(take_sent(), IsEmpty());
}

TEST_F(UplinkEdgeTest, StoresWhileItIsOfflineAndForwardsAsHistorical) {
  open();
  uplink_->start();
  for (const auto value : {1, 2, 3}) poll(static_cast<std::uint64_t>(value));
  EXPECT_EQ(status().queued, 3U);
  online(false);
  EXPECT_THAT(take_sent(),
              ElementsAre("NBIRTH", "DBIRTH 3", "DDATA 1 historical", "DDATA 2 historical", "DDATA 3 historical"));
  const auto first = last_[2].seq;
  poll(4);
  EXPECT_THAT(take_sent(), IsEmpty());  // a window of 3
  settle(first);
  EXPECT_THAT(take_sent(), ElementsAre("DDATA 4"));
}

TEST_F(UplinkEdgeTest, WhatTheServerHadPerhapsNotReadIsSentAgain) {
  start();
  poll(1);
  poll(2);
  poll(3);
  take_sent();
  settle(last_[1].seq);
  offline();
  online(false);
  EXPECT_THAT(take_sent(), ElementsAre("NBIRTH", "DBIRTH 3", "DDATA 2 historical", "DDATA 3 historical"));
}

TEST_F(UplinkEdgeTest, TellsAfterARestartWhatWasOnDisk) {
  open();
  uplink_->start();
  poll(1);
  poll(2);
  close();
  clock_.advance(1min);
  start();
  EXPECT_THAT(take_sent(), ElementsAre("NBIRTH", "DBIRTH", "DDATA 1 historical", "DDATA 2 historical",
                                       "DDEATH"));  // nothing was heard of the device yet
  poll(3);
  EXPECT_THAT(take_sent(), ElementsAre("DBIRTH 3"));
}

TEST_F(UplinkEdgeTest, TellsOfItsDevicesAfterAReload) {
  start();
  poll(5);
  settle(link_->sent.back().seq);
  uplink_->change(settings_, 0ms);
  desk_.run_posted();
  online(false);
  EXPECT_THAT(take_sent(), ElementsAre("NBIRTH", "DBIRTH 5"));
}

TEST_F(UplinkEdgeTest, CommandsGoToTheTopicsWhereOthersAreTaken) {
  start();
  from_host("spBv1.0/g/DCMD/n/m", payload(7), 3);
  ASSERT_FALSE(published_.empty());
  EXPECT_EQ(published_.back()->topic, "plant/m/v/set");
  EXPECT_EQ(published_.back()->payload, "7");
  EXPECT_EQ(published_.back()->origin, "$uplink/hq");
  EXPECT_FALSE(published_.back()->retain);
  EXPECT_EQ(status().received, 1U);
  ASSERT_EQ(link_->acknowledged.size(), 1U);
  const auto before = published_.size();
  from_host("spBv1.0/g/DCMD/n/m", "\xff");
  EXPECT_EQ(status().received_dropped, 1U);
  EXPECT_EQ(published_.size(), before);
}

TEST_F(UplinkEdgeTest, WaitsForItsHostAtItsOnlyServerAndLeavesItWithADeathWhenTheHostGoes) {
  // tck-id-message-flow-edge-node-birth-publish-phid-offline
  // tck-id-operational-behavior-edge-node-termination-host-offline
  settings_.sparkplug->primary_host = "scada";
  start();
  poll(1);
  host("false", 1);
  EXPECT_THAT(take_sent(), IsEmpty());
  advance(2min);
  EXPECT_EQ(link_->connects, 1);
  host("true", 2);
  EXPECT_THAT(take_sent(), ElementsAre("NBIRTH", "DBIRTH 1", "DDATA 1 historical"));
  host("false", 1);
  EXPECT_EQ(link_->connects, 1);
  host("false", 2);
  EXPECT_EQ(link_->connects, 2);  // ends the connection, with a death, before it begins another
  poll(2);
  EXPECT_THAT(take_sent(), IsEmpty());
}

TEST_F(UplinkEdgeTest, WalksToTheNextServerUntilItsHostIsThere) {
  // tck-id-operational-behavior-primary-application-state-with-multiple-servers-walk
  // tck-id-operational-behavior-primary-application-state-with-multiple-servers-single-server
  // tck-id-operational-behavior-edge-node-termination-host-offline-reconnect
  settings_.sparkplug->primary_host = "scada";
  settings_.urls = {"mqtt://a", "mqtt://b"};
  start();
  advance(31s);  // no STATE at all
  EXPECT_EQ(link_->connects, 2);
  online(false);
  host("false", 1);
  advance(2s);
  EXPECT_EQ(link_->connects, 3);
  online(false);
  host("true", 1);
  EXPECT_THAT(take_sent(), ElementsAre("NBIRTH"));
  advance(5min);
  EXPECT_EQ(link_->connects, 3);
}

TEST_F(UplinkEdgeTest, ReportsWhatWaitsAsDataOfTheNode) {
  open();
  uplink_->start();
  online(false);
  take_sent();
  poll(1);
  take_sent();
  advance(10s);
  EXPECT_THAT(take_sent(), ElementsAre("NDATA"));
  advance(30s);
  EXPECT_THAT(take_sent(), IsEmpty());
}

TEST_F(UplinkEdgeTest, AMessageThatTheCloudDoesNotTakeIsParked) {
  limits_.maximum_packet_size = 150;
  start();
  poll(1);
  EXPECT_EQ(status().parked, 1U);
  EXPECT_EQ(status().skipped, 2U);  // births
}

}  // namespace
}  // namespace ferrule::bridge

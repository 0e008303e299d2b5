// What an edge node says in which order (Sparkplug 3.0 chapters 4 to 6), told by the ids of its statements.
#include "bridge/edge_node.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "bridge/metric_value.hpp"
#include "tests/bridge/desk.hpp"

namespace ferrule::bridge {
namespace {

using namespace std::chrono_literals;
using mqtt::sparkplug::Datatype;
using mqtt::sparkplug::Payload;
using mqtt::sparkplug::Quality;
using mqtt::sparkplug::Value;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class EdgeNodeTest : public ::testing::Test {
 protected:
  struct Sent {
    Seq seq;
    std::string topic;
    Payload payload;
  };
  using Topics = std::vector<std::string>;

  EdgeNodeTest() {
    settings_.group = "g";
    settings_.node = "n";
    settings_.devices = std::make_shared<const std::vector<EdgeDevice>>(
        std::vector<EdgeDevice>{{"meter",
                                 "plant/meter",
                                 {{"power", Datatype::Float, "W", ""},
                                  {"count", Datatype::UInt64, "", ""},
                                  {"offset", Datatype::Int16, "", "plant/meter/offset/set"}}},
                                {"pump", "plant/pump", {{"on", Datatype::Boolean, "", "plant/pump/on/set"}}}});
  }

  EdgeNode& node() {
    if (!node_) {
      node_.emplace(settings_, clock_, [this](Seq seq, const std::string& topic, std::string payload) {
        sent_.push_back({seq, topic, mqtt::sparkplug::decode(payload).value()});
      });
    }
    return *node_;
  }
  static mqtt::sparkplug::Metric metric(const std::string& name, Datatype type, Value value) {
    mqtt::sparkplug::Metric made;
    made.name = name;
    made.datatype = type;
    made.value = std::move(value);
    return made;
  }
  /// One of the gateway's own, a second later than the last.
  mqtt::Publication reading(const std::string& device, std::vector<mqtt::sparkplug::Metric> metrics) {
    clock_.advance(1s);
    for (auto& one : metrics) one.timestamp = mqtt::sparkplug::milliseconds(clock_.utc());
    mqtt::Publication made;
    made.topic = "plant/" + device;
    made.payload = encode(Payload{mqtt::sparkplug::milliseconds(clock_.utc()), std::move(metrics), {}});
    made.published = clock_.now();
    EXPECT_TRUE(node().note(made));
    return made;
  }
  mqtt::Publication power(double value) { return reading("meter", {metric("power", Datatype::Double, value)}); }
  mqtt::Publication silent_pump() {
    auto on = metric("on", Datatype::Boolean, {});
    on.quality = Quality::Stale;
    on.cause = "timeout";
    return reading("pump", {std::move(on)});
  }
  mqtt::Publication running_pump() { return reading("pump", {metric("on", Datatype::Boolean, true)}); }
  EdgeNode::Taken from_host(const std::string& topic, const std::string& payload, bool retain = false) {
    mqtt::Publication made;
    made.topic = topic;
    made.payload = payload;
    made.retain = retain;
    return node().take(made);
  }
  EdgeNode::Taken state(const std::string& json) { return from_host("spBv1.0/STATE/scada", json); }
  EdgeNode::Taken rebirth() {
    return from_host("spBv1.0/g/NCMD/n",
                     encode(Payload{{}, {metric("Node Control/Rebirth", Datatype::Boolean, true)}, {}}));
  }
  std::vector<Sent> take_sent() { return std::exchange(sent_, {}); }
  Topics take_topics() {
    Topics topics;
    for (const auto& one : take_sent()) topics.push_back(one.topic);
    return topics;
  }

  testing::FakeClock clock_;
  EdgeNodeSettings settings_;
  std::optional<EdgeNode> node_;
  std::vector<Sent> sent_;
};

const mqtt::sparkplug::Metric* find(const Payload& payload, std::string_view name) {
  const auto found = std::ranges::find(payload.metrics, name, &mqtt::sparkplug::Metric::name);
  return found == payload.metrics.end() ? nullptr : &*found;
}

TEST_F(EdgeNodeTest, IsBornBeforeItsDevicesAndTheseBeforeTheirData) {
  // tck-id-principles-birth-certificates-order tck-id-payloads-dbirth-order tck-id-payloads-ndata-order
  // tck-id-payloads-ddata-order tck-id-message-flow-device-birth-publish-nbirth-wait
  // tck-id-message-flow-edge-node-birth-publish-connect
  // tck-id-topics-nbirth-topic tck-id-topics-dbirth-topic tck-id-topics-ddata-topic tck-id-topics-ndata-topic
  // tck-id-message-flow-edge-node-birth-publish-nbirth-topic tck-id-message-flow-device-birth-publish-dbirth-topic
  // tck-id-message-flow-device-birth-publish-dbirth-match-edge-node-topic
  power(1);
  running_pump();
  EXPECT_THAT(take_topics(), IsEmpty());
  node().connected(0);
  EXPECT_THAT(take_topics(), ElementsAre("spBv1.0/g/NBIRTH/n", "spBv1.0/g/DBIRTH/n/meter", "spBv1.0/g/DBIRTH/n/pump"));
  EXPECT_TRUE(node().tell(7, power(2)));
  node().report(3);
  EXPECT_THAT(take_topics(), ElementsAre("spBv1.0/g/DDATA/n/meter", "spBv1.0/g/NDATA/n"));
}

TEST_F(EdgeNodeTest, NumbersEveryMessageFromZeroTo255AndThenFromZeroAgain) {
  // tck-id-topics-nbirth-seq-num tck-id-payloads-nbirth-seq tck-id-payloads-sequence-num-req-nbirth
  // tck-id-message-flow-edge-node-birth-publish-nbirth-payload-seq tck-id-payloads-sequence-num-always-included
  // tck-id-topics-dbirth-seq tck-id-payloads-dbirth-seq tck-id-payloads-dbirth-seq-inc

  // tck-id-topics-ndata-seq-num tck-id-payloads-ndata-seq tck-id-topics-ddata-seq-num tck-id-payloads-ddata-seq
  // tck-id-topics-ddeath-seq-num tck-id-payloads-ddeath-seq tck-id-payloads-ddeath-seq-inc
  // tck-id-payloads-ddeath-seq-number
  power(1);
  running_pump();
  node().connected(0);
  for (int i = 0; i < 300; ++i) node().tell(1, power(i));
  node().report(1);
  node().tell(1, silent_pump());
  node().tell(1, running_pump());
  const auto sent = take_sent();
  ASSERT_EQ(sent.size(), 306U);
  for (std::size_t i = 0; i < sent.size(); ++i) EXPECT_EQ(sent[i].payload.seq, i % 256) << sent[i].topic;
  rebirth();
  EXPECT_EQ(take_sent().front().payload.seq, 0U);
}

TEST_F(EdgeNodeTest, DatesMessagesWhenTheyAreSentAndValuesWhenTheyWereTaken) {
  // tck-id-topics-nbirth-timestamp tck-id-payloads-nbirth-timestamp tck-id-topics-dbirth-timestamp
  // tck-id-payloads-dbirth-timestamp tck-id-topics-ndata-timestamp tck-id-payloads-ndata-timestamp
  // tck-id-topics-ddata-timestamp tck-id-payloads-ddata-timestamp tck-id-payloads-ddeath-timestamp
  // tck-id-payloads-name-birth-data-requirement tck-id-payloads-metric-timestamp-in-utc
  power(1);
  running_pump();
  const auto taken = mqtt::sparkplug::milliseconds(clock_.utc());
  clock_.advance(1min);
  node().connected(0);
  const auto late = power(2);
  clock_.advance(1min);
  node().tell(1, late);
  node().report(9);
  node().tell(1, silent_pump());
  const auto sent = take_sent();
  ASSERT_EQ(sent.size(), 6U);
  for (const auto& one : sent) {
    ASSERT_TRUE(one.payload.timestamp) << one.topic;
    for (const auto& metric : one.payload.metrics) EXPECT_TRUE(metric.timestamp) << one.topic;
  }
  EXPECT_EQ(sent[2].payload.timestamp, taken + 60'000);
  EXPECT_EQ(sent[2].payload.metrics[0].timestamp, taken);
  EXPECT_EQ(sent[3].payload.timestamp, taken + 121'000);
  EXPECT_EQ(sent[3].payload.metrics[0].timestamp, taken + 61'000);
}

TEST_F(EdgeNodeTest, ItsBirthHasTheBdSeqOfItsWillAndTheRebirthCommand) {
  // tck-id-topics-nbirth-bdseq-included tck-id-topics-nbirth-bdseq-matching tck-id-payloads-nbirth-bdseq
  // tck-id-payloads-nbirth-bdseq-repeat tck-id-message-flow-edge-node-birth-publish-nbirth-payload-bdseq
  // tck-id-operational-behavior-data-commands-rebirth-action-3 tck-id-payloads-ndeath-bdseq
  // tck-id-topics-nbirth-rebirth-metric tck-id-payloads-nbirth-rebirth-req
  // tck-id-operational-behavior-data-commands-rebirth-name tck-id-operational-behavior-data-commands-rebirth-datatype
  // tck-id-operational-behavior-data-commands-rebirth-value
  // tck-id-operational-behavior-data-commands-rebirth-name-aliases
  // tck-id-message-flow-edge-node-birth-publish-nbirth-payload tck-id-topics-nbirth-metrics
  // tck-id-operational-behavior-data-publish-nbirth-values
  node().connected(200);
  rebirth();
  const auto births = take_sent();
  ASSERT_EQ(births.size(), 2U);
  for (const auto& birth : births) {
    const auto* bd_seq = find(birth.payload, "bdSeq");
    ASSERT_NE(bd_seq, nullptr);
    EXPECT_EQ(bd_seq->value, Value(std::uint64_t{200}));
    EXPECT_EQ(bd_seq->datatype, Datatype::Int64);
    const auto* command = find(birth.payload, "Node Control/Rebirth");
    ASSERT_NE(command, nullptr);
    EXPECT_EQ(command->value, Value(false));
    EXPECT_EQ(command->datatype, Datatype::Boolean);
    EXPECT_FALSE(command->alias);
    for (const auto& metric : birth.payload.metrics) {
      EXPECT_FALSE(metric.name.empty());
      EXPECT_TRUE(metric.datatype) << metric.name;
      EXPECT_NE(metric.value, Value()) << metric.name;
    }
  }
}

TEST_F(EdgeNodeTest, ItsDeathSaysItsBdSeqAndNothingElse) {
  // tck-id-topics-ndeath-topic tck-id-topics-ndeath-payload tck-id-topics-ndeath-seq tck-id-payloads-ndeath-seq
  // tck-id-payloads-ndeath-bdseq tck-id-message-flow-edge-node-birth-publish-will-message-payload
  EXPECT_EQ(edge_topic(settings_, "NDEATH"), "spBv1.0/g/NDEATH/n");
  const auto death = mqtt::sparkplug::decode(death_payload(200));
  ASSERT_TRUE(death);
  EXPECT_FALSE(death->seq);
  ASSERT_EQ(death->metrics.size(), 1U);
  EXPECT_EQ(death->metrics[0].name, "bdSeq");
  EXPECT_EQ(death->metrics[0].datatype, Datatype::Int64);
  EXPECT_EQ(death->metrics[0].value, Value(std::uint64_t{200}));
}

TEST_F(EdgeNodeTest, ABirthOfADeviceHasAllItsMetricsWithNameAliasTypeAndValueOrNull) {
  // tck-id-topics-dbirth-metrics tck-id-operational-behavior-data-publish-dbirth-values
  // tck-id-payloads-alias-birth-requirement tck-id-payloads-metric-datatype-req tck-id-payloads-name-requirement
  // tck-id-message-flow-device-birth-publish-dbirth-payload
  power(23.5);
  node().connected(0);
  const auto sent = take_sent();
  ASSERT_EQ(sent.size(), 2U);
  const auto& metrics = sent[1].payload.metrics;
  ASSERT_EQ(metrics.size(), 3U);
  EXPECT_EQ(metrics[0].name, "power");
  EXPECT_EQ(metrics[0].datatype, Datatype::Float);
  EXPECT_EQ(metrics[0].value, Value(23.5F));
  EXPECT_EQ(metrics[0].unit, "W");
  EXPECT_EQ(metrics[0].read_only, true);
  EXPECT_FALSE(metrics[0].quality);
  EXPECT_EQ(metrics[1].name, "count");
  EXPECT_EQ(metrics[1].datatype, Datatype::UInt64);
  EXPECT_EQ(metrics[1].value, Value());
  EXPECT_EQ(metrics[1].quality, Quality::Stale);
  EXPECT_EQ(metrics[2].datatype, Datatype::Int16);
  EXPECT_EQ(metrics[2].read_only, false);
}

TEST_F(EdgeNodeTest, NoAliasIsThereTwice) {
  // tck-id-payloads-alias-uniqueness
  power(1);
  running_pump();
  node().connected(0);
  std::multiset<std::uint64_t> aliases;
  for (const auto& one : take_sent()) {
    for (const auto& metric : one.payload.metrics) {
      if (metric.alias) aliases.insert(*metric.alias);
    }
  }
  EXPECT_EQ(aliases.size(), 7U);
  for (const auto alias : aliases) EXPECT_EQ(aliases.count(alias), 1U) << alias;
}

TEST_F(EdgeNodeTest, DataHasWhatChangedByItsAliasWithoutTypes) {
  // tck-id-payloads-alias-data-cmd-requirement tck-id-payloads-metric-datatype-not-req tck-id-topics-ddata-payload
  // tck-id-topics-ndata-payload
  power(1);
  node().connected(0);
  const auto birth = take_sent()[1].payload;
  node().tell(7, reading("meter", {metric("offset", Datatype::Int64, static_cast<std::uint64_t>(-5))}));
  node().report(4);
  node().report(4);
  const auto sent = take_sent();
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(sent[0].seq, 7U);
  ASSERT_EQ(sent[0].payload.metrics.size(), 1U);
  const auto& told = sent[0].payload.metrics[0];
  EXPECT_EQ(told.alias, find(birth, "offset")->alias);
  EXPECT_EQ(told.name, "");
  EXPECT_FALSE(told.datatype);
  EXPECT_EQ(told.value, Value(static_cast<std::uint32_t>(-5)));
  ASSERT_EQ(sent[1].payload.metrics.size(), 1U);
  EXPECT_EQ(sent[1].payload.metrics[0].value, Value(std::uint64_t{4}));
}

TEST_F(EdgeNodeTest, WhatWasTakenBeforeTheBirthIsHistorical) {
  const auto first = power(1);
  const auto second = power(2);
  node().connected(0);
  take_sent();
  node().tell(1, first);
  node().tell(2, second);
  node().tell(3, power(3));
  const auto sent = take_sent();
  ASSERT_EQ(sent.size(), 3U);
  EXPECT_TRUE(sent[0].payload.metrics[0].historical);
  EXPECT_TRUE(sent[1].payload.metrics[0].historical);  // the birth said it
  EXPECT_FALSE(sent[2].payload.metrics[0].historical);
}

TEST_F(EdgeNodeTest, WhatIsOvertakenByNewerDataIsHistorical) {
  power(1);
  node().connected(0);
  const auto older = power(2);
  const auto newer = power(3);
  take_sent();
  node().tell(2, newer);
  node().tell(1, older);
  const auto sent = take_sent();
  EXPECT_FALSE(sent[0].payload.metrics[0].historical);
  EXPECT_TRUE(sent[1].payload.metrics[0].historical);
}

TEST_F(EdgeNodeTest, WhatARunBeforeLeftIsHistoricalAndItsDeviceIsBornForIt) {
  mqtt::Publication left;
  left.topic = "plant/meter";
  left.payload = encode(Payload{{}, {metric("power", Datatype::Double, 5.0)}, {}});
  left.published = clock_.now() - 1h;
  node().connected(0);
  EXPECT_TRUE(node().tell(1, left));
  auto sent = take_sent();
  ASSERT_EQ(sent.size(), 3U);
  EXPECT_EQ(sent[1].topic, "spBv1.0/g/DBIRTH/n/meter");
  EXPECT_TRUE(sent[2].payload.metrics[0].historical);
  node().bury();  // nothing was heard of it since
  EXPECT_THAT(take_topics(), ElementsAre("spBv1.0/g/DDEATH/n/meter"));
  node().bury();
  EXPECT_THAT(take_topics(), IsEmpty());
}

TEST_F(EdgeNodeTest, ADeviceThatIsSilentDiesAndIsBornAgain) {
  // tck-id-operational-behavior-device-ddeath tck-id-topics-ddeath-topic
  running_pump();
  node().connected(0);
  take_sent();
  EXPECT_TRUE(node().tell(1, silent_pump()));
  auto sent = take_sent();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].topic, "spBv1.0/g/DDEATH/n/pump");
  EXPECT_EQ(sent[0].seq, 1U);
  EXPECT_THAT(sent[0].payload.metrics, IsEmpty());
  EXPECT_FALSE(node().tell(2, silent_pump()));
  EXPECT_TRUE(node().tell(3, running_pump()));
  sent = take_sent();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].topic, "spBv1.0/g/DBIRTH/n/pump");
  EXPECT_EQ(sent[0].seq, 3U);
  EXPECT_EQ(sent[0].payload.metrics[0].value, Value(true));
}

TEST_F(EdgeNodeTest, ABadValueHasAQualityAndACauseUntilAGoodOneTakesItBack) {
  // tck-id-payloads-propertyset-quality-value-type tck-id-payloads-propertyset-quality-value-value
  power(1);
  node().connected(0);
  take_sent();
  auto bad = metric("power", Datatype::Double, 1.0);
  bad.quality = Quality::Bad;
  bad.cause = "invalid";
  node().tell(1, reading("meter", {bad}));
  node().tell(2, power(2));
  node().tell(3, power(3));
  const auto sent = take_sent();
  ASSERT_EQ(sent.size(), 3U);
  EXPECT_EQ(sent[0].payload.metrics[0].quality, Quality::Bad);
  EXPECT_EQ(sent[0].payload.metrics[0].cause, "invalid");
  EXPECT_EQ(sent[1].payload.metrics[0].quality, Quality::Good);
  EXPECT_FALSE(sent[2].payload.metrics[0].quality);
}

TEST_F(EdgeNodeTest, SubscribesToItsCommandsAndItsHostAtQos1) {
  // tck-id-message-flow-edge-node-ncmd-subscribe tck-id-message-flow-device-dcmd-subscribe
  // tck-id-operational-behavior-primary-application-state-with-multiple-servers-state-subs
  settings_.primary_host = "scada";
  std::vector<std::string> filters;
  for (const auto& [filter, qos] : node().subscriptions()) {
    filters.push_back(filter);
    EXPECT_EQ(qos, mqtt::Qos::AtLeastOnce);
  }
  EXPECT_THAT(filters, ElementsAre("spBv1.0/STATE/scada", "spBv1.0/g/NCMD/n", "spBv1.0/g/DCMD/n/meter",
                                   "spBv1.0/g/DCMD/n/pump"));
}

TEST_F(EdgeNodeTest, IsBornAnewWhenTheHostAsksForIt) {
  // tck-id-operational-behavior-data-commands-rebirth-action-1
  // tck-id-operational-behavior-data-commands-rebirth-action-2
  power(1);
  node().connected(0);
  take_sent();
  node().tell(1, power(2));
  EXPECT_TRUE(rebirth().born);
  const auto sent = take_sent();
  ASSERT_EQ(sent.size(), 3U);
  EXPECT_EQ(sent[1].topic, "spBv1.0/g/NBIRTH/n");
  EXPECT_EQ(sent[2].topic, "spBv1.0/g/DBIRTH/n/meter");
  EXPECT_EQ(sent[2].payload.metrics[0].value, Value(2.0F));
  const auto no = encode(Payload{{}, {metric("Node Control/Rebirth", Datatype::Boolean, false)}, {}});
  EXPECT_FALSE(from_host("spBv1.0/g/NCMD/n", no).born);
  EXPECT_THAT(take_topics(), IsEmpty());
}

TEST_F(EdgeNodeTest, CommandsByNameOrAliasBecomeWritesOfTheValueAsItWasSaid) {
  power(1);
  node().connected(0);
  const auto alias = find(take_sent()[1].payload, "offset")->alias;
  auto by_alias = metric("", Datatype::Int16, static_cast<std::uint32_t>(-5));
  by_alias.alias = alias;
  by_alias.datatype.reset();
  const auto taken = from_host("spBv1.0/g/DCMD/n/meter",
                               encode(Payload{{}, {by_alias, metric("offset", Datatype::Float, 23.4F)}, {}}));
  ASSERT_EQ(taken.writes.size(), 2U);
  EXPECT_EQ(taken.writes[0].topic, "plant/meter/offset/set");
  EXPECT_EQ(taken.writes[0].value, "-5");
  EXPECT_EQ(taken.writes[1].value, "23.4");
  const auto on = encode(Payload{{}, {metric("on", Datatype::Boolean, true)}, {}});
  EXPECT_EQ(from_host("spBv1.0/g/DCMD/n/pump", on).writes.at(0).value, "true");
}

TEST_F(EdgeNodeTest, WhatCannotBeWrittenOrIsNoneOfItsIsRefused) {
  node().connected(0);
  const auto refused = [&](const std::string& topic, const std::string& payload, bool retain = false) {
    const auto taken = from_host(topic, payload, retain);
    EXPECT_THAT(taken.writes, IsEmpty());
    return taken.refused;
  };
  const auto offset = encode(Payload{{}, {metric("offset", Datatype::Int16, std::uint32_t{1})}, {}});
  EXPECT_EQ(refused("spBv1.0/g/DCMD/n/meter", offset, true), "a command must not be retained");
  EXPECT_EQ(refused("spBv1.0/g/DCMD/n/boiler", offset), "no such device");
  EXPECT_EQ(refused("spBv1.0/g/DCMD/n/meter", "\xff"), "no Sparkplug payload");
  EXPECT_EQ(refused("spBv1.0/g/NCMD/n", "\xff"), "no Sparkplug payload");
  EXPECT_EQ(refused("spBv1.0/g/NCMD/n", offset), "the node has no \"offset\" to write");
  EXPECT_EQ(refused("spBv1.0/g/NDATA/n", offset), "nobody asked for this topic");
  EXPECT_NE(refused("spBv1.0/g/DCMD/n/meter", encode(Payload{{}, {metric("power", Datatype::Float, 1.0F)}, {}})), "");
  EXPECT_NE(refused("spBv1.0/g/DCMD/n/meter", encode(Payload{{}, {metric("offset", Datatype::Int16, {})}, {}})), "");
}

TEST_F(EdgeNodeTest, WaitsUntilItsPrimaryHostIsOnline) {
  // tck-id-message-flow-edge-node-birth-publish-phid-wait tck-id-message-flow-edge-node-birth-publish-phid-wait-id
  // tck-id-message-flow-edge-node-birth-publish-phid-wait-online
  // tck-id-operational-behavior-edge-node-birth-sequence-wait
  settings_.primary_host = "scada";
  node().connected(0);
  from_host("spBv1.0/STATE/other", R"({"online":true,"timestamp":5})");
  EXPECT_FALSE(rebirth().born);
  EXPECT_TRUE(state(R"({"online":false,"timestamp":5})").host_offline);
  for (const auto* wrong : {"ONLINE", R"({"online":1,"timestamp":5})", R"({"online":true})", R"([true])",
                            R"({"online":true,"timestamp":-1})", "{"}) {
    EXPECT_NE(state(wrong).refused, "") << wrong;
  }
  EXPECT_FALSE(node().is_born());
  EXPECT_THAT(take_topics(), IsEmpty());
  EXPECT_TRUE(state(R"({"online":true,"timestamp":6})").born);
  EXPECT_TRUE(node().is_born());
  EXPECT_THAT(take_topics(), ElementsAre("spBv1.0/g/NBIRTH/n"));
}

TEST_F(EdgeNodeTest, AStateThatIsOlderThanTheLastSaysNothingOfNow) {
  // tck-id-message-flow-edge-node-birth-publish-phid-wait-timestamp
  // tck-id-operational-behavior-edge-node-termination-host-offline-timestamp
  settings_.primary_host = "scada";
  node().connected(0);
  state(R"({"online":false,"timestamp":100})");
  EXPECT_FALSE(state(R"({"online":true,"timestamp":99})").born);
  EXPECT_TRUE(state(R"({"online":true,"timestamp":100})").born);
  EXPECT_FALSE(state(R"({"online":false,"timestamp":99})").host_offline);
  EXPECT_TRUE(state(R"({"online":false,"timestamp":100})").host_offline);
  node().disconnected();
  node().connected(1);  // perhaps another server, whose host dates anew
  EXPECT_TRUE(state(R"({"online":true,"timestamp":1})").born);
}

TEST_F(EdgeNodeTest, KnowsAfterAReloadWhatItKnewBefore) {
  power(23.5);
  EdgeNodeSettings other = settings_;
  other.devices = std::make_shared<const std::vector<EdgeDevice>>(std::vector<EdgeDevice>{
      {"meter", "plant/meter", {{"new", Datatype::Float, "", ""}, {"power", Datatype::Int32, "", ""}}},
      {"boiler", "plant/boiler", {{"power", Datatype::Float, "", ""}}}});
  EdgeNode next(other, clock_, [this](Seq seq, const std::string& topic, std::string payload) {
    sent_.push_back({seq, topic, mqtt::sparkplug::decode(payload).value()});
  });
  next.take_over(node());
  next.connected(1);
  const auto sent = take_sent();
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(sent[1].topic, "spBv1.0/g/DBIRTH/n/meter");
  EXPECT_EQ(sent[1].payload.metrics[0].quality, Quality::Stale);
  EXPECT_EQ(sent[1].payload.metrics[1].value, Value(std::uint32_t{24}));
}

TEST_F(EdgeNodeTest, WhatAnotherConfigurationLeftIsNotTold) {
  node().connected(0);
  power(1);
  take_sent();
  mqtt::Publication left;
  left.topic = "plant/boiler";
  EXPECT_FALSE(node().tell(1, left));
  left.topic = "plant/meter";
  left.payload = encode(Payload{{}, {metric("gone", Datatype::Double, 5.0)}, {}});
  left.published = clock_.now();
  EXPECT_TRUE(node().tell(1, power(1)));  // born
  EXPECT_FALSE(node().tell(1, left));
  left.payload = "\xff";
  EXPECT_FALSE(node().tell(1, left));
  EXPECT_FALSE(node().note(left));
}

TEST(MetricValue, KeepsEveryIntegerOfEveryTypeAndStopsAtItsLimits) {
  const auto whole = [](std::int64_t number, Datatype type) {
    return cast(Value(static_cast<std::uint64_t>(number)), Datatype::Int64, type);
  };
  EXPECT_EQ(whole(-128, Datatype::Int8), Value(static_cast<std::uint32_t>(-128)));
  EXPECT_EQ(whole(-129, Datatype::Int8), Value(static_cast<std::uint32_t>(-128)));
  EXPECT_EQ(whole(300, Datatype::UInt8), Value(std::uint32_t{255}));
  EXPECT_EQ(whole(-1, Datatype::UInt32), Value(std::uint32_t{0}));
  EXPECT_EQ(whole(INT64_MIN, Datatype::Int64), Value(std::uint64_t{1} << 63));
  EXPECT_EQ(cast(Value(UINT64_MAX), Datatype::UInt64, Datatype::UInt64), Value(UINT64_MAX));
  EXPECT_EQ(cast(Value(UINT64_MAX), Datatype::UInt64, Datatype::Int64), Value(std::uint64_t{INT64_MAX}));
  EXPECT_EQ(cast(Value(1e30), Datatype::Double, Datatype::UInt64), Value(UINT64_MAX));
  EXPECT_EQ(cast(Value(-2.6), Datatype::Double, Datatype::Int32), Value(static_cast<std::uint32_t>(-3)));
  EXPECT_EQ(cast(Value(true), Datatype::Boolean, Datatype::UInt16), Value(std::uint32_t{1}));
}

TEST(MetricValue, MakesNoValueOfWhatIsNone) {
  EXPECT_EQ(cast(Value(), Datatype::Double, Datatype::Double), Value());
  EXPECT_EQ(cast(Value(std::string("x")), Datatype::String, Datatype::Double), Value());
  EXPECT_EQ(cast(Value(std::string("x")), Datatype::String, Datatype::String), Value(std::string("x")));
  EXPECT_EQ(cast(Value(0.0 / 0.0), Datatype::Double, Datatype::Float), Value());
  EXPECT_EQ(cast(Value(2.5), Datatype::Double, Datatype::String), Value(std::string("2.5")));
  EXPECT_EQ(cast(Value(2.5), Datatype::Double, Datatype::Boolean), Value(true));
}

TEST(MetricValue, IsWrittenAsJson) {
  EXPECT_EQ(json_of(Value(std::uint32_t{0xFFFB}), Datatype::Int16), "-5");
  EXPECT_EQ(json_of(Value(std::uint32_t{0xFFFB}), Datatype::UInt16), "65531");
  EXPECT_EQ(json_of(Value(std::uint32_t{0xFB}), Datatype::Int8), "-5");
  EXPECT_EQ(json_of(Value(UINT64_MAX), Datatype::UInt64), "18446744073709551615");
  EXPECT_EQ(json_of(Value(UINT64_MAX), Datatype::Int64), "-1");
  EXPECT_EQ(json_of(Value(23.4F), Datatype::Float), "23.4");
  EXPECT_EQ(json_of(Value(23.4), Datatype::Double), "23.4");
  EXPECT_EQ(json_of(Value(std::string("a\"b\xff")), Datatype::String), "\"a\\\"b\xef\xbf\xbd\"");
  EXPECT_EQ(json_of(Value(), Datatype::Float), "");
  EXPECT_EQ(json_of(Value(0.0F / 0.0F), Datatype::Float), "");
}

}  // namespace
}  // namespace ferrule::bridge
